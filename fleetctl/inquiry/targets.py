"""From what somebody writes after diagnose to the containers and ports that are meant."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, quote, urlsplit

from fleetctl.diagnosis.judge import no_such
from fleetctl.diagnosis.naming import names_of
from fleetctl.diagnosis.scene import Evidence, Finding, finding
from fleetctl.errors import ConfigError
from fleetctl.inquiry.world import World, front_of, service_of
from fleetctl.spec.wording import listed
from fleetctl.state.observed import Published, Replica

FORMS = "write a replica, service, container, HOST:PORT or URL, such as web-1, web:8080 or http://127.0.0.1:80/"
LONGEST = 253
"""Characters of a host's name (RFC 1035, 2.3.4), and more than anybody gives a container's."""
SHOWN = 80
"""Characters of a wrong target that are repeated in the error."""
KEPT = "/%:@!$&'()*+,;=~?"
"""Stand for themselves in a path or query, or are encoded already (RFC 3986, 3.3 and 3.4)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One target as it was written: NAME, NAME:PORT, ADDRESS:PORT or a URL."""

    text: str
    host: str
    port: int | None = None
    path: str | None = None
    tls: bool = False


@dataclass(frozen=True, slots=True)
class Meant:
    """What one of them leads to: a container (or none, with the `problem`), the port inside it, and how it was named:
    by an `address`, by a `published` port of the host at `address`, or by a name (`resolve`) that clients resolve."""

    wanted: Wanted
    container: Replica | None = None
    port: int | None = None
    address: str | None = None
    published: Published | None = None
    resolve: str | None = None
    problem: Finding | None = None
    host: str | None = None
    """What its requests say in the Host header: the name of a host that was asked for."""


def parse(text: str) -> Wanted:
    """Raises ConfigError for what is none of the forms."""
    try:
        if not text.isprintable():
            raise ValueError("it holds characters that cannot be seen")
        if text.count(":") > 1 and "://" not in text and not text.startswith("["):
            return Wanted(text, str(ip_address(text)))
        return parse_url(text) if "://" in text else parse_place(text)
    except ValueError:
        shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
        raise ConfigError(f"'{shown}' names no target", hint=FORMS) from None


def parse_url(text: str) -> Wanted:
    """Raises ValueError for anything but an http URL; one with a password would be shown with it."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or parts.username is not None:
        raise ValueError("no http URL, or one with a user")
    tls = parts.scheme == "https"
    path = quote(parts.path or "/", safe=KEPT) + (f"?{quote(parts.query, safe=KEPT)}" if parts.query else "")
    return Wanted(text, host_of(parts), port_in(parts) or (443 if tls else 80), path, tls)


def parse_place(text: str) -> Wanted:
    """Raises ValueError for anything but NAME, NAME:PORT or ADDRESS:PORT."""
    parts = urlsplit(f"//{text}")
    if parts.path or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("more than a place")
    return Wanted(text, host_of(parts), port_in(parts))


def host_of(parts: SplitResult) -> str:
    """As it was written, for the names of containers have upper case and lower case."""
    place = parts.netloc
    host = (place.rpartition(":")[0] if parts.port is not None or place.endswith(":") else place).strip("[]")
    if not host or len(host) > LONGEST or any(one.isspace() or one in "[]" for one in host):
        raise ValueError("no name")
    return host


def port_in(parts: SplitResult) -> int | None:
    if parts.port == 0:
        raise ValueError("nothing listens on port 0")
    return parts.port


