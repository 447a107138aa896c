"""What the engine says there is: the observed state of one fleet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from fleetctl.state.rotation import Rotation

ReplicaState = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]
AT_REST: tuple[ReplicaState, ...] = ("created", "exited", "dead", "removing")
"""The states in which nothing of a container runs."""
KILLED = 137
"""The exit code of a process that SIGKILL ended: 128 plus the signal's number."""
STOPPED_BY_SIGNAL = (143, KILLED, 0)
"""Exit codes of a server that was asked to end: SIGTERM, SIGKILL, or its own clean end."""
Health = Literal["none", "starting", "healthy", "unhealthy"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A replica's place in a network, as the engine tells it: address without prefix, None while not running."""

    network_id: str
    network_name: str
    ipv4: str | None = None
    prefix: int | None = None
    mac: str | None = None
    ipv6: str | None = None
    gateway: str | None = None
    aliases: tuple[str, ...] = ()


ANYWHERE = (None, "", "0.0.0.0", "::")  # noqa: S104  # compared, not bound
"""What `host_ip` is where a port is published at every address of the engine's host."""


@dataclass(frozen=True, slots=True)
class Published:
    """A published port as the engine made it; `host_port` is None for a port that is only exposed."""

    container_port: int
    protocol: str = "tcp"
    host_ip: str | None = None
    host_port: int | None = None


@dataclass(frozen=True, slots=True)
class Inspection:
    """What only an inspection tells of how a container was asked to run and how it ended. `requested` are the ports
    that were to be published; `proxies` the proxy variables of its environment, by lower-case name; `memory` in bytes;
    `health_output` the last lines its health check printed, raw."""

    error: str = ""
    out_of_memory: bool = False
    finished: datetime | None = None
    restart_policy: str = "no"
    network_mode: str = ""
    proxies: Mapping[str, str] = field(default_factory=dict)
    requested: tuple[Published, ...] = ()
    health_output: str = ""
    memory: int | None = None
    cpus: float | None = None

    def want_of_memory(self, exit_code: int | None) -> str | None:
        """That the kernel killed what ended with this code for want of memory, or may have: of a kill that comes with
        the start, before it is watched, no engine learns (github.com/containerd/containerd pull request 12405)."""
        if self.out_of_memory:
            return "the kernel killed it for want of memory"
        if self.memory and exit_code == KILLED:
            return "it was killed, maybe by the kernel for want of memory"
        return None


@dataclass(frozen=True, slots=True)
class Release:
    """What a replica was made from: its image's id, and its service as spec/release.py packs it."""

    image_id: str
    packed: str


@dataclass(frozen=True, slots=True)
class Replica:
    """One container of ours. `endpoints` is keyed by the network's name in the engine. `digests` is what it was made
    from (key path -> short digest). `restarts`, `started`, `pid` and `inspection` come only with inspection, else
    None."""

    id: str
    name: str
    service: str
    number: int
    image: str
    image_id: str
    state: ReplicaState
    health: Health
    status: str
    created: datetime
    command: str = ""
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    ports: tuple[Published, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    run: str = ""
    exit_code: int | None = None
    restarts: int | None = None
    started: datetime | None = None
    pid: int | None = None
    inspection: Inspection | None = None
    fleet: str = ""
    """The fleet it belongs to; empty for a stranger."""
    release: Release | None = None
    previous: Release | None = None
    """What its release was to replace; None for the first."""
    restored: bool = False
    """Whether it was made to put a former release back."""

    @property
    def label(self) -> str:
        """What people call it within its fleet: SERVICE-N."""
        return f"{self.service}-{self.number}"

    @property
    def addresses(self) -> frozenset[str]:
        """The addresses that the engine gave it, of both families, in all its networks."""
        found = (address for one in self.endpoints.values() for address in (one.ipv4, one.ipv6))
        return frozenset(address for address in found if address)


@dataclass(frozen=True, slots=True)
class ObservedNetwork:
    """A network of the engine, ours or not. `key` and `fleet` are None for a stranger's; `subnets` are pairs of
    CIDR and gateway."""

    id: str
    name: str
    driver: str
    fleet: str | None = None
    key: str | None = None
    subnets: tuple[tuple[str, str | None], ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    internal: bool = False
    enable_ipv6: bool = False
    attachable: bool = False
    digests: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    created: str = ""
    attached: Mapping[str, str] = field(default_factory=dict)
    """Container id -> name of everything running that is attached; known of the fleet's own networks only."""

    @property
    def bridge_name(self) -> str | None:
        """The kernel's name of the bridge: the option if set, else br- and twelve digits of the id (moby)."""
        if self.driver != "bridge":
            return None
        return self.options.get("com.docker.network.bridge.name") or f"br-{self.id[:12]}"


@dataclass(frozen=True, slots=True)
class ObservedVolume:
    """A volume of the engine, ours or not. `digests` is what it was made from; empty where that is not known."""

    name: str
    key: str | None = None
    fleet: str | None = None
    digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ObservedImage:
    """An image by the reference that was asked for; `context` is the build digest of one we built. `user` is the
    image's own user, empty where it sets none; `volumes` are the directories that it declares as such, None for an
    image that is still to come."""

    reference: str
    id: str
    context: str | None = None
    user: str = ""
    size: int = 0
    volumes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """The observed state of one fleet, plus the names and subnets of all networks (a new one must avoid them).
    `images` holds, by reference, those that are present."""

    fleet: str
    replicas: tuple[Replica, ...] = ()
    networks: tuple[ObservedNetwork, ...] = ()
    volumes: tuple[ObservedVolume, ...] = ()
    images: Mapping[str, ObservedImage] = field(default_factory=dict)
    routes: tuple[str, ...] = ()
    """IPv4 blocks that the engine's host has a route to, as far as that is known: a new network must avoid them."""
    rotations: Mapping[str, Rotation] = field(default_factory=dict)
    """Container id of each balancer that runs -> who is in rotation there."""

    def of_service(self, service_name: str) -> tuple[Replica, ...]:
        """The service's replicas by number, then name."""
        return tuple(
            sorted(
                (replica for replica in self.replicas if replica.service == service_name),
                key=lambda replica: (replica.number, replica.name),
            )
        )

    def own_networks(self) -> tuple[ObservedNetwork, ...]:
        """The networks that carry this fleet's label."""
        return tuple(network for network in self.networks if network.fleet == self.fleet)
