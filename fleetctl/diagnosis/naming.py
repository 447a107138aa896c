"""Whether a client finds the target by name, and knows the right MAC and route for its address."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from fleetctl.diagnosis.routing import own_rules, route_to, shown
from fleetctl.diagnosis.scene import Evidence, Finding, Proof, Scene, Target, Way, finding, unknown_cause
from fleetctl.state.network import Resolver
from fleetctl.state.observed import Replica

DOCKER_DNS = "127.0.0.11"
KNOWN = ("reachable", "stale", "delay", "probe", "permanent", "noarp")


def client(way: Way, target: Target, scene: Scene) -> Iterator[Finding | Proof]:
    """The client's process: its proxy variables and its local ports."""
    container, outcome = way.client, way.last
    if container is None or outcome is None:
        return
    enter = f"nsenter -t {container.pid} -n"
    if outcome.error == "EADDRNOTAVAIL":
        ports = (scene.inside(container).settings or {}).get("ipv4.ip_local_port_range", "")
        seen = Evidence(
            f"{container.name} has no local port left towards {way.address}:{way.port}; range {shown_range(ports)}",
            f"{enter} sysctl net.ipv4.ip_local_port_range",
        )
        cure = "keep connections open and use them again, or widen the range"
        yield finding(
            "ephemeral-ports-exhausted",
            container.name,
            seen,
            cure=cure,
            commands=(f"{enter} sysctl -w net.ipv4.ip_local_port_range='32768 60999'",),
        )


def shown_range(ports: str) -> str:
    return " to ".join(ports.split()) or "unknown"


def proxies(container: Replica, target: Replica, address: str) -> Finding | None:
    """Proxy variables of a client that do not except the target."""
    facts = container.inspection
    proxy = facts.proxies.get("http_proxy") if facts else None
    if facts is None or not proxy:
        return None
    names = [
        address,
        target.name,
        target.service,
        *(alias for one in target.endpoints.values() for alias in one.aliases),
    ]
    excepted = [one.strip().removeprefix(".") for one in facts.proxies.get("no_proxy", "").split(",") if one.strip()]
    if "*" in excepted or any(name == one or name.endswith(f".{one}") for name in names if name for one in excepted):
        return None
    seen = Evidence(
        f"{container.name} has http_proxy={proxy}, and no_proxy does not name {target.service or target.name}",
        f"docker inspect -f '{{{{json .Config.Env}}}}' {container.name}",
    )
    cure = f"set no_proxy so that it names {target.service or target.name} (environment: NO_PROXY and no_proxy)"
    return finding("proxy-variables", container.name, seen, cure=cure)


