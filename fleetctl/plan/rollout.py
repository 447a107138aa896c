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
from fleetctl.state.observed import ANYWHERE, AT_REST, Replica

NEXT = ".next"
"""Ending of a container's name while it waits to take over from the old one of the same number."""


def plan_replacements(draft: Draft, work: ServiceWork, reached: Reached, others: Sequence[Replica] = ()) -> None:
    """Replace the outdated replicas in batches of `parallelism`; a batch begins when the one before it is through.
    `others` are the replicas of other services.
    With the failure actions `pause` and `rollback` no batch begins once more than `max_failure_ratio` of the replicas
    have failed; `continue` goes on."""
    policy, outdated = work.service.update, reached.outdated
    conflict = why_side_by_side_is_impossible(work, [old.replica for old in outdated], others)
    stop_first = policy.order == "stop-first" or conflict is not None
    size = policy.parallelism or max(1, len(outdated))
    if conflict is not None and policy.order != "stop-first":
        tell_gap(draft, work, [old.replica for old in outdated], size, conflict)
    replaced: list[Replacement] = []
    for start in range(0, len(outdated), size):
        after, behind = between_batches(draft, work, replaced) if start else ((), ())
        # The former balancer is there until those that it balances are through.
        after, behind = (*reached.cleared, *after), (*behind, *work.balanced)
        replaced += [
            replace_one(draft, work, old, reached, stop_first=stop_first, after=after, behind=behind)
            for old in outdated[start : start + size]
        ]


def tell_gap(draft: Draft, work: ServiceWork, outdated: Sequence[Replica], size: int, conflict: str) -> None:
    """Say beforehand that nobody will answer for a while: where all that serve are outdated, and stopped at once."""
    serving = [replica.name for replica in outdated if replica.state == "running"]
    together = all(replica.state != "running" for replica in outdated[size:])
    if serving and together and len(outdated) >= work.service.replicas:
        whom = "its successor is" if len(serving) == 1 else "their successors are"
        how = f"stopped before {whom} ready, as {conflict}; {work.service.name} does not answer meanwhile"
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


def why_side_by_side_is_impossible(
    work: ServiceWork, outdated: Sequence[Replica], others: Sequence[Replica]
) -> str | None:
    """What the new replicas would fight for with the outdated ones, or with those of `others`, which may themselves
    wait for what one of ours holds; None where all can exist at the same time."""
    service = work.service
    for port in service.ports:
        if port.published is not None:
            first, last = port.published
            held = sum(holds_port(replica, port) for replica in outdated)
            wanted = service.replicas + min(surge(service), held) + sum(holds_port(replica, port) for replica in others)
            if last - first + 1 < wanted:
                return f"both would need host port {first if first == last else f'{first}-{last}'}"
    for key, membership in service.networks.items():
        address, network = membership.ipv4_address, work.network_refs[key].name
        if address and any(holds_address(replica, network, address) for replica in (*outdated, *others)):
            return f"both would need the address {address}"
        if surge(service) > spare_addresses(work.fleet, work.fleet.networks[key]):
            return f"network {key} has no address to spare"
    return None


def holds_port(replica: Replica, port: PortMapping) -> bool:
    """Whether it has, or comes to have again, a host port of this mapping."""
    if replica.state not in SHOWN:
        return replica.state not in AT_REST
    first, last = port.published or (0, 0)
    return any(
        first <= one.host_port <= last
        and one.protocol == port.protocol
        and (one.host_ip == port.host_ip or one.host_ip in ANYWHERE or port.host_ip in ANYWHERE)
        for one in replica.ports
        if one.host_port is not None
    )


def holds_address(replica: Replica, network_name: str, address: str) -> bool:
    """Whether it has, or comes to have again, this address."""
    endpoint = replica.endpoints.get(network_name)
    if endpoint is None or replica.state in AT_REST:
        return False
    return endpoint.ipv4 == address if replica.state in SHOWN else endpoint.ipv4 in (address, None)


SHOWN = ("running", "paused")
"""The states in which the engine shows what ports and addresses a container has."""


def surge(service: Service) -> int:
    """How many replicas more than wanted exist while the service is updated start-first."""
    return min(service.update.parallelism or service.replicas, service.replicas)
