"""Shows the wiring as a tree for a terminal: bridge, its ports, the veth pair of each, and what listens behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from fleetctl.state.network import Attachment, Interface, Publication, Topology, WiredNetwork
from fleetctl.view import facts
from fleetctl.view.changes import Changes
from fleetctl.view.remarks import remarks
from fleetctl.view.styles import CHANGED, FAULTY, FINE, UNSETTLED, state_style
from fleetctl.view.text import safe

MANY = 10
"""A network with more replicas is shown in the short form: two or three lines a replica."""
GUIDE = "dim"
TITLE = "dim"
REACH_STYLES = {"all interfaces": FINE, "loopback only": UNSETTLED, "one address": UNSETTLED}


def topology_tree(topology: Topology, changes: Changes | None = None) -> RenderableType:
    """Every network as a tree, and below them what is in none."""
    changes = changes or {}
    parts: list[RenderableType] = []
    told: set[str] = set()
    for network in topology.networks:
        parts += [*network_parts(network, changes, told), Text()]
        told |= {attachment.container_id for attachment in network.attachments}
    if topology.unattached:
        strays = Tree(Text("in none of these networks", style="bold"), guide_style=GUIDE)
        for attachment in topology.unattached:
            add_stray(strays, attachment, changes)
        parts += [strays, Text()]
    if not parts:
        whose = f"fleet {safe(topology.fleet)} has" if topology.fleet else "there is"
        return Text(f"{whose} no network and no replica")
    return Group(*parts[:-1])


def network_parts(network: WiredNetwork, changes: Changes, told: Set[str]) -> Iterator[RenderableType]:
    """The heading, the tree, and what is remarkable. Of containers that are `told` already only their way into this
    network is."""
    short = len(network.attachments) > MANY
    tree = Tree(bridge_line(network), guide_style=GUIDE)
    add_changes(tree, changes.get(network.name, ()))
    common = shared(network)
    for title, text in common.items():
        tree.add(Text.assemble((f"{title} where nothing else is said  ", TITLE), text))
    for attachment in network.attachments:
        if attachment.container_id in told:
            add_again(tree, attachment, changes)
        elif short:
            add_short(tree, attachment, common, changes)
        else:
            add_whole(tree, attachment, common, changes)
    if not network.attachments:
        tree.add(Text("nothing is plugged in"))
    yield heading(network)
    yield tree
    for remark in remarks(network):
        yield Text.assemble(("! ", UNSETTLED), (remark, UNSETTLED))
    if short:
        yield Text(f"short form for more than {MANY} replicas; name one to see all of it", style=TITLE)


def heading(network: WiredNetwork) -> Text:
    text = Text.assemble((safe(network.name), "bold cyan"))
    for subnet, gateway in network.subnets:
        text.append(f"  {safe(subnet)}, gateway {safe(gateway)}" if gateway else f"  {safe(subnet)}, no gateway")
    return text.append(f"  network {safe(network.id[:12])}, driver {safe(network.driver)}", style=TITLE)


def bridge_line(network: WiredNetwork) -> Text:
    bridge = network.bridge
    if bridge is None:
        return Text(f"bridge unknown: {safe(network.unknown.get('bridge', 'it was not looked for'))}", style=UNSETTLED)
    text = Text.assemble("bridge ", (safe(bridge.name), "bold"), (f" ({bridge.ifindex}) ", TITLE))
    text.append(safe(bridge.state), style=state_style(bridge.state))
    text.append("".join(f"  {safe(address)}" for address in bridge.addresses if not address.startswith("fe80:")))
    text.append(f"  MTU {bridge.mtu}")
    text.append("  STP" if bridge.stp else "").append("  VLAN filtering" if bridge.vlan_filtering else "")
    return text.append(f"  MAC {bridge.mac}", style=TITLE)


def shared(network: WiredNetwork) -> dict[str, str]:
    """By title what is the same for most running replicas, told once; of a single one nothing is."""
    running = [dict(quiet(attachment)) for attachment in network.attachments if attachment.namespace]
    found = {}
    for title in dict.fromkeys(title for one in running for title in one):
        text, count = Counter(one[title] for one in running if title in one).most_common(1)[0]
        if 1 < count > len(running) / 2:
            found[title] = text
    return found


def quiet(attachment: Attachment) -> Iterator[tuple[str, str]]:
    """Facts that are mostly alike in all replicas of a network."""
    namespace = attachment.namespace
    yield from facts.listed((("routes", facts.routes(namespace)),))
    if text := facts.dns(namespace.resolver if namespace else None):
        yield "DNS", text


def add_whole(tree: Tree, attachment: Attachment, common: Mapping[str, str], changes: Changes) -> None:
    """All of one replica."""
    label = replica_name(attachment, changes)
    if reply := answer_text(attachment):
        label.append("  ").append_text(reply)
    branch = tree.add(label)
    if attachment.interface or attachment.veth or facts.addresses(attachment):
        branch.add(pair(attachment, whole=True))
    add_sockets(branch, attachment)
    for published in attachment.published:
        branch.add(titled("published", facts.publication(published), "" if backed(published) else UNSETTLED))
    for title, text in (*quiet(attachment), *particulars(attachment)):
        if common.get(title) != text:
            branch.add(titled(title, text))
    add_changes(branch, changes.get(attachment.replica, ()))


def add_short(tree: Tree, attachment: Attachment, common: Mapping[str, str], changes: Changes) -> None:
    """One replica among many: its name and pair in one line, its sockets and answer in another, and what is unusual."""
    label = replica_name(attachment, changes)
    if attachment.interface or attachment.veth or facts.addresses(attachment):
        label.append("  ").append_text(pair(attachment, whole=False))
    second = Text("  ").join(
        [
            *([answer_text(attachment)] if attachment.reply else []),
            *(socket_text(one) for one in facts.sockets(attachment.namespace)),
            *(Text(facts.publication(one)) for one in attachment.published),
        ]
    )
    branch = tree.add(Text("\n").join([label, second]) if second else label)
    for title, text in quiet(attachment):
        if common.get(title) != text:
            branch.add(titled(title, text))
    if troubled := facts.neighbours(attachment.namespace, troubled=True):
        branch.add(titled("neighbours", ", ".join(troubled), UNSETTLED))
    add_changes(branch, changes.get(attachment.replica, ()))


def add_again(tree: Tree, attachment: Attachment, changes: Changes) -> None:
    """A replica that is in a network above, too, where its sockets and routes are shown."""
    branch = tree.add(replica_name(attachment, changes).append("  also above", style=TITLE))
    branch.add(pair(attachment, whole=True))
    for title, text in particulars(attachment):
        if title != "neighbours":
            branch.add(titled(title, text))


def add_stray(tree: Tree, attachment: Attachment, changes: Changes) -> None:
    label = replica_name(attachment, changes)
    label.append(f"  {safe(attachment.unknown['interface'])}", style=UNSETTLED)
    branch = tree.add(label)
    add_sockets(branch, attachment)
    add_changes(branch, changes.get(attachment.replica, ()))


def add_sockets(branch: Tree, attachment: Attachment) -> None:
    namespace = attachment.namespace
    for socket in facts.sockets(namespace):
        branch.add(Text.assemble(("listens    ", TITLE), socket_text(socket)))
    if namespace is not None and namespace.listeners is not None and not facts.sockets(namespace):
        branch.add(titled("listens", "nothing listens", UNSETTLED))


def add_changes(branch: Tree, changes: Sequence[str]) -> None:
    for change in changes:
        branch.add(Text(f"changed: {safe(change)}", style=CHANGED))


def particulars(attachment: Attachment) -> Iterator[tuple[str, str]]:
    """What differs from replica to replica."""
    interface = attachment.interface
    yield from facts.listed(
        (
            ("names", facts.names(attachment)),
            ("neighbours", facts.neighbours(attachment.namespace)),
            ("carried", list(filter(None, [facts.traffic(interface.counters if interface else None)]))),
        )
    )


def replica_name(attachment: Attachment, changes: Changes) -> Text:
    style = CHANGED if attachment.replica in changes else "bold"
    text = Text.assemble((safe(attachment.replica), style))
    if attachment.state != "running":
        text.append("  ").append(safe(attachment.state), style=state_style(attachment.state))
    return text


def pair(attachment: Attachment, *, whole: bool) -> Text:
    """The veth pair from the bridge's port to the replica's interface."""
    text = Text()
    port = attachment.port_state
    text.append(safe(port) if port else "in no port", style=state_style(port) if port else UNSETTLED)
    text.append(" ").append_text(one_end(attachment.veth)).append(" ⇄ ").append_text(one_end(attachment.interface))
    text.append("".join(f"  {address}" for address in facts.addresses(attachment)), style="cyan")
    if whole and attachment.interface:
        text.append(f"  MTU {attachment.interface.mtu}")
        text.append(f"  MAC {attachment.interface.mac}", style=TITLE)
    return text


def one_end(interface: Interface | None) -> Text:
    if interface is None:
        return Text("?", style=UNSETTLED)
    text = Text.assemble(safe(interface.name), (f" ({interface.ifindex})", TITLE))
    if interface.state != "up":
        text.append(f" {safe(interface.state)}", style=state_style(interface.state))
    return text


def socket_text(socket: facts.Socket) -> Text:
    text = Text.assemble(f"{socket.protocol} {socket.endpoint} ", (socket.reach, REACH_STYLES.get(socket.reach, FINE)))
    if socket.holders:
        text.append(f"  {socket.holders}")
    if socket.queue:
        text.append(f"  {socket.queue}", style=UNSETTLED)
    return text


def answer_text(attachment: Attachment) -> Text:
    good = attachment.reply is not None and attachment.reply.error is None
    return Text(facts.answer(attachment.reply), style=FINE if good else FAULTY)


def backed(published: Publication) -> bool:
    """Whether nothing that should back the port is known to be missing."""
    return published.rule is not None or "rule" in published.unknown


def titled(title: str, text: str, style: str = "") -> Text:
    return Text.assemble((f"{title:<10} ", TITLE), (text, style))
