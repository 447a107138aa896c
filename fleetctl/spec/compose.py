"""The shape of fleet.yaml as written: the keys, their types and what they mean; source of the JSON Schema."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Text = Annotated[str, Meta(extra={"wanted": "text"})]
Duration = Annotated[
    str,
    Meta(
        extra={"wanted": 'a duration such as "10s" or "1m30s"'},
        examples=["10s", "1m30s"],
    ),
]
Bytes = Annotated[
    int | str,
    Meta(extra={"wanted": 'a size such as "128m"'}, examples=["128m", "1.5g"]),
]
Processors = Annotated[
    float | str,
    Meta(extra={"wanted": 'a number of processors such as "0.5"'}, examples=["0.5"]),
]
Port = Annotated[int, Meta(ge=1, le=65535)]
Plain = str | int | float | bool | None
"""A value of an environment variable, label or option; numbers and truth values become their text."""
Pairs = Annotated[
    dict[str, Plain] | list[str],
    Meta(extra={"wanted": "a mapping, or a list of KEY=VALUE"}),
]
Options = dict[str, str | int | float]
Command = Annotated[
    str | list[str] | None,
    Meta(extra={"wanted": "text (split as a shell would) or a list of arguments"}),
]


class Shape(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A mapping with known keys."""


class BuildShape(Shape):
    """How to build an image."""

    context: Annotated[
        str,
        Meta(description="Directory that is sent to the engine, within the project."),
    ]
    dockerfile: Annotated[str, Meta(description="Dockerfile, relative to the context.")] | None = None
    args: (
        Annotated[
            Pairs,
            Meta(description="Build arguments; a bare name passes the variable through."),
        ]
        | None
    ) = None
    target: Annotated[str, Meta(description="Stage to stop at.")] | None = None


class PortShape(Shape):
    """One published port, in long form."""

    target: Annotated[Port, Meta(description="Port in the container.")]
    published: (
        Annotated[
            int | str,
            Meta(
                description='Host port, or a range "8081-8090" of which each replica takes a free one.',
                extra={"wanted": 'a port or a range such as "8081-8090"'},
            ),
        ]
        | None
    ) = None
    host_ip: Annotated[str, Meta(description="Host address to listen on.")] | None = None
    protocol: Annotated[Literal["tcp", "udp", "sctp"], Meta(description="Default tcp.")] | None = None
    name: Annotated[str, Meta(description="A name for people.")] | None = None
    app_protocol: Annotated[str, Meta(description="What is spoken on the port, for people.")] | None = None
    mode: (
        Annotated[
            Literal["host", "ingress"],
            Meta(description="Both mean the same on one host."),
        ]
        | None
    ) = None


class MembershipShape(Shape):
    """How a service takes part in a network."""

    aliases: Annotated[list[str], Meta(description="Further names of the service on this network.")] | None = None
    ipv4_address: Annotated[str, Meta(description="A fixed address; only for a service of one replica.")] | None = None


class HealthcheckShape(Shape):
    """The engine's own health check."""

    test: (
        Annotated[
            str | list[str],
            Meta(description='A shell command, or a list that begins with "CMD", "CMD-SHELL" or "NONE".'),
        ]
        | None
    ) = None
    interval: Annotated[Duration, Meta(description="Time between two checks.")] | None = None
    timeout: Annotated[Duration, Meta(description="Time one check may take.")] | None = None
    start_period: Annotated[Duration, Meta(description="Time in which failures do not count.")] | None = None
    start_interval: (
        Annotated[
            Duration,
            Meta(description="Time between checks in the start period (Engine 25 or newer)."),
        ]
        | None
    ) = None
    retries: (
        Annotated[
            int,
            Meta(ge=1, le=1000, description="Failures in a row that make it unhealthy."),
        ]
        | None
    ) = None
    disable: Annotated[bool, Meta(description="Switch the image's own check off.")] | None = None


class DependencyShape(Shape):
    """What a service waits for."""

    condition: Annotated[
        Literal["service_started", "service_healthy", "service_completed_successfully"],
        Meta(description="When the dependency counts as ready."),
    ]
    required: Annotated[bool, Meta(description="false: go on without it when it is not active.")] | None = None
    restart: (
        Annotated[
            bool,
            Meta(description="Restart this service when the dependency is replaced."),
        ]
        | None
    ) = None


class BindShape(Shape):
    """Options of a bind mount."""

    create_host_path: Annotated[bool, Meta(description="Make the host's directory when missing.")] | None = None


