"""Whether a client finds the target by name, and what of its own keeps it from asking: ports, proxies, networks."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from fleetctl.diagnosis import shell
from fleetctl.diagnosis.scene import Evidence, Finding, Proof, Scene, Target, Way, finding
from fleetctl.state.network import Resolver
from fleetctl.state.observed import Replica

DOCKER_DNS = "127.0.0.11"
RESOLV_CONF = "/etc/resolv.conf"
UNHEARD = ("timeout", "ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH")


def local_ports(way: Way, scene: Scene) -> Iterator[Finding]:
    """A client that has no local port left to ask from."""
    container, outcome = way.client, way.last
    if container is None or outcome is None or outcome.error != "EADDRNOTAVAIL":
        return
    enter = shell.inside(container)
    ports = (scene.inside(container).settings or {}).get("ipv4.ip_local_port_range", "")
    seen = Evidence(
        f"{container.name} has no local port left towards {way.address}:{way.port}; range {shown_range(ports)}",
        f"{enter}sysctl net.ipv4.ip_local_port_range",
    )
    cure = "keep connections open and use them again, or widen the range"
    widen = f"{enter}sysctl -w net.ipv4.ip_local_port_range='32768 60999'"
    yield finding("ephemeral-ports-exhausted", container.name, seen, cure=cure, commands=(widen,))


def wrong_addresses(way: Way, target: Target) -> tuple[str, ...]:
    """The addresses that the name leads the client to and that the target does not have."""
    if way.resolution is None or way.client is None:
        return ()
    expected = expected_addresses(target, way.client, way.resolution.question.name)
    return tuple(one for one in way.resolution.addresses if expected and one not in expected)


def shown_range(ports: str) -> str:
    return " to ".join(ports.split()) or "unknown"


def apart(way: Way, target: Replica) -> Iterator[Finding]:
    """A client that is in none of the target's networks."""
    container = way.client
    if container is None or way.published is not None or set(container.endpoints) & set(target.endpoints):
        return
    own, others = ", ".join(container.endpoints) or "none", ", ".join(target.endpoints) or "none"
    seen = Evidence(
        f"{container.name} is in network {own}, {target.name} in {others}: the engine keeps networks apart",
        shell.networks_of(container.name),
    )
    network = quote(next(iter(target.endpoints), "NETWORK"))
    commands: tuple[str, ...] = (f"docker network connect {network} {quote(container.name)}",)
    if "none" in container.endpoints:
        commands = (f"docker network disconnect none {quote(container.name)}", *commands)
    if "host" in container.endpoints:
        commands = ()  # a container of the host's network has to be made anew
    yield finding(
        "different-network", container.name, seen, cure="connect the client to that network", commands=commands
    )


def proxies(way: Way, asked: Target) -> Finding | None:
    """Proxy variables of a client that do not except the target."""
    container, target, address = way.client, asked.container, way.address
    if container is None or target is None:
        return None
    facts = container.inspection
    named = next((one for one in ("http_proxy", "all_proxy") if facts and facts.proxies.get(one)), "")
    proxy = facts.proxies.get(named) if facts else None
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
        f"{container.name} has {named}={proxy}, and no_proxy does not name {target.service or target.name}",
        f"docker inspect -f '{{{{json .Config.Env}}}}' {quote(container.name)}",
    )
    cure = f"set no_proxy so that it names {target.service or target.name} (environment: NO_PROXY and no_proxy)"
    return finding("proxy-variables", container.name, seen, cure=cure)


