"""Which route the client, or the host, takes to the target, and which MAC it believes the address to have."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from fleetctl.diagnosis import shell
from fleetctl.diagnosis.routing import own_rules, route_to, shown
from fleetctl.diagnosis.scene import Evidence, Finding, Proof, Scene, Way, finding, unknown_cause
from fleetctl.state.network import Route
from fleetctl.state.observed import Replica

KNOWN = ("reachable", "stale", "delay", "probe", "permanent", "noarp")


def route(way: Way, scene: Scene) -> Iterator[Finding | Proof]:
    """The route that the client, or the host, takes to the target's address."""
    namespace = scene.inside(way.client)
    network = way.network
    if (
        namespace.routes is None
        or network is None
        or way.vantage not in ("host", "client")
        or network.driver != "bridge"
    ):
        return
    end = scene.attachment(way.client, network) if way.client else None
    expected = (
        (end.interface.name if end and end.interface else None)
        if way.client
        else (network.bridge.name if network.bridge else None)
    )
    found = route_to(namespace, way.address)
    who, enter = (way.asker, shell.inside(way.client))
    seen = Evidence(
        f"to {way.address} {who} has {shown(found)}; expected is dev {expected}",
        f"{enter}ip route get {quote(way.address)}",
    )
    on_link = found is not None and found.interface == expected and found.kind == "unicast" and found.gateway is None
    if expected is None or on_link:
        yield from wrong_source(way, scene, found)
        rules = own_rules(namespace)
        if rules and way.outcome is not None and not way.outcome.answered:
            told = Evidence(f"policy rules may choose another table: {'; '.join(rules)}", f"{enter}ip rule")
            if not way.outcome.connected:
                yield unknown_cause(
                    "route", who, told, cure="see what these rules and their tables do with this address"
                )
            return
        yield Proof("route", f"{who}: {shown(found)}")
        return
    link = next((one for one in namespace.interfaces or () if one.name == expected), None)
    if link is not None and not link.up:
        return  # its routes went with it: the link is the finding
    if way.client and end and end.engine_ipv4 and end.interface and end.engine_ipv4 not in end.interface.addresses:
        return  # the client's own address is the finding
    subnets = ", ".join(subnet for subnet, _ in network.subnets)
    cure = f"remove that route, or give the network another subnet than {subnets}"
    delete = (
        (f"{enter}ip route del {quote(found.destination)}",)
        if found and found.destination != "0.0.0.0/0"
        else (f"{enter}ip route add {quote(network.subnets[0][0])} dev {quote(expected)}",)
        if network.subnets
        else ()
    )
    yield finding("route-shadowed", who, seen, cure=cure, commands=delete)


def wrong_source(way: Way, scene: Scene, found: Route | None) -> Iterator[Finding]:
    """A route that gives packets another address than the client's own: the answer goes elsewhere."""
    end = scene.attachment(way.client, way.network) if way.client else None
    own = [one.partition("/")[0] for one in (end.interface.addresses if end and end.interface else ())]
    if way.client is None or found is None or found.source is None or not own or found.source in own:
        return
    enter = shell.inside(way.client)
    seen = Evidence(
        f"to {way.address} {way.client.name} sends from {found.source}; its own is {own[0]}",
        f"{enter}ip route get {way.address}",
    )
    yield finding("wrong-source", way.client.name, seen, cure="take 'src' out of that route")


def neighbour(way: Way, target: Replica, scene: Scene) -> Iterator[Finding | Proof]:
    """Which MAC the client, or the host, believes the target's address to have."""
    namespace = scene.inside(way.client)
    end = scene.attachment(target, way.network)
    if namespace.neighbours is None or end is None or end.interface is None or way.vantage not in ("host", "client"):
        return
    entry = next((one for one in namespace.neighbours if one.address == way.address), None)
    who, enter = (way.asker, shell.inside(way.client))
    if entry is None or entry.state not in KNOWN or entry.mac is None or entry.state == "noarp":
        return
    if entry.mac == end.interface.mac:
        yield Proof("neighbour", f"{who}: {way.address} is at {entry.mac} ({entry.state})")
    elif entry.mac != end.engine_mac or end.interface.mac == end.engine_mac:
        seen = Evidence(
            f"{who} believes {way.address} at {entry.mac} ({entry.state}); {target.name} has {end.interface.mac}",
            f"{enter}ip neigh show {quote(way.address)}",
        )
        owner = next(
            (one.name for one in scene.containers for place in one.endpoints.values() if place.mac == entry.mac), None
        )
        more = (Evidence(f"{entry.mac} is {owner}'s"),) if owner else ()
        yield finding(
            "wrong-neighbour",
            who,
            seen,
            *more,
            cure="delete the entry, it is learnt anew",
            commands=(f"{enter}ip neigh del {quote(way.address)} dev {quote(entry.interface)}",),
        )


def neighbour_back(way: Way, target: Replica, scene: Scene) -> Iterator[Finding]:
    """Which MAC the target believes the client's address to have."""
    start = scene.attachment(way.client, way.network) if way.client else None
    inner = start.interface if start else None
    if way.client is None or inner is None or start is None or start.engine_ipv4 is None:
        return
    address = start.engine_ipv4.partition("/")[0]
    entry = next((one for one in scene.inside(target).neighbours or () if one.address == address), None)
    if entry is None or entry.mac is None or entry.state not in KNOWN or entry.mac in (inner.mac, start.engine_mac):
        return
    enter = shell.inside(target)
    seen = Evidence(
        f"{target.name} believes {address}, which asks, at {entry.mac} ({entry.state}), not at {inner.mac}",
        f"{enter}ip neigh show {address}",
    )
    commands = (f"{enter}ip neigh del {address} dev {quote(entry.interface)}",)
    yield finding("wrong-neighbour", target.name, seen, cure="delete the entry, it is learnt anew", commands=commands)
