"""Which ways to a target are tried: from inside, from the host, from its peers and by its published ports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from fleetctl.diagnosis.scene import Way
from fleetctl.inquiry.targets import Meant
from fleetctl.state.network import Listener, Namespace, WiredNetwork
from fleetctl.state.observed import ANYWHERE, Endpoint, Published, Replica
from fleetctl.state.probes import Probe, Question

PAIRS = 64
"""Ways from peers that are tried in all; where there would be more, each replica is asked from one peer only."""
TIMEOUT = 1.0
"""Seconds for a first probe; one that fails is sent again with more."""
DEFAULT_BRIDGE = "bridge"
"""Docker's own network, which has no DNS server (docs.docker.com, network drivers)."""


def ways_to(
    meant: Meant,
    clients: Sequence[Replica],
    networks: Mapping[str, WiredNetwork],
    *,
    from_named: bool,
    host: str | None,
    ports: Sequence[Published],
) -> Iterator[Way]:
    """The ways to one target. `networks` by id; `host` is where the engine's published ports are reached when its
    containers are not on this host; `ports` the publications that lead to the asked port."""
    container, port = meant.container, meant.port
    if container is None or port is None or not container.pid:
        return
    yield Way("lo", "127.0.0.1", port)
    places = [(networks.get(one.network_id), one) for one in container.endpoints.values()]
    several = len({address_in(place, meant) for _, place in places} - {None}) > 1
    for network, place in places:
        address = address_in(place, meant)
        if address is None:
            continue
        yield Way("own", address, port, network=network, one_of_several=several)
        if not from_named and network is not None and network.driver == "bridge":
            yield Way("host", address, port, network=network, one_of_several=several)
    if (container.inspection and container.inspection.network_mode == "host") and not from_named:
        yield Way("host", "127.0.0.1", port)
    for client in clients:
        for way in from_client(client, meant, places):
            yield replace(way, one_of_several=several and way.published is None)
    if not from_named:
        for one in [meant.published] if meant.published else ports:
            yield Way(
                "published",
                reached_at(one, meant.address if meant.published else None, host),
                one.host_port or meant.wanted.port or 0,
                published=one,
            )


def from_client(client: Replica, meant: Meant, places: Sequence[tuple[WiredNetwork | None, Endpoint]]) -> Iterator[Way]:
    """By every network that the two share; by the target's first where they share none."""
    container, port = meant.container, meant.port
    if container is None or port is None:
        return
    if meant.published is not None and meant.address is not None:
        yield Way("client", meant.address, meant.wanted.port or port, client=client, published=meant.published)
        return
    own = {one.network_id for one in client.endpoints.values()}
    shared = [(network, place) for network, place in places if place.network_id in own]
    address = meant.address
    asked = [one for one in places if address is not None and address in (one[1].ipv4, one[1].ipv6)]
    for network, place in asked or shared or places[:1]:
        there = address_in(place, meant)
        if there is not None:
            yield Way("client", there, port, client=client, network=network)


def address_in(place: Endpoint, meant: Meant) -> str | None:
    """The address that was asked for, where it is of this network; else the IPv4 address, else that of IPv6."""
    if meant.address is not None and meant.address in (place.ipv4, place.ipv6):
        return meant.address
    return None if meant.address is not None and meant.published is None else place.ipv4 or place.ipv6


def reached_at(published: Published, asked: str | None, host: str | None) -> str:
    """The address by which a published port is asked."""
    if asked is not None:
        return asked
    if published.host_ip not in ANYWHERE:
        return published.host_ip or "127.0.0.1"
    return host or ("::1" if published.host_ip == "::" else "127.0.0.1")


def probe_for(way: Way, container: Replica | None, path: str, *, tls: bool = False, timeout: float = TIMEOUT) -> Probe:
    """The first probe of a way; of a target by https only the greeting."""
    inside = container if way.vantage in ("lo", "own") else way.client
    pid = inside.pid if inside else None
    return Probe(way.vantage, pid, way.address, way.port, None if tls else path, timeout=timeout, tls=tls)


def question_for(way: Way, meant: Meant) -> Question | None:
    """The name that the client resolves first: the one that was asked for, else the container's own."""
    client, container = way.client, meant.container
    if client is None or client.pid is None or meant.address is not None:
        return None
    if container is None:
        return Question(client.pid, meant.resolve) if meant.resolve else None
    named = [name for name, one in container.endpoints.items() if name != DEFAULT_BRIDGE and name in client.endpoints]
    if meant.resolve is not None and (named or {DEFAULT_BRIDGE, "host"} & set(client.endpoints)):
        return Question(client.pid, meant.resolve, timeout=4.0)
    return Question(client.pid, container.name) if named else None


def control_for(way: Way) -> Question | None:
    """The client's own name, with a dot at its end: it says whether the DNS server is reached at all."""
    client = way.client
    return Question(client.pid, f"{client.name}.") if client is not None and client.pid else None


def peers(target: Replica, candidates: Sequence[Replica], *, ring: bool) -> tuple[Replica, ...]:
    """The running containers that share a network with the target; only the next one where `ring`."""
    near = [
        one
        for one in candidates
        if one.id != target.id
        and one.state == "running"
        and one.pid
        and set(one.endpoints) & set(target.endpoints) - {"host", "none"}
    ]
    if not ring or not near:
        return tuple(near)
    after = [one for one in near if (one.service, one.number, one.name) > (target.service, target.number, target.name)]
    return ((after or near)[0],)


def ports_to(container: Replica, port: int | None) -> tuple[Published, ...]:
    """The TCP publications of the container port; IPv4 and IPv6 of one host port count once."""
    once: dict[int, Published] = {}
    for one in sorted(container.ports, key=lambda one: ":" in (one.host_ip or "")):
        if one.host_port is not None and one.protocol == "tcp" and one.container_port == port:
            once.setdefault(one.host_port, one)
    return tuple(once.values())


def port_heard(namespace: Namespace) -> int | None:
    """The port of a server that nothing was said about: the lowest at which one of the container's processes listens
    beyond its loopback, else any. Another container, or the host, may share the namespace."""
    own = {process.pid for process in namespace.processes or ()}
    heard: list[Listener] = [
        one
        for one in namespace.listeners or ()
        if one.protocol == "tcp" and own & {process.pid for process in one.processes}
    ]
    return min(heard, key=lambda one: (one.reach == "loopback only", one.port)).port if heard else None
