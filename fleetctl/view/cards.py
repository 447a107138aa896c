"""What a drawing shows of one replica in one network: few lines, the same in every kind of drawing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fleetctl.state.network import Attachment, WiredNetwork
from fleetctl.view import facts
from fleetctl.view.remarks import remarks_on
from fleetctl.view.text import safe

Tone = Literal["fine", "unsettled", "faulty"]
SOCKETS, PORTS, REMARKS = 3, 2, 2
"""How many of each a card lists before it counts."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a card; `tone` where it says how things are."""

    text: str
    tone: Tone | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """A replica: its name, its end of the veth pair and what is behind it; `veth` and `port` are the host's side, empty
    where there is none. Every text is safe for a terminal, and not yet for any language of drawings."""

    name: str
    tone: Tone
    veth: str
    port: str
    lines: tuple[Line, ...]


def card(attachment: Attachment, network: WiredNetwork | None) -> Card:
    """The card of a replica in a network, or in none."""
    odd = [safe(remark) for remark in remarks_on(attachment, network)] if network else [stray(attachment)]
    return Card(
        name=safe(attachment.replica),
        tone=tone(attachment, odd),
        veth=facts.end(attachment.veth) if attachment.veth else "",
        port=safe(attachment.port_state or ""),
        lines=tuple(lines(attachment, odd)),
    )


def stray(attachment: Attachment) -> str:
    return safe(attachment.unknown.get("interface", "it is in no network"))


def tone(attachment: Attachment, odd: list[str]) -> Tone:
    """Faulty when it does not run or does not answer, unsettled when something about it is remarkable."""
    silent = attachment.reply is not None and attachment.reply.error is not None
    if attachment.state != "running" or silent or attachment.port_state not in ("forwarding", None):
        return "faulty"
    return "unsettled" if odd else "fine"


def lines(attachment: Attachment, odd: list[str]) -> Iterator[Line]:
    if attachment.state != "running":
        yield Line(safe(attachment.state), "faulty")
    addresses = "  ".join(facts.addresses(attachment))
    if attachment.interface:
        yield Line(f"{facts.end(attachment.interface)}  {addresses}")
    elif addresses:
        yield Line(addresses)
    sockets = facts.sockets(attachment.namespace)
    told = [Line(f"{one.protocol} {one.endpoint}  {one.reach}", reach_tone(one.reach)) for one in sockets]
    yield from some(told, SOCKETS, "sockets")
    ports = [Line(facts.publication(one)) for one in attachment.published]
    yield from some(ports, PORTS, "published ports")
    if attachment.reply is not None:
        yield Line(facts.answer(attachment.reply), "fine" if attachment.reply.error is None else "faulty")
    yield from some([Line(remark, "unsettled") for remark in odd], REMARKS, "remarks")


def reach_tone(reach: str) -> Tone:
    return "fine" if reach.startswith("all interfaces") else "unsettled"


def some(all_lines: list[Line], count: int, what: str) -> Iterator[Line]:
    """The first lines, and how many more there are."""
    yield from all_lines[:count]
    if len(all_lines) > count:
        yield Line(f"and {len(all_lines) - count} more {what}")


def network_title(network: WiredNetwork) -> str:
    """Name, subnets and driver."""
    subnets = "".join(f"  {safe(subnet)}" for subnet, _ in network.subnets)
    return f"{safe(network.name)}{subnets}  ({safe(network.driver)})"


def bridge_title(network: WiredNetwork) -> str:
    """The bridge with its number, state, addresses and MTU, or why it is unknown."""
    bridge = network.bridge
    if bridge is None:
        return f"no bridge: {safe(network.unknown.get('bridge', 'it was not looked for'))}"
    addresses = "".join(f"  {safe(one)}" for one in bridge.addresses if not one.startswith("fe80:"))
    return f"bridge {safe(bridge.name)} ({bridge.ifindex}) {safe(bridge.state)}{addresses}  MTU {bridge.mtu}"
