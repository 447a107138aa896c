"""What a fleet is, in canonical form: every short form expanded, every default applied, nothing unresolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Baseline = Literal["restricted", "compatible"]
UpdateOrder = Literal["start-first", "stop-first"]
FailureAction = Literal["pause", "continue", "rollback"]
Condition = Literal["service_started", "service_healthy", "service_completed_successfully"]
PullPolicy = Literal["always", "never", "missing", "build"]
RestartName = Literal["no", "always", "on-failure", "unless-stopped"]
Algorithm = Literal["roundrobin", "leastconn", "random"]
"""How a balancer chooses a server: those of HAProxy's that take servers added at run time."""


@dataclass(frozen=True, slots=True)
class Build:
    """How an image is made: the context is an absolute directory, the Dockerfile a path within it."""

    context: Path
    dockerfile: str = "Dockerfile"
    args: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None


@dataclass(frozen=True, slots=True)
class PortMapping:
    """One published port: `published` is an inclusive range of host ports, None for an ephemeral one."""

    target: int
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    published: tuple[int, int] | None = None
    host_ip: str = "127.0.0.1"
    name: str | None = None
    app_protocol: str | None = None
    mode: Literal["host", "ingress"] = "ingress"


@dataclass(frozen=True, slots=True)
class Membership:
    """How a service takes part in a network."""

    aliases: tuple[str, ...] = ()
    ipv4_address: str | None = None


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """The engine's own check; times in seconds. `test` is None when only the image's times are changed."""

    test: tuple[str, ...] | None = None
    interval: float | None = None
    timeout: float | None = None
    start_period: float | None = None
    start_interval: float | None = None
    retries: int | None = None
    disable: bool = False


@dataclass(frozen=True, slots=True)
class Dependency:
    condition: Condition = "service_started"
    required: bool = True


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume, bind or tmpfs mount. `source` is a key of Fleet.volumes for volumes (None: anonymous), an
    absolute path for binds, None for tmpfs."""

    kind: Literal["volume", "bind", "tmpfs"]
    target: str
    source: str | None = None
    read_only: bool = False
    create_host_path: bool = False
    tmpfs_size: int | None = None
    tmpfs_mode: int | None = None


@dataclass(frozen=True, slots=True)
class FileMount:
    """A config or secret: a file of the host, mounted read-only. `content_digest` is the hex SHA-256 of its bytes."""

    name: str
    kind: Literal["config", "secret"]
    source: Path
    target: str
    content_digest: str


@dataclass(frozen=True, slots=True)
class Restart:
    """`maximum` counts retries and belongs to on-failure only; 0 means without end."""

    name: RestartName = "no"
    maximum: int = 0


@dataclass(frozen=True, slots=True)
class Ulimit:
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class Logging:
    driver: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits or reservations: cpus as a fraction of processors, memory in bytes."""

    cpus: float | None = None
    memory: int | None = None
    pids: int | None = None


@dataclass(frozen=True, slots=True)
class UpdatePolicy:
    """deploy.update_config or rollback_config with every default applied; times in seconds, `parallelism` 0 = all.
    `max_failure_ratio` is the share of the replicas, 0 to 1, whose replacement may fail before `failure_action` is
    taken."""

    parallelism: int = 1
    delay: float = 0.0
    order: UpdateOrder = "start-first"
    monitor: float = 0.0
    max_failure_ratio: float = 0.0
    failure_action: FailureAction = "pause"


@dataclass(frozen=True, slots=True)
class Identity:
    """How to read an instance's identity from an answer: a regular expression (its first group, else the whole
    match) or a JSON pointer (RFC 6901); both None: the first UUID in the body."""

    pattern: str | None = None
    pointer: str | None = None


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """How to talk HTTP to a service: container port, the path asked by curl, and the path that tells readiness."""

    port: int
    path: str = "/"
    health_path: str = "/"
    identity: Identity = field(default_factory=Identity)


