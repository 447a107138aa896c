"""Decides in which order a fleet, or a part of it, is taken down, stopped, started or restarted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fleetctl.plan.actions import (
    Ref,
    RemoveImage,
    RemoveNetwork,
    RemoveReplica,
    RemoveVolume,
    StopReplica,
)
from fleetctl.plan.rotation import Pools, plan_leave
from fleetctl.plan.steps import Draft, Plan
from fleetctl.spec.model import Service
from fleetctl.state.observed import AT_REST, Observed, Replica


def plan_teardown(
    observed: Observed,
    services: Sequence[Service] = (),
    *,
    volumes: bool = False,
    images: Iterable[str] = (),
    grace: float | None = None,
) -> Plan:
    """Stop and remove every replica, then the fleet's networks, on request its volumes and the given images. A service
    of `services` (dependencies first) goes before those it depends on. Idempotent: what is gone is not named."""
    draft = Draft()
    because = "down was asked for"
    removed: dict[str, tuple[str, ...]] = {}
    known = {service.name for service in services}
    after = [
        plan_removal(draft, replica, because, grace=grace)
        for replica in observed.replicas
        if replica.service not in known
    ]
    for service in reversed(services):
        behind = steps_of_dependents(service, services, removed)
        removed[service.name] = tuple(
            plan_removal(draft, replica, because, grace=grace, behind=behind)
            for replica in observed.of_service(service.name)
        )
        after += removed[service.name]
    for network in observed.own_networks():
        # After all removals, whether they worked or not: a network that is still used refuses by itself.
        draft.add(RemoveNetwork(Ref(network.name, id=network.id)), because, behind=tuple(after))
    if volumes:
        for volume in observed.volumes:
            if volume.fleet == observed.fleet:
                draft.add(RemoveVolume(volume.name), "--volumes was asked for", behind=tuple(after))
    for reference in images:
        draft.add(RemoveImage(reference), "--rmi was asked for", behind=tuple(after))
    return draft.plan()


def steps_of_dependents(
    service: Service, services: Iterable[Service], steps: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """The steps noted for the services that depend on this one or balance it."""
    return tuple(
        step
        for other in services
        if service.name in other.depends_on or any(balance.service == service.name for balance in other.balance)
        for step in steps.get(other.name, ())
    )


def plan_removal(
    draft: Draft,
    replica: Replica,
    because: str,
    *,
    grace: float | None = None,
    after: tuple[str, ...] = (),
    behind: tuple[str, ...] = (),
    pools: Pools = (),
    least: int = 0,
) -> str:
    """Add the steps that take one replica out of rotation as plan_leave does, stop (unless at rest) and remove it;
    returns the id of the last."""
    target = Ref(replica.name, id=replica.id)
    after, behind = plan_leave(draft, pools, replica, because, after=after, behind=behind, least=least)
    if replica.state not in AT_REST:
        stop = draft.add(StopReplica(target, grace=grace), because, after=after, behind=behind)
        after, behind = (stop,), ()
    return draft.add(RemoveReplica(target), because, after=after, behind=behind)
