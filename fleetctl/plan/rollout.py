"""Decides the order of a rolling replacement, as deploy.update_config asks for."""

from __future__ import annotations

from fleetctl.plan.actions import Delay, RemoveReplica, RenameReplica
from fleetctl.plan.launch import Outdated, Reached, ServiceWork, plan_launch
from fleetctl.plan.steps import Draft
from fleetctl.plan.subnets import spare_addresses
from fleetctl.plan.teardown import plan_removal
from fleetctl.spec.model import Service
from fleetctl.state.observed import AT_REST

NEXT = ".next"
"""Ending of a container's name while it waits to take over from the old one of the same number."""


def plan_replacements(draft: Draft, work: ServiceWork, reached: Reached) -> None:
    """Replace the outdated replicas in batches of `parallelism`; a batch begins when the one before it is through.
    The failure action `pause` stops there; `continue` goes on with the next batch."""
    policy = work.service.update
    outdated = reached.outdated
    size = policy.parallelism or max(1, len(outdated))
    carry_on = policy.failure_action == "continue"
    before: tuple[str, ...] = tuple(reached.cleared)
    for start in range(0, len(outdated), size):
        after, behind = ((), before) if carry_on else (before, ())
        if start and policy.delay:
            because = f"services.{work.service.name}.deploy.update_config.delay"
            after, behind = (draft.add(Delay(policy.delay), because, after=after, behind=behind),), ()
        before = tuple(
            replace_one(draft, work, old, reached, after=after, behind=behind) for old in outdated[start : start + size]
        )


def replace_one(
    draft: Draft,
    work: ServiceWork,
    old: Outdated,
    reached: Reached,
    *,
    after: tuple[str, ...] = (),
    behind: tuple[str, ...] = (),
) -> str:
    """Add the steps that put a new container in the place of an old one; returns the id of the last."""
    replica, because, grace = old.replica, old.because, work.wishes.grace
    name = work.container_name(replica.number)
    monitor = work.service.update.monitor
    after = (*after, *old.after)
    if must_stop_first(work) or replica.state in AT_REST:
        gone = plan_removal(draft, replica, because, grace=grace, after=after, behind=behind)
        launch = plan_launch(draft, work, replica.number, because, after=(gone,), monitor=monitor)
        reached.started.append(launch.start)
        reached.ready.append(launch.ready)
        return launch.ready
    temporary = name if replica.name != name else name + NEXT
    launch = plan_launch(
        draft,
        work,
        replica.number,
        because,
        after=after,
        behind=behind,
        container_name=temporary,
        monitor=monitor,
    )
    reached.started.append(launch.start)
    draft.add(
        RemoveReplica(launch.replica),
        f"it did not become ready; {replica.name} stays",
        behind=(launch.ready,),
        only_if_failed=launch.ready,
    )
    last = plan_removal(draft, replica, because, grace=grace, after=(launch.ready,))
    if temporary != name:
        last = draft.add(RenameReplica(launch.replica, name), because, after=(last,))
    reached.ready.append(last)
    return last


def must_stop_first(work: ServiceWork) -> bool:
    """Whether old and new cannot exist side by side: the file says so, or they would fight for a host port or an
    address."""
    service = work.service
    most = service.replicas + surge(service)
    few_ports = any(
        port.published is not None and port.published[1] - port.published[0] + 1 < most for port in service.ports
    )
    fixed_address = any(membership.ipv4_address for membership in service.networks.values())
    few_addresses = any(
        surge(service) > spare_addresses(work.fleet, work.fleet.networks[key]) for key in service.networks
    )
    return service.update.order == "stop-first" or few_ports or fixed_address or few_addresses


def surge(service: Service) -> int:
    """How many replicas more than wanted exist while the service is updated start-first."""
    return min(service.update.parallelism or service.replicas, service.replicas)
