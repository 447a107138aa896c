"""Shows how a fleet's replicas are wired as tables: a row a replica where that fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from fleetctl.state.network import Attachment, Interface, Topology, WiredNetwork
from fleetctl.view import facts
from fleetctl.view.remarks import remarks
from fleetctl.view.styles import UNSETTLED, state_style
from fleetctl.view.text import safe

_ABSENT = "-"
_GAP = _INDENT = 2
_MAC = len("02:42:ac:1e:00:02")

_TITLES = ("REPLICA", "STATE", "INTERFACE", "ADDRESS", "MAC", "MTU", "VETH", "VETH MAC", "PORT", "LISTENS", "ALIASES")
_Row: TypeAlias = Mapping[str, Text]


def topology_view(topology: Topology, *, width: int) -> RenderableType:
    """The wiring for a terminal of `width` columns: one row a replica where that fits, else three short lines."""
    if not topology.networks and not topology.unattached:
        whose = f"fleet {safe(topology.fleet)} has" if topology.fleet else "there is"
        return Text(f"{whose} no network and no replica")
    blocks = [[*_heading(network), *_body(network, width)] for network in topology.networks]
    if topology.unattached:
        blocks.append([*_strays(topology.unattached)])
    for block in blocks[:-1]:
        block.append(Text())
    return Group(*(part for block in blocks for part in block))


def _heading(network: WiredNetwork) -> Iterator[RenderableType]:
    origin = f"  network {safe(network.id[:12])}, driver {safe(network.driver)}"
    yield Text.assemble((safe(network.name), "bold cyan"), (origin, "dim"))
    for subnet, gateway in network.subnets:
        leaving = f"gateway {safe(gateway)}" if gateway else "no gateway"
        yield _indented(Text(f"subnet {safe(subnet)}, {leaving}"))
    bridge = network.bridge
    if bridge is None:
        yield _indented(Text(f"bridge unknown: {safe(network.unknown['bridge'])}", style=UNSETTLED))
    else:
        named = f"bridge {safe(bridge.name)} (ifindex {bridge.ifindex}), "
        yield _indented(Text.assemble(named, _state(bridge.state), f", MAC {bridge.mac}, MTU {bridge.mtu}"))


def _body(network: WiredNetwork, width: int) -> Iterator[RenderableType]:
    yield Text()
    if not network.attachments:
        yield _indented(Text("nothing is plugged in"))
        return
    rows = [_row(attachment, network.bridge) for attachment in network.attachments]
    widths = {title: max(len(title), *(row[title].cell_len for row in rows)) for title in _TITLES}
    fits = _INDENT + sum(widths.values()) + _GAP * (len(widths) - 1) <= width
    yield from map(_indented, _table(rows, widths) if fits else _stacked(rows, widths))
    notes = list(remarks(network))
    if notes:
        yield Text()
    for note in notes:
        yield _indented(Text(note, style=UNSETTLED))


def _strays(attachments: Sequence[Attachment]) -> Iterator[RenderableType]:
    yield Text("in none of these networks", style="bold")
    for attachment in attachments:
        name, state = Text(safe(attachment.replica), style="bold"), _state(attachment.state)
        reason = Text(safe(attachment.unknown["interface"]), style=UNSETTLED)
        yield _indented(_line([(name, 0), (state, 0), (reason, 0)]))


def _row(attachment: Attachment, bridge: Interface | None) -> _Row:
    """One replica's facts by title; what the engine says stands in where the kernel is silent."""
    interface, veth = attachment.interface, attachment.veth
    addresses = interface.addresses if interface else (attachment.engine_ipv4 or "",)
    listens = [f"{one.protocol} {one.endpoint} {one.reach}" for one in facts.sockets(attachment.namespace)]
    own_id = attachment.container_id[:12]  # the engine makes it an alias of every container
    mtu = _text(str(interface.mtu) if interface else None)
    if interface and bridge and interface.mtu != bridge.mtu:
        mtu.stylize(UNSETTLED)
    return {
        "REPLICA": Text(safe(attachment.replica), style="bold"),
        "STATE": _state(attachment.state),
        "INTERFACE": _end(interface),
        "ADDRESS": _text(", ".join(addresses)),
        "MAC": _text(interface.mac if interface else attachment.engine_mac, "dim"),
        "MTU": mtu,
        "VETH": _end(veth),
        "VETH MAC": _text(veth.mac if veth else None, "dim"),
        "PORT": _state(attachment.port_state),
        "LISTENS": _text(", ".join(listens)),
        "ALIASES": _text(", ".join(alias for alias in attachment.aliases if alias != own_id)),
    }


def _table(rows: Sequence[_Row], widths: Mapping[str, int]) -> Iterator[Text]:
    """One line a replica under a line of titles."""
    titles = {title: Text(title, style="bold") for title in _TITLES}
    for row in (titles, *rows):
        yield _line([(row[title], widths[title]) for title in _TITLES])


def _stacked(rows: Sequence[_Row], widths: Mapping[str, int]) -> Iterator[Text]:
    """Three lines a replica: itself, its interface, and the host's end of the pair with its port."""
    end = 2 + max(widths["INTERFACE"], widths["VETH"])
    for row in rows:
        cells = [(row["REPLICA"], widths["REPLICA"]), (row["STATE"], widths["STATE"])]
        if row["ADDRESS"].plain != _ABSENT:
            cells.append((row["ADDRESS"], widths["ADDRESS"]))
        if row["ALIASES"].plain != _ABSENT:
            cells.append((Text.assemble("aliases ", row["ALIASES"]), 0))
        yield _line(cells)
        if row["INTERFACE"].plain == row["VETH"].plain == _ABSENT:
            continue
        inner, mtu = Text.assemble("├ ", row["INTERFACE"]), Text.assemble("MTU ", row["MTU"])
        outer, port = Text.assemble("└ ", row["VETH"]), Text.assemble("port ", row["PORT"])
        yield _line([(inner, end), (row["MAC"], _MAC), (mtu, 0)])
        yield _line([(outer, end), (row["VETH MAC"], _MAC), (port, 0)])
        if row["LISTENS"].plain != _ABSENT:
            yield Text.assemble("  listens on ", row["LISTENS"])


def _line(cells: Sequence[tuple[Text, int]]) -> Text:
    """Cells side by side, each but the last padded to its width."""
    padded = [cell + Text(" " * (width - cell.cell_len)) for cell, width in cells[:-1]]
    return Text(" " * _GAP).join((*padded, cells[-1][0]))


def _end(interface: Interface | None) -> Text:
    """One end of a veth pair: name, ifindex and state."""
    if interface is None:
        return _text(None)
    return Text.assemble(safe(interface.name), (f" ({interface.ifindex}) ", "dim"), _state(interface.state))


def _state(state: str | None) -> Text:
    return _text(state, state_style(state))


def _text(text: str | None, style: str = "") -> Text:
    return Text(safe(text), style=style) if text else Text(_ABSENT, style="dim")


def _indented(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, _INDENT), expand=False)