@dataclass(frozen=True, slots=True)
class Balance:
    """One service behind a balancer: requests that come to the balancer's own `port` (and name `host` in their Host
    header, where that is set) go to `target_port` of the service's replicas. Times in seconds: `drain_timeout` is how
    long a replica that leaves may go on with the requests it has, `timeout` how long an answer may take. `retries` is
    how often a request that failed is sent to another replica."""

    service: str
    port: int
    target_port: int
    health_path: str = "/"
    host: str | None = None
    algorithm: Algorithm = "roundrobin"
    retries: int = 3
    drain_timeout: float = 30.0
    timeout: float = 60.0

    @property
    def pool(self) -> str:
        """The name of these servers in the balancer: unique within it."""
        return ":".join((self.service, str(self.port), *((self.host,) if self.host else ())))


@dataclass(frozen=True, slots=True)
class Service:
    """One service. Optional values are None where neither file nor baseline says anything: the engine or the image
    decides. `origins` maps a key path within the service ("read_only", "deploy.resources.limits.pids") to where its
    value comes from: "fleet.yaml:12:5", "baseline restricted" or "default"."""

    name: str
    image: str
    build: Build | None = None
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    expose: tuple[str, ...] = ()
    ports: tuple[PortMapping, ...] = ()
    networks: Mapping[str, Membership] = field(default_factory=dict)
    healthcheck: Healthcheck | None = None
    depends_on: Mapping[str, Dependency] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    files: tuple[FileMount, ...] = ()
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    """Target path -> mount options ("rw,noexec,nosuid,nodev,size=16m")."""
    read_only: bool = False
    user: str | None = None
    init: bool | None = None
    cap_drop: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    ulimits: Mapping[str, Ulimit] = field(default_factory=dict)
    stop_signal: str | None = None
    stop_grace_period: float = 10.0
    restart: Restart = field(default_factory=Restart)
    pull_policy: PullPolicy = "missing"
    hostname: str | None = None
    working_dir: str | None = None
    logging: Logging | None = None
    profiles: tuple[str, ...] = ()
    replicas: int = 1
    deploy_labels: Mapping[str, str] = field(default_factory=dict)
    update: UpdatePolicy = field(default_factory=UpdatePolicy)
    rollback: UpdatePolicy = field(default_factory=UpdatePolicy)
    limits: Resources = field(default_factory=Resources)
    reservations: Resources = field(default_factory=Resources)
    http: HttpSettings | None = None
    balance: tuple[Balance, ...] = ()
    """What the service balances; empty for all but balancers."""
    baseline: Baseline = "restricted"
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def default_user(self) -> str | None:
        """The user a replica gets where neither the file nor the image names one, as uid:gid."""
        return "10001:10001" if self.baseline == "restricted" else None


@dataclass(frozen=True, slots=True)
class Subnet:
    """One ipam entry, in CIDR notation and dotted addresses (IPv4 or IPv6)."""

    subnet: str
    gateway: str | None = None
    ip_range: str | None = None
    aux_addresses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the fleet. `engine_name` is the name in the engine (FLEET_KEY unless the file says `name:`).
    Without `subnets` one is chosen from the fleet's address range when the network is made."""

    key: str
    engine_name: str
    driver: str = "bridge"
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    ipam_driver: str = "default"
    subnets: tuple[Subnet, ...] = ()
    internal: bool = False
    enable_ipv6: bool = False
    attachable: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    external: bool = False


@dataclass(frozen=True, slots=True)
class Volume:
    key: str
    engine_name: str
    driver: str = "local"
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    external: bool = False


@dataclass(frozen=True, slots=True)
class AddressRange:
    """Where subnets of the fleet's networks come from: a CIDR block and the prefix length cut from it."""

    block: str = "172.30.0.0/15"
    prefix: int = 22


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything one fleet.yaml asks for. Services keep the order of the file; services whose profile is not active
    are left out. `warnings` are complete sentences with file:line:column."""

    name: str
    directory: Path
    files: tuple[str, ...]
    services: Mapping[str, Service]
    networks: Mapping[str, Network] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    addresses: AddressRange = field(default_factory=AddressRange)
    inactive: tuple[str, ...] = ()
    """Names of services left out because their profile is not active; their containers are not orphans."""
    warnings: tuple[str, ...] = ()