class TmpfsShape(Shape):
    """Options of a tmpfs mount."""

    size: Annotated[Bytes, Meta(description="Largest size.")] | None = None
    mode: Annotated[int, Meta(ge=0, le=0o7777, description="Permission bits, such as 0o1777.")] | None = None


class MountShape(Shape):
    """One mount, in long form."""

    type: Annotated[Literal["volume", "bind", "tmpfs"], Meta(description="What is mounted.")]
    target: Annotated[str, Meta(description="Absolute path in the container.")]
    source: Annotated[str, Meta(description="A volume of this file, or a path on the host.")] | None = None
    read_only: Annotated[bool, Meta(description="Mount it read-only.")] | None = None
    bind: BindShape | None = None
    tmpfs: TmpfsShape | None = None


class FileMountShape(Shape):
    """A config or secret in long form."""

    source: Annotated[str, Meta(description="Its name at the top of the file.")]
    target: Annotated[str, Meta(description="Path in the container.")] | None = None


class UlimitShape(Shape):
    """A soft and a hard limit."""

    soft: Annotated[int, Meta(ge=-1, description="The limit a process starts with; -1 is none.")]
    hard: Annotated[int, Meta(ge=-1, description="How far a process may raise it; -1 is none.")]


class EnvFileShape(Shape):
    """A file of environment variables, in long form."""

    path: Annotated[str, Meta(description="The file, within the project.")]
    required: Annotated[bool, Meta(description="false: skip it when it is missing.")] | None = None


class LoggingShape(Shape):
    """Where a container's output goes."""

    driver: Annotated[str, Meta(description="Logging driver; default json-file.")] | None = None
    options: Annotated[Options, Meta(description="Options of the driver.")] | None = None


class UpdateShape(Shape):
    """How a changed service is replaced."""

    parallelism: Annotated[int, Meta(ge=0, description="Replicas replaced at a time; 0 is all.")] | None = None
    delay: Annotated[Duration, Meta(description="Pause between two groups.")] | None = None
    order: (
        Annotated[
            Literal["start-first", "stop-first"],
            Meta(description="start-first (the default): the new one is ready before the old one stops."),
        ]
        | None
    ) = None
    monitor: Annotated[Duration, Meta(description="How long a new replica is watched for failure.")] | None = None
    failure_action: (
        Annotated[
            Literal["pause", "continue"],
            Meta(description="What to do after a failed replica."),
        ]
        | None
    ) = None
    max_failure_ratio: Annotated[float, Meta(ge=0, le=1, description="Share of replicas that may fail.")] | None = None


class RestartPolicyShape(Shape):
    """When the engine starts a container again."""

    condition: (
        Annotated[
            Literal["none", "on-failure", "any"],
            Meta(description="After which exit; default any."),
        ]
        | None
    ) = None
    max_attempts: Annotated[int, Meta(ge=1, description="Give up after so many; on-failure only.")] | None = None


class LimitsShape(Shape):
    """What one replica may use at most."""

    cpus: Annotated[Processors, Meta(description="Processors.")] | None = None
    memory: Annotated[Bytes, Meta(description="Memory.")] | None = None
    pids: Annotated[int, Meta(ge=1, description="Processes and threads.")] | None = None


class ReservationsShape(Shape):
    """What one replica should have at least."""

    memory: Annotated[Bytes, Meta(description="Memory kept free when the host runs short.")] | None = None


class ResourcesShape(Shape):
    """Limits and reservations of one replica."""

    limits: LimitsShape | None = None
    reservations: ReservationsShape | None = None


class DeployShape(Shape):
    """How many replicas, how they are updated and limited."""

    mode: Annotated[Literal["replicated"], Meta(description="A number of replicas.")] | None = None
    replicas: Annotated[int, Meta(ge=0, le=1000, description="Number of replicas; default 1.")] | None = None
    endpoint_mode: (
        Annotated[
            Literal["dnsrr"],
            Meta(description="The service's name resolves to every replica."),
        ]
        | None
    ) = None
    labels: Annotated[Pairs, Meta(description="Labels of the Swarm service.")] | None = None
    update_config: UpdateShape | None = None
    restart_policy: RestartPolicyShape | None = None
    resources: ResourcesShape | None = None


class IdentityShape(Shape):
    """How to read which instance answered; by default the first UUID in the body."""

    pattern: (
        Annotated[
            str,
            Meta(
                max_length=500,
                description="Regular expression: its first group, or the whole match.",
            ),
        ]
        | None
    ) = None
    pointer: (
        Annotated[
            str,
            Meta(max_length=500, description="JSON pointer (RFC 6901), such as /uuid."),
        ]
        | None
    ) = None


