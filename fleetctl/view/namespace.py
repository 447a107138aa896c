"""Shows one network namespace, the host's or a replica's, as ip-address(8), ip-route(8) and their like tell it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from fleetctl.state.network import Interface, Namespace, Topology
from fleetctl.view import facts
from fleetctl.view.flow import Flow
from fleetctl.view.styles import FAULTY, FINE, UNSETTLED, state_style
from fleetctl.view.text import safe
from fleetctl.view.tree import GUIDE, TITLE, socket_text

SWITCHES = {
    "ipv4.ip_forward": ("1", "forwards packets between interfaces", "does not forward packets between interfaces"),
    "bridge.bridge-nf-call-iptables": ("1", "packet filters see bridged packets", "packet filters see none bridged"),
}
"""Kernel settings that decide about the fleet's packets: what is meant by one value, and by any other (ip-sysctl)."""


USUAL_POLICY = tuple(f"from all lookup {table}" for table in ("local", "main", "default"))
"""The rules that every namespace has (ip-rule(8))."""


def host_view(topology: Topology) -> RenderableType:
    """The host's namespace as far as it concerns the networks: their bridges, the ports of these, the uplinks."""
    host = topology.host or Namespace(unknown={"interfaces": "it was not asked for"})
    concerned = concerned_interfaces(topology, host)
    # A port of a bridge is named once, below its bridge, and a fleet has many.
    view = namespace_tree("host", host, concerned, routed=concerned)
    nat = view.add(Text("address translation", style="bold"))
    rules = {rule.text: rule for network in topology.networks for rule in network.nat or ()}
    for rule in rules.values():
        counted = "" if rule.packets is None else f"{rule.packets} packets"
        nat.add(Flow([Text(safe(rule.text)), Text(counted, style=TITLE)]))
    for reason in dict.fromkeys(network.unknown["nat"] for network in topology.networks if "nat" in network.unknown):
        nat.add(unknown("rules", reason))
    if not nat.children:
        nat.add(Text("no rule names these networks", style=UNSETTLED))
    return view


def concerned_interfaces(topology: Topology, host: Namespace) -> set[str]:
    """Names of the networks' bridges, of everything plugged into them, and of the interfaces of default routes."""
    interfaces = host.interfaces or ()
    bridges = {network.bridge.ifindex for network in topology.networks if network.bridge}
    uplinks = {route.interface for route in host.routes or () if facts.is_default(route)}
    return {
        one.name for one in interfaces if one.ifindex in bridges or one.bridge_ifindex in bridges or one.name in uplinks
    }


def inside_view(replica_name: str, namespace: Namespace) -> RenderableType:
    """All of a replica's namespace."""
    return Group(namespace_tree(f"inside {safe(replica_name)}", namespace, None, routed=None))


def namespace_tree(
    title: str, namespace: Namespace, only: Collection[str] | None, *, routed: Collection[str] | None
) -> Tree:
    """Interfaces (`only` these) with addresses, state and statistics; routes over `routed`; and the rest that is no
    single interface's."""
    tree = Tree(Text(title, style="bold cyan"), guide_style=GUIDE)
    interfaces = [one for one in namespace.interfaces or () if only is None or one.name in only]
    by_number = {one.ifindex: one for one in namespace.interfaces or ()}
    branch = tree.add(Text("interfaces", style="bold"))
    for interface in sorted(interfaces, key=lambda one: (one.bridge_ifindex is not None, one.ifindex)):
        branch.add(Group(*interface_lines(interface, by_number)))
    add_reason(branch, namespace, "interfaces")
    add_section(tree, "routes", (Text(line) for line in routes_over(namespace, routed)), namespace)
    if only is None:
        add_section(tree, "listeners", (socket_text(one, held=True) for one in facts.sockets(namespace)), namespace)
        add_section(tree, "neighbours", (Text(line) for line in facts.neighbours(namespace)), namespace)
        add_section(tree, "resolver", (Text(text) for text in filter(None, [facts.dns(namespace.resolver)])), namespace)
    rules = (rule for rule in namespace.policy or () if rule.text not in USUAL_POLICY)
    add_section(tree, "policy", (Text(f"{rule.priority}: {safe(rule.text)}") for rule in rules), namespace)
    add_section(tree, "settings", settings(namespace), namespace)
    return tree


def interface_lines(interface: Interface, by_number: Mapping[int, Interface]) -> Iterator[RenderableType]:
    """What ip -s address shows of one interface: itself, its addresses, and what it has carried."""
    first = Text.assemble((safe(interface.name), "bold"), (f" ({interface.ifindex}) ", TITLE))
    first.append(safe(interface.state), style=state_style(interface.state) if interface.name != "lo" else FINE)
    pieces = [first]
    pieces += [] if interface.up else [Text("switched off", style=FAULTY)]
    pieces += [Text("no carrier", style=FAULTY)] if interface.carrier is False else []
    pieces += [Text(safe(interface.kind))] if interface.kind else []
    if interface.bridge_ifindex is not None:
        bridge = by_number.get(interface.bridge_ifindex)
        state = f", {safe(interface.port.state)}" if interface.port else ""
        pieces.append(Text(f"port of {safe(bridge.name) if bridge else interface.bridge_ifindex}{state}"))
    pieces += [Text(safe(address), style="cyan") for address in interface.addresses]
    pieces.append(Text(f"MTU {interface.mtu}"))
    pieces += [Text(f"MAC {safe(interface.mac)}", style=TITLE)] if interface.mac else []
    yield Flow(pieces)
    if told := facts.traffic(interface.counters):
        yield Text(told, style=UNSETTLED if facts.losses(interface.counters) else TITLE)


def routes_over(namespace: Namespace, names: Collection[str] | None) -> list[str]:
    """The routes that leave by these interfaces, all when None."""
    if names is None or namespace.routes is None:
        return facts.routes(namespace)
    chosen = tuple(route for route in namespace.routes if route.interface in names)
    return facts.routes(Namespace(routes=chosen))


def settings(namespace: Namespace) -> Iterator[Text]:
    for name, (good, means, else_means) in SWITCHES.items():
        value = (namespace.settings or {}).get(name)
        bridged = any(one.kind == "bridge" for one in namespace.interfaces or ())
        if value is not None and (bridged or not name.startswith("bridge.")):
            yield Text.assemble(f"{name} = {safe(value)}  ", (means if value == good else else_means, TITLE))


def add_section(tree: Tree, title: str, lines: Iterable[Text], namespace: Namespace) -> None:
    """A branch with lines, or with the reason why there are none; left out where there is neither."""
    found = list(lines)
    if not found and title not in namespace.unknown:
        return
    branch = tree.add(Text(title, style="bold"))
    for line in found:
        branch.add(line)
    add_reason(branch, namespace, title)


def add_reason(branch: Tree, namespace: Namespace, field: str) -> None:
    if field in namespace.unknown:
        branch.add(unknown(field, namespace.unknown[field]))


def unknown(what: str, reason: str) -> Text:
    return Text(f"{what} unknown: {safe(reason)}", style=UNSETTLED)