def looked_up(name: str) -> str:
    """The address at which a program on this host asks first for a host of that name. Raises OSError where there is
    none, UnicodeError for what can be no name."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return str(found[0][4][0])


def find(
    wanted: Wanted, world: World, *, client: Replica | None = None, lookup: Callable[[str], str] = looked_up
) -> tuple[Meant, ...]:
    """What is meant, one for each container; with a problem where there is none to ask."""
    literal = "127.0.0.1" if client is not None and wanted.host == "localhost" else as_address(wanted.host)
    if literal is not None and client is not None and ip_address(literal).is_loopback:
        return (Meant(wanted, port=wanted.port or 80, address=literal),)  # the client itself
    if literal is not None:
        return (by_address(wanted, literal, world),)
    if wanted.host == "localhost":
        return tuple(by_address(wanted, address, world) for address in ("::1", "127.0.0.1"))
    found = world.named(wanted.host)
    if found:
        name = wanted.host if client is not None and wanted.host in names_of(found[0]) else None
        meant = tuple(Meant(wanted, one, wanted.port or port_of(one, world), resolve=name) for one in found)
        return (*meant, *missing_replicas(wanted, found, world))
    if world.fleet is not None and wanted.host in world.fleet.services:
        cure = "bring it up"
        seen = Evidence(f"service {wanted.host} of fleet {world.fleet.name} has no container", "fleetctl ps -a")
        return (
            Meant(
                wanted, problem=finding("no-such-container", wanted.host, seen, cure=cure, commands=("fleetctl up",))
            ),
        )
    aliased = [one for one in world.containers if wanted.host in names_of(one)]
    if aliased:
        return tuple(Meant(wanted, one, wanted.port or port_of(one, world), resolve=wanted.host) for one in aliased)
    if client is not None:
        return (Meant(wanted, port=wanted.port, resolve=wanted.host),)
    return (by_host_name(wanted, world, lookup),)


def by_host_name(wanted: Wanted, world: World, lookup: Callable[[str], str]) -> Meant:
    """What no container is called: a host's name, by its address, or a mistake. A name alone is that of a container
    rather than of a host, unless it has a domain."""
    own_first = sorted(world.containers, key=lambda one: (one.id not in world.own, one.name))
    mistake = Meant(wanted, problem=no_such(wanted.host, [one.name for one in own_first]))
    if "." not in wanted.host and wanted.port is None:
        return mistake
    try:
        address = lookup(wanted.host)
    except (OSError, UnicodeError) as error:
        if "." not in wanted.host:
            return mistake
        why = error.strerror if isinstance(error, OSError) else str(error)
        seen = Evidence(f"this host does not resolve it: {why}", f"getent ahosts {shlex.quote(wanted.host)}")
        cure = "check the spelling, and the host's /etc/hosts and resolv.conf"
        none = Evidence("the engine has no container of that name", "docker ps -a")
        return Meant(wanted, problem=finding("unknown-name", wanted.host, seen, none, cure=cure))
    standard = wanted.port in (None, 443 if wanted.tls else 80)
    host = wanted.host if standard else f"{wanted.host}:{wanted.port}"
    return replace(by_address(wanted, address, world), host=host)


def missing_replicas(wanted: Wanted, found: Sequence[Replica], world: World) -> tuple[Meant, ...]:
    """A service of which fewer containers are there than fleet.yaml wants."""
    service = world.fleet.services.get(wanted.host) if world.fleet else None
    if service is None or len(found) >= service.replicas or any(one.id not in world.own for one in found):
        return ()
    there = sorted(one.number for one in found)
    gone = [number for number in range(1, service.replicas + 1) if number not in there]
    seen = Evidence(
        f"{service.replicas} replicas of {service.name} are wanted, {len(found)} are there", "fleetctl ps -a"
    )
    where = listed(f"{service.name}-{number}" for number in gone)
    problem = finding("no-such-container", where, seen, cure="bring it up", commands=("fleetctl up",))
    return (Meant(replace(wanted, text=where), problem=problem),)


def as_address(host: str) -> str | None:
    try:
        return str(ip_address(host))
    except ValueError:
        return None


def by_address(wanted: Wanted, address: str, world: World) -> Meant:
    """A container's own address, a published port of the host, or an address that nobody has."""
    for one in world.containers:
        if address in one.addresses:
            return Meant(wanted, one, wanted.port or port_of(one, world), address=address)
    literal = ip_address(address)
    if literal.is_loopback or literal.is_unspecified or address in world.host_addresses:
        return by_host_port(wanted, address, world)
    for network in world.networks:
        if any(literal in ip_network(subnet) for subnet, _ in network.subnets):
            seen = Evidence(
                f"{address} is in network {network.name}, and no container has it",
                f"docker network inspect {shlex.quote(network.name)}",
            )
            cure = "ask by the service's or container's name, which leads to the present address"
            return Meant(
                wanted,
                port=wanted.port,
                address=address,
                problem=finding("stale-address", network.name, seen, cure=cure),
            )
    return by_host_port(wanted, address, world)


def by_host_port(wanted: Wanted, address: str, world: World) -> Meant:
    """The container that publishes the port of the host, or one that ought to."""
    port = wanted.port or 80
    for one in world.containers:
        for published in one.ports:
            if published.host_port == port and published.protocol == "tcp" and same_family(published, address):
                return Meant(wanted, one, published.container_port, address=address, published=published)
    for one in world.containers:
        for published in one.inspection.requested if one.inspection else ():
            if published.host_port == port:
                return Meant(wanted, one, published.container_port, address=address, published=published)
    for one in world.containers:
        if any(item.host_port == port for item in one.ports):
            published = next(item for item in one.ports if item.host_port == port)
            return Meant(wanted, one, published.container_port, address=address, published=published)
    return Meant(wanted, port=port, address=address)


def same_family(published: Published, address: str) -> bool:
    return published.host_ip in (None, "") or (":" in (published.host_ip or "")) == (":" in address)


def port_of(container: Replica, world: World) -> int | None:
    """The port at which a container's service speaks HTTP or balances, else the first TCP port that it publishes or
    exposes; None where nothing says so, and its listening sockets will."""
    service = service_of(world, container)
    if service is not None and service.http is not None:
        return service.http.port
    front = front_of(service) if service is not None else None
    if front is not None:
        return front.port
    ports = [one for one in container.ports if one.protocol == "tcp"]
    published = [one for one in ports if one.host_port is not None]
    return next((one.container_port for one in (*published, *ports)), None)


def chosen_client(name: str, world: World) -> Replica:
    """The one container that `--from` names. Raises ConfigError where it is none, or where it does not run."""
    found = [one for one in world.named(name) if one.state == "running"] or list(world.named(name))
    if not found:
        there = ", ".join(sorted(one.name for one in world.containers)[:12]) or "none"
        raise ConfigError(f"--from {name}: there is no such replica or container", hint=f"the engine has: {there}")
    if found[0].state != "running":
        raise ConfigError(
            f"--from {name}: it is {found[0].state}, so nothing can be asked from it",
            hint=f"fleetctl start {found[0].service}"
            if service_of(world, found[0]) is not None
            else f"docker {'unpause' if found[0].state == 'paused' else 'start'} {found[0].name}",
        )
    return found[0]


def every_service(world: World) -> tuple[Wanted, ...]:
    """All that is to be asked where no target was named: the fleet's services, also those without a container."""
    if world.fleet is None:
        return ()
    known: Iterable[str] = world.fleet.services or {one.service for one in world.of_fleet()}
    return tuple(Wanted(name, name) for name in known)


def merged(meant: Sequence[Meant]) -> tuple[Meant, ...]:
    """Each container, port and address once."""
    once: dict[object, Meant] = {}
    for one in meant:
        key = (one.container.id, one.port, one.address, one.resolve) if one.container else (one.wanted, one.address)
        once.setdefault(key, one)
    return tuple(once.values())