class HttpShape(Shape):
    """How to talk HTTP to a service."""

    port: Annotated[Port, Meta(description="Port in the container.")]
    path: Annotated[str, Meta(description="What `fleetctl curl` asks for; default /.")] | None = None
    health_path: Annotated[str, Meta(description="What tells readiness; default: the path.")] | None = None
    identity: IdentityShape | None = None


class ServiceExtension(Shape):
    """What fleetctl knows about a service beyond Compose."""

    http: (
        Annotated[
            Port | HttpShape,
            Meta(description="How to talk HTTP to it; a bare number is the port."),
        ]
        | None
    ) = None
    baseline: (
        Annotated[
            Literal["restricted", "compatible"],
            Meta(description="Security baseline; default: the fleet's."),
        ]
        | None
    ) = None


class ServiceShape(Shape, rename={"x_fleet": "x-fleet"}):
    """One service: an image and how its replicas are made."""

    image: Annotated[str, Meta(description="Image to run, or the name of the built one.")] | None = None
    build: (
        Annotated[
            str | BuildShape,
            Meta(description="How to build it; bare text is the context."),
        ]
        | None
    ) = None
    command: Annotated[Command, Meta(description="Arguments, instead of the image's.")] = None
    entrypoint: Annotated[Command, Meta(description="Program, instead of the image's; [] clears it.")] = None
    environment: (
        Annotated[
            Pairs,
            Meta(description="Environment variables; a bare name passes the variable through."),
        ]
        | None
    ) = None
    env_file: (
        Annotated[
            str | list[str | EnvFileShape],
            Meta(description="Files of variables; the last file wins, environment beats all."),
        ]
        | None
    ) = None
    labels: Annotated[Pairs, Meta(description="Labels of the containers.")] | None = None
    expose: (
        Annotated[
            list[str | int],
            Meta(description='Ports for other containers, such as "8080/tcp".'),
        ]
        | None
    ) = None
    ports: (
        Annotated[
            list[str | int | PortShape],
            Meta(description='Published ports: "[IP:][HOST:]CONTAINER[/PROTOCOL]", ranges allowed, or long form.'),
        ]
        | None
    ) = None
    networks: (
        Annotated[
            list[str] | dict[str, MembershipShape | None],
            Meta(description="Networks it is on; default: `default`."),
        ]
        | None
    ) = None
    healthcheck: HealthcheckShape | None = None
    depends_on: (
        Annotated[
            list[str] | dict[str, DependencyShape],
            Meta(description="Services that come first."),
        ]
        | None
    ) = None
    volumes: (
        Annotated[
            list[str | MountShape],
            Meta(description='Mounts: "SOURCE:TARGET[:ro]", or long form.'),
        ]
        | None
    ) = None
    tmpfs: (
        Annotated[
            str | list[str],
            Meta(description='Paths in memory, such as "/run:size=1m".'),
        ]
        | None
    ) = None
    configs: Annotated[list[str | FileMountShape], Meta(description="Configs, mounted read-only.")] | None = None
    secrets: Annotated[list[str | FileMountShape], Meta(description="Secrets, mounted read-only.")] | None = None
    read_only: Annotated[bool, Meta(description="Read-only root; restricted: true.")] | None = None
    user: Annotated[str, Meta(description='User, such as "1000:1000".')] | None = None
    init: Annotated[bool, Meta(description="Run an init as process 1 that reaps children.")] | None = None
    cap_drop: Annotated[list[str], Meta(description="Capabilities taken away; restricted: ALL.")] | None = None
    cap_add: Annotated[list[str], Meta(description="Capabilities given, after cap_drop.")] | None = None
    security_opt: Annotated[list[str], Meta(description="Security options; no-new-privileges is added.")] | None = None
    sysctls: Annotated[Pairs, Meta(description="Kernel settings of the container's namespaces.")] | None = None
    ulimits: (
        Annotated[
            dict[str, Annotated[int, Meta(ge=-1)] | UlimitShape],
            Meta(description="Limits of each process."),
        ]
        | None
    ) = None
    stop_signal: Annotated[str, Meta(description="Signal that asks it to stop.")] | None = None
    stop_grace_period: Annotated[Duration, Meta(description="Time to stop before SIGKILL; default 10s.")] | None = None
    restart: (
        Annotated[
            str,
            Meta(description='"no", always, unless-stopped, on-failure or on-failure:N.'),
        ]
        | None
    ) = None
    pull_policy: (
        Annotated[
            Literal["always", "never", "missing", "if_not_present", "build"],
            Meta(description="When to pull the image; default missing."),
        ]
        | None
    ) = None
    hostname: Annotated[str, Meta(description="Host name inside.")] | None = None
    working_dir: Annotated[str, Meta(description="Working directory.")] | None = None
    logging: LoggingShape | None = None
    profiles: Annotated[list[str], Meta(description="Only started when one of these is active.")] | None = None
    deploy: DeployShape | None = None
    x_fleet: ServiceExtension | None = None


