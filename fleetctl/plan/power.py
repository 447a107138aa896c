"""Decides how existing replicas are stopped, started and restarted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fleetctl.plan.actions import AwaitReplica, Ref, RestartReplica, StartReplica, StopReplica, UnpauseReplica
from fleetctl.plan.order import is_one_shot
from fleetctl.plan.steps import Draft, Plan
from fleetctl.plan.teardown import steps_of_dependents
from fleetctl.spec.model import Fleet, Service
from fleetctl.state.observed import AT_REST, Observed, Replica


def plan_stop(observed: Observed, services: Sequence[Service], *, grace: float | None = None) -> Plan:
    """Stop the running replicas; a service stops before those it depends on."""
    draft = Draft()
    stopped: dict[str, tuple[str, ...]] = {}
    for service in reversed(services):
        behind = steps_of_dependents(service, services, stopped)
        stopped[service.name] = tuple(
            draft.add(StopReplica(Ref(replica.name, id=replica.id), grace=grace), "stop was asked for", behind=behind)
            for replica in observed.of_service(service.name)
            if replica.state not in AT_REST
        )
    return draft.plan()


def plan_start(fleet: Fleet, observed: Observed, services: Sequence[Service]) -> Plan:
    """Start the replicas that are at rest, wake the paused, and wait until they are ready."""
    draft = Draft()
    before: tuple[str, ...] = ()
    for service in services:
        ready = []
        for replica in observed.of_service(service.name):
            ref = Ref(replica.name, id=replica.id)
            if replica.state in ("created", "exited"):
                step = draft.add(StartReplica(ref), "start was asked for", after=before)
            elif replica.state == "paused":
                step = draft.add(UnpauseReplica(ref), "start was asked for", after=before)
            else:
                continue
            ready.append(
                draft.add(
                    AwaitReplica(ref, service, completed=is_one_shot(fleet, service)),
                    "start was asked for",
                    after=(step,),
                )
            )
        before = tuple(ready) or before
    return draft.plan()


def plan_restart(fleet: Fleet, observed: Observed, services: Sequence[Service], *, grace: float | None = None) -> Plan:
    """Restart replicas one after the other within a service, the next when the one before is ready again."""
    draft = Draft()
    before: tuple[str, ...] = ()
    for service in services:
        for replica in observed.of_service(service.name):
            ref = Ref(replica.name, id=replica.id)
            because = "restart was asked for"
            step = draft.add(RestartReplica(ref, grace=grace), because, after=before)
            awaited = AwaitReplica(ref, service, completed=is_one_shot(fleet, service))
            before = (draft.add(awaited, because, after=(step,)),)
    return draft.plan()


def plan_wait(fleet: Fleet, replicas: Iterable[Replica]) -> Plan:
    """Wait until replicas that run already are ready, all at the same time."""
    draft = Draft()
    for replica in replicas:
        service = fleet.services[replica.service]
        awaited = AwaitReplica(Ref(replica.name, id=replica.id), service, completed=is_one_shot(fleet, service))
        draft.add(awaited, "it does not answer yet")
    return draft.plan()
