"""The shapes of deploy: replicas, updates, restarts, limits."""

# Annotations are read at run time, so they must be real objects: no `from __future__ import annotations`.
from typing import Annotated, Literal

from msgspec import Meta

from fleetctl.spec.compose_values import Duration, Memory, Pairs, Processors, Shape


class RolloutShape(Shape):
    """How replicas are replaced, by a new release or by the previous one."""

    parallelism: Annotated[int, Meta(ge=0, description="Replicas replaced at a time, default 1; 0 is all.")] | None = (
        None
    )
    delay: Annotated[Duration, Meta(description="Pause between two groups; default 0s.")] | None = None
    order: (
        Annotated[
            Literal["start-first", "stop-first"],
            Meta(description="start-first (the default): the new one is ready before the old one stops."),
        ]
        | None
    ) = None
    monitor: (
        Annotated[
            Duration,
            Meta(description="How long a new replica is watched, once it is ready, before the next; default 0s."),
        ]
        | None
    ) = None
    max_failure_ratio: (
        Annotated[
            float,
            Meta(ge=0, le=1, description="Share of the replicas that may fail before failure_action; default 0."),
        ]
        | None
    ) = None


class UpdateShape(RolloutShape):
    """How a changed service is replaced."""

    failure_action: (
        Annotated[
            Literal["pause", "continue", "rollback"],
            Meta(description="After too many failures; pause (the default) leaves what is done."),
        ]
        | None
    ) = None


class RollbackShape(RolloutShape):
    """How a service gets its previous release back."""

    failure_action: (
        Annotated[
            Literal["pause", "continue"],
            Meta(description="After too many failures; pause (the default) leaves what is done."),
        ]
        | None
    ) = None


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
    memory: Annotated[Memory, Meta(description="Memory.")] | None = None
    pids: Annotated[int, Meta(ge=1, description="Processes and threads.")] | None = None


class ReservationsShape(Shape):
    """What one replica should have at least."""

    memory: Annotated[Memory, Meta(description="Memory kept free when the host runs short.")] | None = None


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
    rollback_config: RollbackShape | None = None
    restart_policy: RestartPolicyShape | None = None
    resources: ResourcesShape | None = None
