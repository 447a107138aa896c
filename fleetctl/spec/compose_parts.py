"""The shapes of what a service is made of: build, ports, mounts, health check and the like."""

# Annotations are read at run time, so they must be real objects: no `from __future__ import annotations`.
from typing import Annotated, Literal

from msgspec import Meta

from fleetctl.spec.compose_values import Bytes, Duration, Options, Pairs, Port, Shape


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
            Meta(description="Only false: to restart with the dependency is not yet supported."),
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