def name(way: Way, target: Target, scene: Scene) -> Iterator[Finding | Proof]:
    """From the name to the address, as the client's resolver has it."""
    found, container = way.resolution, way.client
    if found is None or container is None:
        return
    asked, enter = found.question.name, f"nsenter -t {container.pid} -n"
    if found.addresses and found.error is None:
        expected = expected_addresses(target, container, asked)
        strangers = [one for one in found.addresses if expected and one not in expected]
        if strangers:
            seen = Evidence(
                f"{asked} leads {container.name} to {', '.join(found.addresses)}, not to {', '.join(sorted(expected))}",
                f"docker exec {container.name} getent hosts {asked}",
            )
            owner = scene.owner(strangers[0])
            who = Evidence(f"{strangers[0]} belongs to {owner.name if owner else 'no container'} now")
            yield finding(
                "stale-address",
                container.name,
                seen,
                who,
                cure="remove the old line of its hosts file, or resolve the name again",
            )
        else:
            yield Proof(
                "name",
                f"{asked} is {', '.join(found.addresses)} ({found.server or 'hosts'}, {found.milliseconds:.0f} ms)",
            )
        return
    resolver = scene.inside(container).resolver or Resolver()
    listing = f"cat /proc/{container.pid}/root/etc/resolv.conf"
    failed = Evidence(
        f"{container.name} asked for {asked}: {found.error} after {found.milliseconds / 1000:.1f} s",
        f"{enter} dig @{DOCKER_DNS} {asked}",
    )
    if DOCKER_DNS not in resolver.nameservers and resolver.nameservers:
        seen = Evidence(f"resolv.conf names {', '.join(resolver.nameservers)}, not Docker's {DOCKER_DNS}", listing)
        yield finding(
            "resolver-replaced",
            container.name,
            failed,
            seen,
            cure=f"let resolv.conf say 'nameserver {DOCKER_DNS}' again, or make the container anew",
            commands=(f"docker restart {container.name}",),
        )
    elif (found.asked and found.asked[0].rstrip(".") != asked.rstrip(".")) or (
        resolver.search and asked.count(".") < resolver.ndots
    ):
        seen = Evidence(
            f"search list {' '.join(resolver.search)}, ndots:{resolver.ndots}: asked were {', '.join(found.asked)}",
            listing,
        )
        yield finding(
            "search-domain",
            container.name,
            failed,
            seen,
            cure="set dns_opt ndots:0 or drop the search domain, or write the name with a dot at its end",
        )
    elif found.error in ("timeout", "ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH"):
        seen = Evidence(
            f"Docker's DNS server is to be reached at {DOCKER_DNS}:53 by a NAT rule inside the container",
            f"{enter} iptables -t nat -S",
        )
        yield finding(
            "dns-redirect-missing",
            container.name,
            failed,
            seen,
            cure="restart the client's container, which adds the rule again",
            commands=(f"docker restart {container.name}",),
        )
    else:
        yield nowhere(asked, container, failed, scene)


def nowhere(asked: str, container: Replica, failed: Evidence, scene: Scene) -> Finding:
    """A name that Docker's DNS does not know in the client's networks."""
    owners = [one for one in scene.containers if asked in names_of(one)]
    dead = [one for one in owners if one.state not in ("running", "paused")]
    if owners and len(dead) == len(owners):
        seen = Evidence(
            f"{asked} is {dead[0].name}, which is {dead[0].state}", f"docker ps -a --filter name={dead[0].name}"
        )
        return finding(
            "stopped", dead[0].name, failed, seen, cure="start it", commands=(f"docker start {dead[0].name}",)
        )
    if owners:
        own, others = ", ".join(container.endpoints) or "none", ", ".join(owners[0].endpoints) or "none"
        seen = Evidence(
            f"{asked} is {owners[0].name} in {others}; {container.name} is in {own}",
            f"docker network inspect {others.partition(',')[0]}",
        )
        return finding(
            "different-network",
            container.name,
            failed,
            seen,
            cure="connect the client to that network",
            commands=(f"docker network connect {others.partition(',')[0]} {container.name}",),
        )
    return finding(
        "unknown-name",
        container.name,
        failed,
        cure="no container has that name or alias: check the spelling, and that the container runs",
    )


def names_of(container: Replica) -> set[str]:
    """The names by which Docker's DNS knows a container in its networks."""
    aliases = {alias for one in container.endpoints.values() for alias in one.aliases}
    return aliases | {container.name, container.id[:12], container.service} - {""}


def expected_addresses(target: Target, container: Replica, asked: str) -> set[str]:
    """The addresses that the name may rightly have for this client: those of the target itself."""
    owner = target.container
    if owner is None or asked not in (owner.name, owner.id[:12]):
        return set()
    return {
        address
        for network, one in owner.endpoints.items()
        if network in container.endpoints
        for address in (one.ipv4, one.ipv6)
        if address
    }


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
        f"to {way.address} {who} has {shown(found)}; expected is dev {expected}", f"{enter}ip route get {way.address}"
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
        (f"{enter}ip route del {found.destination}",)
        if found and found.destination != "0.0.0.0/0"
        else (f"{enter}ip route add {network.subnets[0][0]} dev {expected}",)
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
            f"{enter}ip neigh show {way.address}",
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
            commands=(f"{enter}ip neigh del {way.address} dev {entry.interface}",),
        )


def shares_network(client_container: Replica, target: Replica) -> bool:
    return bool(set(client_container.endpoints) & set(target.endpoints))


def is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
