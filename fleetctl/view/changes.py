"""Says what differs between two pictures of the wiring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from fleetctl.state.network import Attachment, Topology, WiredNetwork
from fleetctl.view import facts

Changes: TypeAlias = Mapping[str, Sequence[str]]
"""One sentence a change, raw, by the name of a replica or network."""

Facts: TypeAlias = dict[tuple[str, str], str]
"""What is followed: a text by (name of the replica or network, what it is about)."""


def changes(before: Topology, after: Topology) -> Changes:
    """What came, went and became something else. Counters and times of answers, which always change, do not count."""
    old, new = followed(before), followed(after)
    found: dict[str, list[str]] = {}
    for subject, aspect in dict.fromkeys((*old, *new)):
        was, now = old.get((subject, aspect)), new.get((subject, aspect))
        if was != now:
            found.setdefault(subject, []).append(sentence(aspect, was, now))
    return found


def sentence(aspect: str, was: str | None, now: str | None) -> str:
    if was is None:
        return f"{aspect} is new: {now}"
    if now is None:
        return f"{aspect} is gone: {was}"
    return f"{aspect}: {was} → {now}"


def followed(topology: Topology) -> Facts:
    found: Facts = {}
    for network in topology.networks:
        found |= {(network.name, aspect): text for aspect, text in network_facts(network) if text}
        for attachment in network.attachments:
            facts_of = attachment_facts(attachment, network.name)
            found |= {(attachment.replica, aspect): text for aspect, text in facts_of if text}
    for attachment in topology.unattached:
        found |= {(attachment.replica, aspect): text for aspect, text in replica_facts(attachment) if text}
    return found


def network_facts(network: WiredNetwork) -> Iterator[tuple[str, str]]:
    bridge = network.bridge
    yield "bridge", f"{bridge.name} {bridge.state}, MTU {bridge.mtu}" if bridge else ""
    yield "addresses of the bridge", ", ".join(bridge.addresses) if bridge else ""


def attachment_facts(attachment: Attachment, network: str) -> Iterator[tuple[str, str]]:
    """Of one replica, and of its way into one network, told with the network's name since it may be in several."""
    yield from replica_facts(attachment)
    interface, veth = attachment.interface, attachment.veth
    yield f"interface in {network}", f"{interface.name} {interface.state}, MTU {interface.mtu}" if interface else ""
    yield f"addresses in {network}", ", ".join(facts.addresses(attachment))
    yield f"veth in {network}", f"{veth.name} {veth.state}, MTU {veth.mtu}" if veth else ""
    yield f"port in {network}", attachment.port_state or ""
    yield "published", ", ".join(f"{facts.publication(one)} ({facts.backing(one)})" for one in attachment.published)


def replica_facts(attachment: Attachment) -> Iterator[tuple[str, str]]:
    reply = attachment.reply
    yield "state", attachment.state
    yield "listens", ", ".join(f"{one.protocol} {one.endpoint}" for one in facts.sockets(attachment.namespace))
    yield "routes", ", ".join(facts.routes(attachment.namespace))
    yield "HTTP", "" if reply is None else str(reply.reply.status or reply.reply.error or "no answer")
