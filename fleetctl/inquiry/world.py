"""Everything that the engine has at one moment: among it targets are found, and clients that ask."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from shlex import quote

from fleetctl.diagnosis.scene import Evidence, Finding, Scene, finding
from fleetctl.engine.docker_host import DockerHost
from fleetctl.net.proc import local_ipv4
from fleetctl.spec.model import Balance, Fleet, HttpSettings, Service
from fleetctl.spec.wording import listed
from fleetctl.state.observed import ObservedNetwork, Replica
from fleetctl.state.rotation import Rotation

NEAR = 8
"""Neighbours of a target that are looked at, to ask from and to compare with."""
MOST = 40
"""Containers that are looked at where any may be meant."""


@dataclass(frozen=True, slots=True)
class World:
    """Every container and network of the engine, by which targets are found."""

    fleet: Fleet | None
    containers: tuple[Replica, ...]
    networks: tuple[ObservedNetwork, ...]
    own: frozenset[str] = frozenset()
    """Ids of the fleet's containers."""
    host_addresses: frozenset[str] = frozenset()
    rotations: Mapping[str, Rotation] = field(default_factory=dict)
    """Of the fleet's balancers that say so, by container id."""

    def of_fleet(self) -> tuple[Replica, ...]:
        return tuple(one for one in self.containers if one.id in self.own)

    def named(self, name: str) -> tuple[Replica, ...]:
        """By service, SERVICE-N or name within the fleet, else any container by name or beginning of its id."""
        own = self.of_fleet()
        found = [one for one in own if name in (one.service, one.name, f"{one.service}-{one.number}")]
        return tuple(found) or tuple(
            one for one in self.containers if name == one.name or (len(name) >= 8 and one.id.startswith(name))
        )


def look(fleet: Fleet | None, engine: DockerHost) -> World:
    """Everything the engine has, by two calls, and this host's own addresses."""
    containers, networks = engine.everything()
    own = frozenset(one.id for one in containers if fleet is not None and one.fleet == fleet.name)
    addresses = frozenset[str]()
    if engine.local:
        addresses = local_ipv4(os.getpid())
    return World(fleet, containers, networks, own, addresses)


def inspected(world: World, targets: Iterable[Replica], engine: DockerHost) -> World:
    """With what only inspection tells of the targets, of the fleet's replicas and of whoever shares a network with a
    target."""
    targets = tuple(targets)
    networks = {name for one in targets for name in one.endpoints}
    near = [one for one in world.containers if one.state == "running" and set(one.endpoints) & networks]
    wanted = {one.id for one in (*targets, *near[:NEAR])} | world.own
    if not targets:  # a port of the host may be anybody's
        wanted |= {one.id for one in world.containers[:MOST]}
    known = {one.id: one for one in engine.inspect([one for one in world.containers if one.id in wanted])}
    return replace(world, containers=tuple(known.get(one.id, one) for one in world.containers))


def service_of(world: World, container: Replica | None) -> Service | None:
    """What fleet.yaml says of a container, where it does."""
    if container is None or world.fleet is None or container.id not in world.own:
        return None
    return world.fleet.services.get(container.service)


def http_of(world: World, container: Replica | None, port: int | None) -> HttpSettings | None:
    """How the container's service says that it speaks HTTP, where it is asked at that port; a balancer is asked for the
    path by which it checks its servers."""
    service = service_of(world, container)
    if service is None:
        return None
    if service.http is not None and service.http.port == port:
        return service.http
    front = front_of(service, port)
    return HttpSettings(front.port, front.health_path, front.health_path) if front is not None else None


def path_key(world: World, container: Replica | None, port: int | None) -> str:
    """Where in fleet.yaml the health path of http_of comes from; empty where there is none."""
    service = service_of(world, container)
    if service is None or world.fleet is None:
        return ""
    if service.http is not None and service.http.port == port:
        key = "path" if service.http.path == service.http.health_path else "health_path"
        return f"services.{service.name}.x-fleet.http.{key}"
    front = front_of(service, port)
    if front is None:
        return ""
    own = f"services.{service.name}.x-fleet.balance.health_path"
    behind = world.fleet.services.get(front.service)
    lent = behind is not None and behind.http is not None and behind.http.health_path == front.health_path
    return f"{own} (else services.{front.service}.x-fleet.http.health_path counts)" if lent else own


def front_of(service: Service, port: int | None = None) -> Balance | None:
    """What a balancer is asked for at that port, or at its first: what needs no Host header, where there is that."""
    found = [one for one in service.balance if port in (None, one.port)]
    return min(found, key=lambda one: one.host is not None, default=None)


def host_of(world: World, container: Replica | None, port: int | None) -> str | None:
    """The Host header without which a balancer does not know whom it is asked for."""
    service = service_of(world, container)
    front = front_of(service, port) if service is not None else None
    return front.host if front is not None else None


def not_published(port: int | None, address: str, world: World, scene: Scene, engine: DockerHost) -> Finding | None:
    """Why a port of the host leads to no container."""
    if not engine.local:
        seen = Evidence(
            f"the engine is {engine.endpoint}: its ports are published on that host, not on this one",
            "docker context ls",
        )
        return finding(
            "foreign-engine",
            f"{address}:{port}",
            seen,
            cure=f"ask {engine.host or 'that host'} instead of {address}",
        )
    for one in world.containers:
        heard = scene.inside(one).listeners if one.pid else ()
        if any(item.protocol == "tcp" and item.port == port for item in heard or ()):
            seen = Evidence(
                f"{one.name} listens on port {port}, which is not published: nothing of the host leads there",
                f"docker port {quote(one.name)}",
            )
            cure = f"publish it (ports: ['{port}:{port}']), or ask the container's own address"
            return finding("not-published", one.name, seen, cure=cure)
    if any(item.port == port for item in scene.host.listeners or ()) or address not in world.host_addresses:
        return None
    published = sorted({str(item.host_port) for one in world.containers for item in one.ports if item.host_port})
    seen = Evidence(
        f"no container publishes port {port} and no process of the host listens there;"
        f" published are: {listed(published) or 'none'}",
        "docker ps --format '{{.Names}} {{.Ports}}'",
    )
    cure = f"publish it (ports: ['{port}:PORT'], PORT being the one that the server listens on)"
    return finding("not-published", f"{address}:{port}", seen, cure=cure)