class SubnetShape(Shape):
    """A subnet of a network."""

    subnet: Annotated[str, Meta(description="CIDR notation.")]
    ip_range: (
        Annotated[
            str,
            Meta(description="Part of the subnet that replicas take addresses from."),
        ]
        | None
    ) = None
    gateway: Annotated[str, Meta(description="The bridge's own address.")] | None = None
    aux_addresses: Annotated[dict[str, str], Meta(description="Addresses that must not be given out.")] | None = None


class IpamShape(Shape):
    """How a network gives out addresses."""

    driver: Annotated[str, Meta(description="Default: default.")] | None = None
    config: Annotated[list[SubnetShape], Meta(description="Subnets; none: one is chosen.")] | None = None


class NetworkShape(Shape):
    """A network of the fleet."""

    name: Annotated[str, Meta(description="Name in the engine; default FLEET_KEY.")] | None = None
    driver: Annotated[Literal["bridge"], Meta(description="Default bridge.")] | None = None
    driver_opts: Annotated[Options, Meta(description="Options of the driver.")] | None = None
    ipam: IpamShape | None = None
    internal: Annotated[bool, Meta(description="No way out of the network.")] | None = None
    enable_ipv4: Annotated[bool, Meta(description="Default true (false: Engine 28 or newer).")] | None = None
    enable_ipv6: Annotated[bool, Meta(description="Default false.")] | None = None
    attachable: Annotated[bool, Meta(description="For other containers to join, on Swarm.")] | None = None
    labels: Annotated[Pairs, Meta(description="Labels of the network.")] | None = None
    external: Annotated[bool, Meta(description="It exists already and is never changed.")] | None = None


class VolumeShape(Shape):
    """A volume of the fleet."""

    name: Annotated[str, Meta(description="Name in the engine; default FLEET_KEY.")] | None = None
    driver: Annotated[str, Meta(description="Default local.")] | None = None
    driver_opts: Annotated[Options, Meta(description="Options of the driver.")] | None = None
    labels: Annotated[Pairs, Meta(description="Labels of the volume.")] | None = None
    external: Annotated[bool, Meta(description="It exists already and is never changed.")] | None = None


class FileShape(Shape):
    """A config or secret: a file of the project."""

    file: Annotated[str, Meta(description="The file, within the project.")]


class AddressesShape(Shape):
    """Where the subnets of networks without their own come from."""

    block: Annotated[str, Meta(description="IPv4 block in CIDR notation; default 172.30.0.0/15.")] | None = None
    prefix: (
        Annotated[
            int,
            Meta(ge=8, le=29, description="Prefix length of each subnet; default 22."),
        ]
        | None
    ) = None


class FleetExtension(Shape):
    """What fleetctl knows about the fleet beyond Compose."""

    baseline: (
        Annotated[
            Literal["restricted", "compatible"],
            Meta(description="Security baseline; default restricted."),
        ]
        | None
    ) = None
    addresses: AddressesShape | None = None


class Document(Shape, rename={"x_fleet": "x-fleet"}):
    """A fleet: a strict subset of the Compose Specification with one extension key, x-fleet."""

    services: Annotated[dict[str, ServiceShape], Meta(description="The services, by name.")]
    version: Annotated[str, Meta(description="Obsolete; delete it.")] | None = None
    name: Annotated[str, Meta(description="The fleet's name; default: the directory's.")] | None = None
    networks: Annotated[dict[str, NetworkShape | None], Meta(description="The networks, by key.")] | None = None
    volumes: Annotated[dict[str, VolumeShape | None], Meta(description="The volumes, by key.")] | None = None
    configs: Annotated[dict[str, FileShape], Meta(description="The configs, by name.")] | None = None
    secrets: Annotated[dict[str, FileShape], Meta(description="The secrets, by name.")] | None = None
    x_fleet: FleetExtension | None = None
