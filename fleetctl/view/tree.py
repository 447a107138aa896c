"""Shows the wiring as a tree for a terminal: bridge, its ports, the veth pair of each, and what listens behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import TypeAlias

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from fleetctl.state.network import Attachment, Interface, Publication, Topology, WiredNetwork
from fleetctl.view import facts
from fleetctl.view.changes import Changes
from fleetctl.view.flow import Flow
from fleetctl.view.remarks import remarks
from fleetctl.view.styles import CHANGED, FAULTY, FINE, UNSETTLED, state_style
from fleetctl.view.text import safe

MANY = 10
"""A network with more replicas is shown in the short form: two or three lines a replica."""
GUIDE = "dim"
TITLE = "dim"
Facts: TypeAlias = Mapping[str, tuple[str, ...]]
"""Texts by title; none is empty."""
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
    for title, texts in common.items():
        tree.add(Flow([Text(f"{title}, where a replica says nothing else:", style=TITLE), *map(Text, texts)]))
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
        yield Flow([Text(f"! {remark}", style=UNSETTLED)])
    if short:
        yield Text(f"short form for more than {MANY} replicas; name one to see all of it", style=TITLE)


def heading(network: WiredNetwork) -> Flow:
    pieces = [Text(safe(network.name), style="bold cyan")]
    for subnet, gateway in network.subnets:
        pieces.append(Text(f"{safe(subnet)}, gateway {safe(gateway)}" if gateway else f"{safe(subnet)}, no gateway"))
    pieces.append(Text(f"driver {safe(network.driver)}, network {safe(network.id[:12])}", style=TITLE))
    return Flow(pieces)


def bridge_line(network: WiredNetwork) -> Flow:
    bridge = network.bridge
    if bridge is None:
        reason = network.unknown.get("bridge", "it was not looked for")
        return Flow([Text(f"bridge unknown: {safe(reason)}", style=UNSETTLED)])
    name = Text.assemble("bridge ", (safe(bridge.name), "bold"), (f" ({bridge.ifindex}) ", TITLE))
    pieces = [name.append(safe(bridge.state), style=state_style(bridge.state))]
    pieces += [Text(safe(address)) for address in bridge.addresses if not address.startswith("fe80:")]
    pieces += [Text(f"MTU {bridge.mtu}"), Text(f"MAC {safe(str(bridge.mac))}", style=TITLE)]
    pieces += [Text("STP")] if bridge.stp else []
    pieces += [Text("VLAN filtering")] if bridge.vlan_filtering else []
    return Flow(pieces)


def shared(network: WiredNetwork) -> Facts:
    """What is the same for most running replicas, told once; of a single one nothing is."""
    running = [quiet(attachment) for attachment in network.attachments if attachment.namespace]
    found = {}
    for title in dict.fromkeys(title for one in running for title in one):
        texts, count = Counter(one[title] for one in running if title in one).most_common(1)[0]
        if 1 < count > len(running) / 2:
            found[title] = texts
    return found


def quiet(attachment: Attachment) -> Facts:
    """Facts that are mostly alike in all replicas of a network."""
    namespace = attachment.namespace
    dns = facts.dns(namespace.resolver) if namespace else ""
    found = {"routes": tuple(facts.routes(namespace)), "DNS": (dns,) if dns else ()}
    return {title: texts for title, texts in found.items() if texts}


def add_whole(tree: Tree, attachment: Attachment, common: Facts, changes: Changes) -> None:
    """All of one replica."""
    branch = tree.add(Flow([replica_name(attachment, changes), answer_text(attachment)]))
    add_pair(branch, attachment)
    add_sockets(branch, attachment)
    for published in attachment.published:
        backing = Text(facts.backing(published), style="" if backed(published) else UNSETTLED)
        branch.add(titled("published", Text(facts.publication(published)), backing))
    for title, texts in {**quiet(attachment), **particulars(attachment)}.items():
        if common.get(title) != texts:
            branch.add(titled(title, *map(Text, texts)))
    add_changes(branch, changes.get(attachment.replica, ()))


def add_short(tree: Tree, attachment: Attachment, common: Facts, changes: Changes) -> None:
    """One replica among many: its name and pair in one line, its sockets and answer in another, and what is unusual."""
    first = Flow([replica_name(attachment, changes), *pair(attachment)])
    second = Flow(
        [
            *(socket_text(one, held=False) for one in facts.sockets(attachment.namespace)),
            answer_text(attachment),
            *(Text(facts.publication(one)) for one in attachment.published),
        ]
    )
    branch = tree.add(Group(first, second) if any(second.pieces) else first)
    for title, texts in quiet(attachment).items():
        if common.get(title) != texts:
            branch.add(titled(title, *map(Text, texts)))
    if troubled := facts.neighbours(attachment.namespace, troubled=True):
        branch.add(titled("neighbours", Text(", ".join(troubled), style=UNSETTLED)))
    add_changes(branch, changes.get(attachment.replica, ()))


def add_again(tree: Tree, attachment: Attachment, changes: Changes) -> None:
    """A replica that is in a network above, too, where its sockets and routes are shown."""
    branch = tree.add(replica_name(attachment, changes).append("  also above", style=TITLE))
    add_pair(branch, attachment)
    for title, texts in particulars(attachment).items():
        if title != "neighbours":
            branch.add(titled(title, *map(Text, texts)))


def add_stray(tree: Tree, attachment: Attachment, changes: Changes) -> None:
    reason = Text(safe(attachment.unknown["interface"]), style=UNSETTLED)
    branch = tree.add(Flow([replica_name(attachment, changes), reason]))
    add_sockets(branch, attachment)
    add_changes(branch, changes.get(attachment.replica, ()))


def add_pair(branch: Tree, attachment: Attachment) -> None:
    """The pair with what is only worth a place where there is much."""
    if pieces := pair(attachment):
        interface = attachment.interface
        facts_of = (
            [Text(f"MAC {safe(str(interface.mac))}", style=TITLE), Text(f"MTU {interface.mtu}")] if interface else []
        )
        branch.add(Flow([*pieces, *facts_of]))


def add_sockets(branch: Tree, attachment: Attachment) -> None:
    namespace = attachment.namespace
    for socket in facts.sockets(namespace):
        branch.add(titled("listens", socket_text(socket, held=True)))
    if namespace is not None and namespace.listeners is not None and not facts.sockets(namespace):
        branch.add(titled("listens", Text("nothing listens", style=UNSETTLED)))


def add_changes(branch: Tree, changes: Sequence[str]) -> None:
    for change in changes:
        branch.add(Flow([Text(f"changed: {safe(change)}", style=CHANGED)]))


def particulars(attachment: Attachment) -> Facts:
    """What differs from replica to replica."""
    carried = facts.traffic(attachment.interface.counters if attachment.interface else None)
    found = {
        "names": tuple(facts.names(attachment)),
        "neighbours": tuple(facts.neighbours(attachment.namespace)),
        "carried": (carried,) if carried else (),
    }
    return {title: texts for title, texts in found.items() if texts}


def replica_name(attachment: Attachment, changes: Changes) -> Text:
    style = CHANGED if attachment.replica in changes else "bold"
    text = Text.assemble((safe(attachment.replica), style))
    if attachment.state != "running":
        text.append("  ").append(safe(attachment.state), style=state_style(attachment.state))
    return text


def pair(attachment: Attachment) -> list[Text]:
    """The veth pair from the bridge's port to the replica's interface, and the addresses of that; the engine's where
    nothing of the pair is known."""
    addresses = [Text(address, style="cyan") for address in facts.addresses(attachment)]
    if attachment.interface is None and attachment.veth is None:
        return addresses
    port = attachment.port_state
    text = Text(safe(port) if port else "in no port", style=state_style(port) if port else UNSETTLED)
    way = Text.assemble(text, " ", one_end(attachment.veth), " ⇄ ", one_end(attachment.interface))
    return [way, *addresses]


def one_end(interface: Interface | None) -> Text:
    if interface is None:
        return Text("?", style=UNSETTLED)
    text = Text.assemble(safe(interface.name), (f" ({interface.ifindex})", TITLE))
    if interface.state != "up":
        text.append(f" {safe(interface.state)}", style=state_style(interface.state))
    return text


def socket_text(socket: facts.Socket, *, held: bool) -> Text:
    """One socket, and, where `held` is wanted, who holds it."""
    text = Text.assemble(f"{socket.protocol} {socket.endpoint} ", (socket.reach, REACH_STYLES.get(socket.reach, FINE)))
    text.append(f"  {socket.holders}" if held and socket.holders else "")
    return text.append(f"  {socket.queue}" if socket.queue else "", style=UNSETTLED)


def answer_text(attachment: Attachment) -> Text:
    good = attachment.reply is not None and attachment.reply.error is None
    return Text(facts.answer(attachment.reply), style=FINE if good else FAULTY)


def backed(published: Publication) -> bool:
    """Whether nothing that should back the port is known to be missing."""
    return published.rule is not None or "rule" in published.unknown


def titled(title: str, *pieces: Text) -> Flow:
    first, *rest = pieces
    return Flow([Text.assemble((f"{title:<10} ", TITLE), first), *rest], indent=11)