def name(way: Way, target: Target, scene: Scene) -> Iterator[Finding | Proof]:
    """From the name to the address, as the client's resolver has it."""
    found, container = way.resolution, way.client
    if found is None or container is None:
        return
    asked, enter = found.question.name, shell.inside(container)
    if found.addresses and found.error is None:
        expected, strangers = expected_addresses(target, container, asked), wrong_addresses(way, target)
        if strangers:
            seen = Evidence(
                f"{asked} leads {container.name} to {', '.join(found.addresses)}, not to {', '.join(sorted(expected))}",
                f"docker exec {quote(container.name)} getent hosts {quote(asked)}",
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
    listing = shell.file_inside(container, RESOLV_CONF)
    failed = Evidence(
        f"{container.name} asked for {asked}: {found.error} after {found.milliseconds / 1000:.1f} s",
        f"{enter}dig @{quote(DOCKER_DNS)} {quote(asked)}",
    )
    if DOCKER_DNS not in resolver.nameservers and resolver.nameservers:
        seen = Evidence(f"resolv.conf names {', '.join(resolver.nameservers)}, not Docker's {DOCKER_DNS}", listing)
        yield finding(
            "resolver-replaced",
            container.name,
            failed,
            seen,
            cure=f"let resolv.conf say 'nameserver {DOCKER_DNS}' again, or make the container anew",
            commands=(shell.restart(container.name),),
        )
    elif (found.asked and found.asked[0].rstrip(".") != asked.rstrip(".") and is_heard(way)) or (
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
    elif found.error in UNHEARD and not is_heard(way):
        seen = Evidence(
            f"Docker's DNS server is to be reached at {DOCKER_DNS}:53 by a NAT rule inside the container",
            f"{enter}iptables -t nat -S",
        )
        yield finding(
            "dns-redirect-missing",
            container.name,
            failed,
            seen,
            cure="restart the client's container, which adds the rule again",
            commands=(shell.restart(container.name),),
        )
    else:
        yield nowhere(asked, container, failed, scene)


def impostor(way: Way, target: Replica, scene: Scene) -> Finding | None:
    """A container that has the service's name and is none of its replicas."""
    found, client_container = way.resolution, way.client
    if found is None or client_container is None or not target.service or found.question.name != target.service:
        return None
    ours = (target, *scene.siblings(target))
    known = {address for one in ours for address in one.addresses}
    for address in found.addresses:
        owner = scene.owner(address)
        if address not in known and owner is not None:
            told = f"{target.service} leads {client_container.name} to {address}, too: that is {owner.name}"
            cure = f"take the alias {target.service} from {owner.name}: requests to the service go astray"
            return finding("foreign-alias", owner.name, Evidence(told), cure=cure)
    return None


def slow_server(way: Way, scene: Scene) -> Iterator[Finding]:
    """A name server before Docker's that does not answer: every lookup waits for it first (resolv.conf(5): 5 s)."""
    container, found = way.client, way.resolution
    if container is None or found is None:
        return
    servers = (scene.inside(container).resolver or Resolver()).nameservers
    if not servers or found.server in (None, servers[0]) or DOCKER_DNS not in servers:
        return
    seen = Evidence(
        f"{container.name} asks {servers[0]} first, which does not answer; then {found.server} does",
        shell.file_inside(container, RESOLV_CONF),
    )
    cure = f"let resolv.conf name {DOCKER_DNS} first, or make the container anew"
    commands = (shell.restart(container.name),)
    yield finding("resolver-replaced", container.name, seen, cure=cure, commands=commands)


def is_heard(way: Way) -> bool:
    """Whether the client's DNS server answers at all: it knows the client's own name."""
    return way.control is not None and bool(way.control.addresses)


def nowhere(asked: str, container: Replica, failed: Evidence, scene: Scene) -> Finding:
    """A name that Docker's DNS does not know in the client's networks."""
    owners = [one for one in scene.containers if asked in names_of(one)]
    dead = [one for one in owners if one.state not in ("running", "paused")]
    if owners and len(dead) == len(owners):
        seen = Evidence(
            f"{asked} is {dead[0].name}, which is {dead[0].state}", f"docker ps -a --filter name={quote(dead[0].name)}"
        )
        return finding("stopped", dead[0].name, failed, seen, cure="start it", commands=(shell.start(dead[0], scene),))
    if owners:
        own, others = ", ".join(container.endpoints) or "none", ", ".join(owners[0].endpoints) or "none"
        seen = Evidence(
            f"{asked} is {owners[0].name} in {others}; {container.name} is in {own}",
            f"docker network inspect {quote(others.partition(',')[0])}",
        )
        return finding(
            "different-network",
            container.name,
            failed,
            seen,
            cure="connect the client to that network",
            commands=(f"docker network connect {quote(others.partition(',')[0])} {quote(container.name)}",),
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
