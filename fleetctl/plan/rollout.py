"""Decides the order of a rolling replacement, as deploy.update_config asks for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fleetctl.plan.actions import Delay, RenameReplica, Tally
from fleetctl.plan.launch import Outdated, Reached, ServiceWork, plan_launch
from fleetctl.plan.rotation import plan_retreat
from fleetctl.plan.steps import Draft
from fleetctl.plan.subnets import spare_addresses
from fleetctl.plan.teardown import plan_removal
from fleetctl.spec.model import PortMapping, Service
from fleetctl.state.observed import AT_REST, Replica

NEXT = ".next"
"""Ending of a container's name while it waits to take over from the old one of the same number."""


def plan_replacements(draft: Draft, work: ServiceWork, reached: Reached) -> None:
    """Replace the outdated replicas in batches of `parallelism`; a batch begins when the one before it is through.
    With the failure actions `pause` and `rollback` no batch begins once more than `max_failure_ratio` of the replicas
    have failed; `continue` goes on."""
    policy, outdated = work.service.update, reached.outdated
    conflict = why_side_by_side_is_impossible(work, [old.replica for old in outdated])
    stop_first = policy.order == "stop-first" or conflict is not None
    size = policy.parallelism or max(1, len(outdated))
    if conflict is not None and size >= len(outdated) >= work.service.replicas:
        tell_gap(draft, work, outdated, conflict)
    replaced: list[Replacement] = []
    for start in range(0, len(outdated), size):
        after, behind = between_batches(draft, work, replaced) if start else ((), ())
        # The former balancer is there until those that it balances are through.
        after, behind = (*reached.cleared, *after), (*behind, *work.balanced)
        replaced += [
            replace_one(draft, work, old, reached, stop_first=stop_first, after=after, behind=behind)
            for old in outdated[start : start + size]
        ]


def tell_gap(draft: Draft, work: ServiceWork, outdated: Sequence[Outdated], conflict: str) -> None:
    """Say beforehand that nobody will answer for a while, where that is not what the file asks for."""
    service = work.service
    serving = [old.replica.name for old in outdated if old.replica.state not in AT_REST]
    if serving and service.update.order != "stop-first":
        whom = "its successor is" if len(serving) == 1 else "their successors are"
        how = f"stopped before {whom} ready, as {conflict}; {service.name} does not answer meanwhile"
        draft.notices.append(f"{', '.join(serving)}: {how}")


@dataclass(frozen=True, slots=True)
class Replacement:
    """The steps after which the new replica does its work, and after which the old one is gone."""

    serving: str
    last: str


def between_batches(
    draft: Draft, work: ServiceWork, replaced: Sequence[Replacement]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The `after` and `behind` of a batch that comes when those before it have been `replaced`."""
    policy, key = work.service.update, f"services.{work.service.name}.deploy.update_config"
    last = tuple(one.last for one in replaced)
    after, behind = last, tuple[str, ...]()
    if policy.failure_action == "continue":
        after, behind = (), last
    elif tolerated(work.service):
        serving = tuple(one.serving for one in replaced)
        tally = Tally(work.service.name, work.service.replicas, tolerated(work.service), serving)
        after = (draft.add(tally, f"{key}.max_failure_ratio", behind=last),)
    if policy.delay:
        after, behind = (draft.add(Delay(policy.delay), f"{key}.delay", after=after, behind=behind),), ()
    return after, behind


def tolerated(service: Service) -> int:
    """How many replicas may fail in an update before it ends."""
    return math.floor(service.update.max_failure_ratio * service.replicas + ROUNDING)


ROUNDING = 1e-9
"""So that 0.29 of 100 replicas are 29."""


def replace_one(
    draft: Draft,
    work: ServiceWork,
    old: Outdated,
    reached: Reached,
    *,
    stop_first: bool,
    after: tuple[str, ...] = (),
    behind: tuple[str, ...] = (),
) -> Replacement:
    """Add the steps that put a new container in the place of an old one, which is gone before where `stop_first`."""
    replica, because, grace = old.replica, old.because, work.wishes.grace
    name, monitor = work.container_name(replica.number), work.service.update.monitor
    after = (*after, *old.after)
    if stop_first or replica.state in AT_REST:
        gone = plan_removal(draft, replica, because, grace=grace, after=after, behind=behind, pools=work.pools)
        launch = plan_launch(draft, work, replica.number, because, after=(gone,), monitor=monitor)
        reached.started.append(launch.start)
        reached.ready.append(launch.ready)
        return Replacement(launch.serving, launch.serving)
    temporary = name if replica.name != name else name + NEXT
    launch = plan_launch(
        draft, work, replica.number, because, after=after, behind=behind, container_name=temporary, monitor=monitor
    )
    reached.started.append(launch.start)
    stays = f"it did not become ready; {replica.name} stays"
    plan_retreat(draft, work.pools, work.label(replica.number), launch.replica, launch.trials, stays)
    # Those that took over before may have died since.
    least = work.service.replicas
    last = plan_removal(draft, replica, because, grace=grace, after=(launch.serving,), pools=work.pools, least=least)
    if temporary != name:
        last = draft.add(RenameReplica(launch.replica, name), because, after=(last,))
    reached.ready.append(last)
    return Replacement(launch.serving, last)


def why_side_by_side_is_impossible(work: ServiceWork, outdated: Sequence[Replica]) -> str | None:
    """What old and new would fight for; None where they can exist at the same time."""
    service = work.service
    for port in service.ports:
        if port.published is not None:
            first, last = port.published
            held = sum(holds_port(replica, port) for replica in outdated)
            if last - first + 1 < service.replicas + min(surge(service), held):
                return f"both would need host port {first if first == last else f'{first}-{last}'}"
    for key, membership in service.networks.items():
        if membership.ipv4_address and any(holds_address(replica, membership.ipv4_address) for replica in outdated):
            return f"both would need the address {membership.ipv4_address}"
        if surge(service) > spare_addresses(work.fleet, work.fleet.networks[key]):
            return f"network {key} has no address to spare"
    return None


def holds_port(replica: Replica, port: PortMapping) -> bool:
    """Whether it has, or comes to have again, a host port of this mapping."""
    if replica.state not in ("running", "paused"):
        return replica.state not in AT_REST
    first, last = port.published or (0, 0)
    held = (one.host_port for one in replica.ports if one.protocol == port.protocol)
    return any(first <= number <= last for number in held if number is not None)


def holds_address(replica: Replica, address: str) -> bool:
    return any(endpoint.ipv4 in (address, None) for endpoint in replica.endpoints.values())


def surge(service: Service) -> int:
    """How many replicas more than wanted exist while the service is updated start-first."""
    return min(service.update.parallelism or service.replicas, service.replicas)
