"""Whether a container has its networks, its address, and routes by which its answers go back."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from fleetctl.diagnosis import shell
from fleetctl.diagnosis.routing import default_route, route_to, shown
from fleetctl.diagnosis.scene import Evidence, Finding, Proof, Scene, Way, finding
from fleetctl.state.network import Attachment, Interface, Namespace, WiredNetwork
from fleetctl.state.observed import Replica

STRICT = "1"
"""Reverse path filter by RFC 3704, strict (ip-sysctl, rp_filter)."""


def networks(container: Replica, scene: Scene) -> Iterator[Finding | Proof]:
    """Whether the container is in a network at all, and in those that its siblings are in."""
    name, facts = container.name, container.inspection
    if facts is None:
        return
    show = shell.networks_of(name)
    mode = facts.network_mode
    if mode == "none":
        seen = Evidence("it runs with network none: inside is only lo", show)
        cure = "give it a network in place of none, which stands alone"
        yield finding(
            "no-network",
            name,
            seen,
            cure=cure,
            commands=(f"docker network disconnect none {quote(name)}", f"docker network connect NETWORK {quote(name)}"),
        )
        return
    if mode == "host":
        seen = Evidence("it uses the host's network: it has no address of its own and publishes nothing", show)
        yield finding("host-network", name, seen, cure="ask the host's address at the server's own port")
        return
    if mode.startswith("container:"):
        return  # it has the networks of that one
    missing = [] if mode in container.endpoints or mode in ("", "default", "bridge") or ":" in mode else [mode]
    siblings = [other for other in scene.siblings(container) if container.service and other.pid]
    shared = set.intersection(*(set(one.endpoints) for one in siblings)) if siblings else set()
    missing += sorted(shared - set(container.endpoints) - set(missing))
    for network in missing:
        label = next((one.name for one in scene.networks if network in (one.name, one.id)), network)
        if label in container.endpoints:
            continue
        why = "it was made for it" if network == mode else f"{siblings[0].name} is"
        seen = Evidence(f"it is not in network {label}, although {why}", show)
        yield finding(
            "disconnected",
            name,
            seen,
            cure="connect it again",
            commands=(f"docker network connect {quote(label)} {quote(name)}",),
        )
    if not container.endpoints and not missing:
        seen = Evidence("it is in no network", show)
        yield finding(
            "disconnected",
            name,
            seen,
            cure="connect it to a network",
            commands=(f"docker network connect NETWORK {quote(name)}",),
        )


def examine(container: Replica, network: WiredNetwork, scene: Scene) -> Iterator[Finding | Proof]:
    """The container's address in one network, and its loopback."""
    attachment, namespace = scene.attachment(container, network), scene.inside(container)
    if attachment is None or namespace.interfaces is None or attachment.interface is None:
        return
    yield from address(container, attachment, attachment.interface)
    loopback = next((one for one in namespace.interfaces if one.name == "lo"), None)
    if loopback is not None and not loopback.up:
        enter = shell.inside(container)
        seen = Evidence("lo inside is switched off: it cannot reach its own addresses", f"{enter}ip link show lo")
        cure = "bring it up; health checks that ask 127.0.0.1 fail meanwhile"
        yield finding("loopback-down", container.name, seen, cure=cure, commands=(f"{enter}ip link set lo up",))


def duplicates(container: Replica, network: WiredNetwork, scene: Scene) -> Iterator[Finding]:
    """Another interface in a network that has the container's address."""
    attachment = scene.attachment(container, network)
    wanted = attachment.engine_ipv4.partition("/")[0] if attachment and attachment.engine_ipv4 else None
    for other in scene.containers if wanted is not None else ():
        if (
            other.id == container.id
            or network.name not in other.endpoints
            or not other.pid
            or other.pid == container.pid
        ):
            continue
        for one in scene.inside(other).interfaces or ():
            if any(cidr.partition("/")[0] == wanted for cidr in one.addresses):
                enter = shell.inside(other)
                seen = Evidence(
                    f"{one.name} of {other.name} has {wanted} too", f"{enter}ip addr show {quote(one.name)}"
                )
                commands = tuple(
                    f"{enter}ip addr del {quote(cidr)} dev {quote(one.name)}"
                    for cidr in one.addresses
                    if cidr.startswith(f"{wanted}/")
                )
                cure = "take the address from the container that the engine did not give it to"
                yield finding("duplicate-address", other.name, seen, cure=cure, commands=commands)


