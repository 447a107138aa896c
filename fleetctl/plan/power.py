"""Decides how existing replicas are stopped, started and restarted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fleetctl.plan.actions import (
    AwaitReplica,
    ConfigureBalancer,
    RestartReplica,
    StartReplica,
    StopReplica,
    UnpauseReplica,
)
from fleetctl.plan.launch import ref
from fleetctl.plan.order import is_one_shot
from fleetctl.plan.rotation import Rotations, plan_entry, plan_leave
from fleetctl.plan.steps import Draft, Plan
from fleetctl.plan.teardown import steps_of_dependents
from fleetctl.spec.model import Fleet, Service
from fleetctl.state.observed import AT_REST, Observed, Replica


def plan_stop(fleet: Fleet, observed: Observed, services: Sequence[Service], *, grace: float | None = None) -> Plan:
    """Stop the running replicas, out of rotation first; a service stops before those it depends on, a balancer before
    those it balances."""
    draft = Draft()
    leaving = {replica.id for service in services for replica in observed.of_service(service.name)}
    rotations = Rotations(fleet, observed, leaving)
    stopped: dict[str, tuple[str, ...]] = {}
    because = "stop was asked for"
    for service in reversed(services):
        dependents, steps = steps_of_dependents(service, services, stopped), []
        for replica in observed.of_service(service.name):
            if replica.state not in AT_REST:
                pools = rotations.pools(service.name)
                after, behind = plan_leave(draft, pools, replica, because, behind=dependents)
                steps.append(draft.add(StopReplica(ref(replica), grace=grace), because, after=after, behind=behind))
        stopped[service.name] = tuple(steps)
    return draft.plan()


def plan_start(fleet: Fleet, observed: Observed, services: Sequence[Service]) -> Plan:
    """Start the replicas that are at rest, wake the paused, wait until they are ready, and bring them into rotation."""
    draft = Draft()
    rotations = Rotations(fleet, observed)
    before: tuple[str, ...] = ()
    because = "start was asked for"
    for service in services:
        ready: list[str] = []
        for replica in observed.of_service(service.name):
            if replica.state in ("created", "exited"):
                after = before
                if service.balance:
                    after = (draft.add(ConfigureBalancer(ref(replica), service.balance), because, after=before),)
                step = draft.add(StartReplica(ref(replica)), because, after=after)
            elif replica.state == "paused":
                step = draft.add(UnpauseReplica(ref(replica)), because, after=before)
            else:
                continue
            ready += await_and_enter(draft, fleet, rotations, service, replica, because, after=step)
        before = tuple(ready) or before
    return draft.plan()


def plan_restart(fleet: Fleet, observed: Observed, services: Sequence[Service], *, grace: float | None = None) -> Plan:
    """Restart replicas one after the other within a service, the next when the one before is ready again; where they
    are balanced, out of rotation and back into it."""
    draft = Draft()
    rotations = Rotations(fleet, observed)
    before: tuple[str, ...] = ()
    because = "restart was asked for"
    for service in services:
        replicas = observed.of_service(service.name)
        # Whoever comes before it in the order is ready again by then.
        if [one for one in replicas if one.state == "running"] == [*replicas[:1]] and (service.http or service.balance):
            alone = f"{replicas[0].name} serves alone: {service.name} does not answer until it is ready again"
            draft.notices.append(alone)
        for replica in replicas:
            after, _ = plan_leave(draft, rotations.pools(service.name), replica, because, after=before)
            if service.balance and replica.state != "running":
                # What it was told last is from when it ran: those whom it would ask may be gone since.
                after = (draft.add(ConfigureBalancer(ref(replica), service.balance), because, after=after),)
            step = draft.add(RestartReplica(ref(replica), grace=grace), because, after=after)
            before = await_and_enter(draft, fleet, rotations, service, replica, because, after=step)
    return draft.plan()


def await_and_enter(
    draft: Draft, fleet: Fleet, rotations: Rotations, service: Service, replica: Replica, because: str, *, after: str
) -> tuple[str, ...]:
    """Add the steps that wait for a replica and bring it into rotation; returns those after which it does its work."""
    woken = replica.state == "paused"
    awaited = AwaitReplica(ref(replica), service, completed=is_one_shot(fleet, service), woken=woken)
    ready = (draft.add(awaited, because, after=(after,)),)
    pools = rotations.pools(service.name)
    return plan_entry(draft, pools, replica.label, ref(replica), because, after=ready) or ready


def plan_wake(fleet: Fleet, replicas: Iterable[Replica]) -> Plan:
    """Wake replicas that are paused, whatever else is to become of them, and wait until they are ready."""
    draft = Draft()
    for replica in replicas:
        woken = draft.add(UnpauseReplica(ref(replica)), "it is paused")
        draft.add(
            AwaitReplica(ref(replica), fleet.services[replica.service], woken=True), "it is paused", after=(woken,)
        )
    return draft.plan()


def plan_wait(fleet: Fleet, replicas: Iterable[Replica]) -> Plan:
    """Wait until replicas that run already are ready, all at the same time."""
    draft = Draft()
    for replica in replicas:
        service = fleet.services[replica.service]
        awaited = AwaitReplica(ref(replica), service, completed=is_one_shot(fleet, service))
        draft.add(awaited, "it does not answer yet")
    return draft.plan()
