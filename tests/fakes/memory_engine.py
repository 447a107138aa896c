"""A small engine that lives in memory: the same seam as a Docker host, exact and quick, for laws about plans."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from fleetctl.errors import FleetError, SubnetTaken
from fleetctl.plan import actions
from fleetctl.plan.actions import Action, Ref
from fleetctl.spec.digest import volume_digests
from fleetctl.spec.model import Balance, PortMapping
from fleetctl.spec.release import pack
from fleetctl.state.observed import (
    Endpoint,
    Observed,
    ObservedImage,
    ObservedNetwork,
    ObservedVolume,
    Published,
    Release,
    Replica,
)
from fleetctl.state.rotation import Server

CREATED = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class MemoryEngine:
    """Holds containers, networks, volumes and images of all fleets. `dies_after` counts the actions that are carried
    out before every further one fails like a broken connection."""

    fleets: dict[str, str] = field(default_factory=dict)
    """Container id -> fleet."""
    replicas: dict[str, Replica] = field(default_factory=dict)
    networks: dict[str, ObservedNetwork] = field(default_factory=dict)
    volumes: dict[str, ObservedVolume] = field(default_factory=dict)
    images: dict[str, ObservedImage] = field(default_factory=dict)
    routes: tuple[str, ...] = ()
    settings: dict[str, tuple[Balance, ...]] = field(default_factory=dict)
    """Container id of a balancer -> the settings that it was given last."""
    pools: dict[str, dict[str, dict[str, Server]]] = field(default_factory=dict)
    """Container id of a balancer -> its pools, and in each the servers by name."""
    dies_after: int | None = None
    acted: list[Action] = field(default_factory=list)
    running: list[int] = field(default_factory=list)
    """How many containers ran after each action."""
    endpoint: str = "memory"
    host: str | None = None
    local: bool = True
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def observe(self, fleet_name: str, images: Collection[str] = ()) -> Observed:
        """Everything of the fleet, and all networks."""
        return Observed(
            fleet=fleet_name,
            replicas=tuple(
                sorted(
                    (replica for replica in self.replicas.values() if self.fleets[replica.id] == fleet_name),
                    key=lambda replica: (replica.service, replica.number, replica.name),
                )
            ),
            networks=tuple(replace(network, attached=self.attached(network)) for network in self.networks.values()),
            volumes=tuple(self.volumes.values()),
            images={name: self.images[name] for name in images if name in self.images},
            routes=self.routes,
        )

    def attached(self, network: ObservedNetwork) -> dict[str, str]:
        """Container id -> name of what runs in a network."""
        return {
            replica.id: replica.name
            for replica in self.replicas.values()
            if replica.state == "running" and any(end.network_id == network.id for end in replica.endpoints.values())
        }

    def apply(self, action: Action) -> str:
        """Do one thing, as strictly as a real engine."""
        self.count(action)
        made = ""
        match action:
            case actions.CreateNetwork():
                made = self.create_network(action)
            case actions.RemoveNetwork():
                self.remove_network(action)
            case actions.CreateVolume():
                name = action.volume.engine_name
                made = name
                digests = volume_digests(action.volume)
                self.volumes[name] = ObservedVolume(name, action.volume.key, action.fleet, digests)
            case actions.RemoveVolume():
                self.volumes.pop(action.volume_name, None)
            case actions.BuildImage():
                made = self.new_id()
                self.images[action.reference] = ObservedImage(action.reference, made, action.context_digest)
            case actions.PullImage():
                made = self.new_id()
                self.images[action.reference] = ObservedImage(action.reference, made)
            case actions.RemoveImage():
                self.images.pop(action.reference, None)
            case actions.CreateReplica():
                made = self.create_replica(action)
            case actions.RemoveReplica():
                self.replicas.pop(known(action.replica), None)
            case actions.ConnectNetwork():
                self.connect(action)
            case actions.DisconnectNetwork():
                replica = self.replicas[known(action.replica)]
                rest = {name: end for name, end in replica.endpoints.items() if name != action.network.name}
                self.change(action.replica, endpoints=rest)
            case actions.StartReplica() | actions.UnpauseReplica() | actions.RestartReplica():
                self.refuse_dead_network(action.replica)
                self.change(action.replica, state="running", health="none", exit_code=None)
            case actions.StopReplica():
                self.change(action.replica, state="exited", exit_code=0)
            case actions.RenameReplica():
                self.refuse_name(action.container_name)
                self.change(action.replica, name=action.container_name)
            case _:
                raise AssertionError(f"not an engine's action: {action}")
        self.running.append(sum(replica.state == "running" for replica in self.replicas.values()))
        return made

    def count(self, action: Action) -> None:
        """Note an action; raises FleetError when the engine is dead by now."""
        if self.dies_after is not None and len(self.acted) >= self.dies_after:
            raise FleetError("the engine died")
        self.acted.append(action)

    def close(self) -> None:
        """Nothing to let go of."""

    def new_id(self) -> str:
        return f"{next(self.ids):012x}{0:052x}"

    def change(self, ref: Ref, **values: object) -> None:
        """Alter one container; a container that is gone is an error, as in a real engine."""
        if known(ref) not in self.replicas:
            raise FleetError(f"no such container: {ref.name}")
        self.replicas[known(ref)] = replace(self.replicas[known(ref)], **values)  # type: ignore[arg-type]

    def refuse_name(self, name: str) -> None:
        if any(replica.name == name for replica in self.replicas.values()):
            raise FleetError(f"the name {name} is in use")

    def create_network(self, action: actions.CreateNetwork) -> str:
        taken = [ipaddress.ip_network(cidr) for network in self.networks.values() for cidr, _ in network.subnets]
        for entry in action.subnets:
            if any(ipaddress.ip_network(entry.subnet).overlaps(other) for other in taken):
                raise SubnetTaken(f"{entry.subnet} overlaps")
        made = self.new_id()
        self.networks[made] = ObservedNetwork(
            id=made,
            name=action.network.engine_name,
            driver=action.network.driver,
            fleet=action.fleet,
            key=action.network.key,
            subnets=tuple((entry.subnet, entry.gateway) for entry in action.subnets),
            digests=action.digests,
        )
        return made

    def refuse_dead_network(self, ref: Ref) -> None:
        """A container remembers its networks by id and does not start without them."""
        for end in self.replicas[known(ref)].endpoints.values() if known(ref) in self.replicas else ():
            if end.network_id not in self.networks:
                raise FleetError(f"could not start {ref.name}: network {end.network_id} not found")

    def inspect_replica(self, replica: Replica) -> Replica | None:
        """One container, None when it is gone."""
        return self.replicas.get(replica.id)

    def remove_network(self, action: actions.RemoveNetwork) -> None:
        used = [
            replica.name
            for replica in self.replicas.values()
            if replica.state == "running"
            and any(end.network_id == known(action.network) for end in replica.endpoints.values())
        ]
        if used:
            raise FleetError(f"network {action.network.name} has active endpoints: {used}")
        self.networks.pop(known(action.network), None)

    def create_replica(self, action: actions.CreateReplica) -> str:
        self.refuse_name(action.container_name)
        made = self.new_id()
        endpoints = {}
        if action.network is not None:
            network = self.networks[known(action.network)]
            aliases = (action.service.name, *action.membership.aliases)
            endpoints[network.name] = Endpoint(network.id, network.name, address_of(made), aliases=aliases)
        self.fleets[made] = action.fleet
        self.replicas[made] = Replica(
            id=made,
            name=action.container_name,
            service=action.service.name,
            number=action.number,
            image=action.service.image,
            image_id=action.image_id,
            state="created",
            health="none",
            status="Created",
            created=CREATED + timedelta(seconds=int(made[:12], 16)),
            endpoints=endpoints,
            ports=tuple(self.publish(port) for port in action.service.ports),
            digests=dict(action.digests),
            release=Release(action.image_id, pack(action.service)),
            previous=action.previous,
            restored=action.restored,
        )
        return made

    def publish(self, port: PortMapping) -> Published:
        """The first host port of the mapping that nobody holds; none left is an error, as in a real engine."""
        if port.published is None:
            return Published(port.target, port.protocol)
        alive = (one for one in self.replicas.values() if one.state not in ("exited", "dead"))
        held = {(published.host_ip, published.host_port) for one in alive for published in one.ports}
        first, last = port.published
        for number in range(first, last + 1):
            if (port.host_ip, number) not in held:
                return Published(port.target, port.protocol, port.host_ip, number)
        raise FleetError(f"port {first} is already allocated")

    def connect(self, action: actions.ConnectNetwork) -> None:
        network = self.networks[known(action.network)]
        replica = self.replicas[known(action.replica)]
        if network.name in replica.endpoints:
            raise FleetError(f"{replica.name} is in {network.name} already")
        aliases = (action.service_name, *action.membership.aliases)
        address = address_of(replica.id)
        ends = {**replica.endpoints, network.name: Endpoint(network.id, network.name, address, aliases=aliases)}
        self.change(action.replica, endpoints=ends)


def address_of(container_id: str) -> str:
    """Another one for each container."""
    return str(ipaddress.ip_address("10.0.0.0") + int(container_id[:12], 16))


def known(ref: Ref) -> str:
    """The id, which whoever executes the plan has put in."""
    assert ref.id is not None, f"{ref.name} has no id"
    return ref.id
