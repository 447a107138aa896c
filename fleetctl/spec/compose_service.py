"""The shape of a service, with its x-fleet."""

# Annotations are read at run time, so they must be real objects: no `from __future__ import annotations`.
from typing import Annotated, Literal

from msgspec import Meta

from fleetctl.spec.compose_deploy import DeployShape
from fleetctl.spec.compose_parts import (
    BuildShape,
    DependencyShape,
    EnvFileShape,
    FileMountShape,
    HealthcheckShape,
    LoggingShape,
    MembershipShape,
    MountShape,
    PortShape,
    UlimitShape,
)
from fleetctl.spec.compose_values import Command, Duration, Pairs, Port, Shape


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


class BalanceShape(Shape):
    """One service behind a balancer."""

    service: Annotated[str, Meta(description="The service whose replicas answer.")]
    port: Annotated[Port, Meta(description="The balancer's own port; default 8080.")] | None = None
    target_port: (
        Annotated[Port, Meta(description="The replicas' port; default: x-fleet.http.port of theirs.")] | None
    ) = None
    health_path: (
        Annotated[str, Meta(description="What a healthy replica answers; default: x-fleet.http.health_path, else /.")]
        | None
    ) = None
    host: (
        Annotated[str, Meta(description="Only requests whose Host header names this; one a port may be without.")]
        | None
    ) = None
    algorithm: (
        Annotated[
            Literal["roundrobin", "leastconn", "random"],
            Meta(description="How a replica is chosen; default roundrobin."),
        ]
        | None
    ) = None
    retries: (
        Annotated[int, Meta(ge=0, le=10, description="How often a failed request is sent elsewhere; default 3.")] | None
    ) = None
    drain_timeout: (
        Annotated[Duration, Meta(description="Time for a leaving replica to finish its requests; default 30s.")] | None
    ) = None
    timeout: Annotated[Duration, Meta(description="Time that an answer may take; default 60s.")] | None = None


class ServiceExtension(Shape):
    """What fleetctl knows about a service beyond Compose."""

    http: (
        Annotated[
            Port | HttpShape,
            Meta(description="How to talk HTTP to it; a bare number is the port."),
        ]
        | None
    ) = None
    balance: (
        Annotated[
            BalanceShape | list[BalanceShape],
            Meta(description="Makes it a balancer: the service, or list of services, that it sends requests to."),
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
