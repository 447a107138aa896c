"""Which route the client, or the host, takes to the target, and which MAC it believes the address to have."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from fleetctl.diagnosis.routing import own_rules, route_to, shown
from fleetctl.diagnosis.scene import Evidence, Finding, Proof, Scene, Way, finding, unknown_cause
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
    who, enter = (way.client.name, f"nsenter -t {way.client.pid} -n ") if way.client else ("the host", "")
    seen = Evidence(
        f"to {way.address} {who} has {shown(found)}; expected is dev {expected}",
        f"{enter}ip route get {quote(way.address)}",
    )
    if expected is None or (found is not None and found.interface == expected and found.kind == "unicast"):
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


def neighbour(way: Way, target: Replica, scene: Scene) -> Iterator[Finding | Proof]:
    """Which MAC the client, or the host, believes the target's address to have."""
    namespace = scene.inside(way.client)
    end = scene.attachment(target, way.network)
    if namespace.neighbours is None or end is None or end.interface is None or way.vantage not in ("host", "client"):
        return
    entry = next((one for one in namespace.neighbours if one.address == way.address), None)
    who, enter = (way.client.name, f"nsenter -t {way.client.pid} -n ") if way.client else ("the host", "")
    if entry is None or entry.state not in KNOWN or entry.mac is None:
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
