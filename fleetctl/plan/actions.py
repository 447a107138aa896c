"""What can be done to an engine: a closed union of plain data, one engine call each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fleetctl.spec.model import Balance, Build, Membership, Network, Service, Subnet, Volume
from fleetctl.state.observed import Release


@dataclass(frozen=True, slots=True)
class Ref:
    """A container or network: by id once it exists, before that by the step that makes it. `name` is for people."""

    name: str
    id: str | None = None
    made_by: str | None = None


@dataclass(frozen=True, slots=True)
class CreateNetwork:
    fleet: str
    network: Network
    subnets: tuple[Subnet, ...]
    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RemoveNetwork:
    network: Ref


@dataclass(frozen=True, slots=True)
class CreateVolume:
    fleet: str
    volume: Volume


@dataclass(frozen=True, slots=True)
class RemoveVolume:
    volume_name: str


@dataclass(frozen=True, slots=True)
class BuildImage:
    """Build and tag; `context_digest` becomes the image's label, so that the next run knows it is up to date."""

    fleet: str
    service_name: str
    reference: str
    build: Build
    context_digest: str
    no_cache: bool = False
    pull: bool = False


@dataclass(frozen=True, slots=True)
class PullImage:
    reference: str


@dataclass(frozen=True, slots=True)
class RemoveImage:
    reference: str


@dataclass(frozen=True, slots=True)
class CreateReplica:
    """Create (not start) a container on its first network. `user` is set only where neither file nor image does;
    `volumes` maps a key of fleet.yaml to the volume's name in the engine."""

    fleet: str
    service: Service
    number: int
    container_name: str
    image_id: str
    digests: Mapping[str, str]
    network: Ref | None = None
    membership: Membership = field(default_factory=Membership)
    user: str | None = None
    volumes: Mapping[str, str] = field(default_factory=dict)
    previous: Release | None = None
    """What this release is to replace."""
    restored: bool = False
    """Whether it puts a former release back."""


@dataclass(frozen=True, slots=True)
class ConnectNetwork:
    """Plug a replica into one more network, where it is reachable by its service's name and its aliases."""

    replica: Ref
    network: Ref
    service_name: str
    membership: Membership


@dataclass(frozen=True, slots=True)
class DisconnectNetwork:
    replica: Ref
    network: Ref


@dataclass(frozen=True, slots=True)
class StartReplica:
    replica: Ref


@dataclass(frozen=True, slots=True)
class StopReplica:
    """Send the stop signal, wait at most `grace` seconds, then kill; None leaves the time to the container's own."""

    replica: Ref
    grace: float | None = None


@dataclass(frozen=True, slots=True)
class RestartReplica:
    replica: Ref
    grace: float | None = None


@dataclass(frozen=True, slots=True)
class UnpauseReplica:
    replica: Ref


@dataclass(frozen=True, slots=True)
class RenameReplica:
    replica: Ref
    container_name: str


@dataclass(frozen=True, slots=True)
class RemoveReplica:
    """Remove a container and its anonymous volumes, running or not; one that is gone already is fine."""

    replica: Ref


@dataclass(frozen=True, slots=True)
class AwaitReplica:
    """No engine call of its own: wait until the replica is ready, or has completed when `completed` is asked for.
    `monitor` is how many seconds it has to stay ready; one that was `seen` ready has to be so from the beginning. What
    the engine last found of one that was `woken` is from when it was frozen: engines check seldom, and the replica's
    own answer is the newer word."""

    replica: Ref
    service: Service
    completed: bool = False
    monitor: float = 0.0
    seen: bool = False
    woken: bool = False


@dataclass(frozen=True, slots=True)
class Delay:
    """No engine call: the pause between two batches of an update, in seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Tally:
    """No engine call: go on with an update only while at most `tolerated` of the service's new replicas have failed to
    do their work, which for each the step of that id in `serving` tells."""

    service_name: str
    replicas: int
    tolerated: int
    serving: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConfigureBalancer:
    """Give a balancer its settings and the replicas that run. One that is `running` takes them over without losing a
    connection, and keeps the servers that it has."""

    balancer: Ref
    balances: tuple[Balance, ...]
    running: bool = False


@dataclass(frozen=True, slots=True)
class AddServer:
    """Bring a replica into rotation in a pool, asked at `port`, as soon as the balancer itself finds it healthy.
    `label` is SERVICE-N."""

    balancer: Ref
    pool: str
    port: int
    label: str
    replica: Ref


@dataclass(frozen=True, slots=True)
class DrainServer:
    """Take a replica out of rotation: no new requests, and those it has may end within `drain_timeout` seconds. Not
    before `least` others are ready and healthy."""

    balancer: Ref
    pool: str
    drain_timeout: float
    label: str
    replica: Ref
    least: int = 0


RotationAction = ConfigureBalancer | AddServer | DrainServer
"""What is done to a balancer, and not to the engine."""

Action = (
    CreateNetwork
    | RemoveNetwork
    | CreateVolume
    | RemoveVolume
    | BuildImage
    | PullImage
    | RemoveImage
    | CreateReplica
    | ConnectNetwork
    | DisconnectNetwork
    | StartReplica
    | StopReplica
    | RestartReplica
    | UnpauseReplica
    | RenameReplica
    | RemoveReplica
    | AwaitReplica
    | Delay
    | Tally
    | ConfigureBalancer
    | AddServer
    | DrainServer
)