def address(container: Replica, attachment: Attachment, inner: Interface) -> Iterator[Finding | Proof]:
    if not inner.up:  # its addresses are shown all the same; interface-down is the finding
        return
    wanted, enter = attachment.engine_ipv4, shell.inside(container)
    if wanted is None or wanted in inner.addresses:
        yield Proof("address", f"{inner.name} has {wanted or ', '.join(inner.addresses)}")
        return
    have = [one for one in inner.addresses if ":" not in one]
    show = f"{enter}ip addr show {quote(inner.name)}"
    commands = (
        f"{enter}ip addr flush dev {quote(inner.name)} scope global",
        f"{enter}ip addr add {wanted} dev {quote(inner.name)}",
        *((f"{enter}ip route replace default via {quote(attachment.gateway)}",) if attachment.gateway else ()),
    )
    told = Evidence(f"the engine gave {inner.name} {wanted}; it has {', '.join(have) or 'no IPv4 address'}", show)
    plain = wanted.partition("/")[0]
    same = [one for one in have if one.partition("/")[0] == plain]
    if not have:
        cause, cure = "address-missing", "connect it to the network anew, or give it its address and routes again"
        commands = commands[1:]
    elif same:
        cause, cure = "prefix-wrong", "give the address its prefix again: without it the network is not on the link"
    else:
        cause, cure = "address-changed", "connect it to the network anew, or give it back the engine's address"
    yield finding(cause, container.name, told, cure=cure, commands=commands)


def outward(container: Replica, network: WiredNetwork, scene: Scene) -> Iterator[Finding | Proof]:
    """The route by which the container reaches what is outside its networks."""
    attachment, namespace = scene.attachment(container, network), scene.inside(container)
    settings = scene.settings(network)
    if attachment is None or namespace.routes is None or settings is None or settings.internal:
        return
    if not attachment.gateway or attachment.interface is None or not attachment.interface.up:
        return
    enter, own = shell.inside(container), default_route(namespace)
    gateways = {one.gateway for one in container.endpoints.values() if one.gateway}
    commands = (f"{enter}ip route replace default via {quote(attachment.gateway)}",)
    if own is None:
        seen = Evidence(
            "it has no default route, so nothing outside its networks is reached or answered", f"{enter}ip route"
        )
        yield finding("no-default-route", container.name, seen, cure="add it", commands=commands)
    elif own.gateway not in gateways:
        seen = Evidence(
            f"its default route is {shown(own)}; the engine gave {', '.join(sorted(gateways))}", f"{enter}ip route"
        )
        state = next((one for one in namespace.neighbours or () if one.address == own.gateway), None)
        more = (Evidence(f"{own.gateway} is {state.state} as a neighbour", f"{enter}ip neigh"),) if state else ()
        yield finding("wrong-gateway", container.name, seen, *more, cure="set the engine's gateway", commands=commands)


def way_back(way: Way, target: Replica, scene: Scene) -> Iterator[Finding]:
    """Whether the target's answer to this client finds its way, and whether it takes packets from there at all."""
    namespace, source = scene.inside(target), way.last.source if way.last else None
    client = scene.attachment(way.client, way.network) if way.client and way.network else None
    if client and client.engine_ipv4:
        source = client.engine_ipv4.partition("/")[0]
    elif source is None and way.network and way.network.bridge is not None:
        source = next((one.partition("/")[0] for one in own_addresses(way.network, scene)), None)
    if namespace.routes is None or source is None or way.vantage not in ("host", "client"):
        return
    end = scene.attachment(target, way.network)
    inner = end.interface if end else None
    route, enter = route_to(namespace, source), shell.inside(target)
    if route is not None and route.kind == "local":
        return  # the client and the target share a namespace
    if route is None or route.kind != "unicast" or (inner is not None and route.interface != inner.name):
        seen = Evidence(
            f"to {source}, which asks, {target.name} has {shown(route)}", f"{enter}ip route get {quote(source)}"
        )
        cure = "remove that route or add the right one: the answer does not go back the way the request came"
        filtered = reverse_path_filter(target, namespace, inner, scene, way)
        if filtered is not None:
            yield finding(
                "reverse-path-filter",
                target.name,
                filtered,
                seen,
                cure="set rp_filter to 2 (loose), or mend the route",
                commands=(f"{enter}sysctl -w net.ipv4.conf.all.rp_filter=2",),
            )
        else:
            yield finding("no-route-back", target.name, seen, cure=cure, commands=(f"{enter}ip route",))


def own_addresses(network: WiredNetwork, scene: Scene) -> tuple[str, ...]:
    """The bridge's addresses on the host; its gateways where they could not be read."""
    bridge = scene.host_interface(network.bridge.name if network.bridge else None)
    found = tuple(one for one in (bridge.addresses if bridge else ()) if ":" not in one)
    return found or tuple(gateway for _, gateway in network.subnets if gateway and ":" not in gateway)


def reverse_path_filter(
    target: Replica, namespace: Namespace, inner: Interface | None, scene: Scene, way: Way
) -> Evidence | None:
    settings = namespace.settings or {}
    where = ("all", inner.name) if inner else ("all",)
    strict = [one for one in where if settings.get(f"ipv4.conf.{one}.rp_filter") == STRICT]
    _, risen = scene.counted(target, "TcpExt.IPReversePathFilter")
    traced = any(point.reason == "IP_RPFILTER" for point in (way.trace.points if way.trace else ()))
    if not strict or not (risen > 0 or traced):
        return None
    return Evidence(
        f"rp_filter is strict for {', '.join(strict)}, and it dropped the packets of this probe",
        f"{shell.inside(target)}nstat -az TcpExtIPReversePathFilter",
    )
