"""Decides the order of a rolling replacement, as deploy.update_config asks for."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from fleetctl.plan.actions import Delay, RemoveReplica, RenameReplica, StopReplica, Tally
from fleetctl.plan.kept import lost_network
from fleetctl.plan.launch import Launch, Outdated, Reached, ServiceWork, plan_comeback, plan_launch, ref
from fleetctl.plan.order import is_one_shot
from fleetctl.plan.rotation import UNREADY, plan_leave, plan_retreat
from fleetctl.plan.steps import Draft
from fleetctl.plan.subnets import spare_addresses
from fleetctl.plan.teardown import plan_removal
from fleetctl.spec.model import PortMapping, Service
from fleetctl.state.observed import ANYWHERE, AT_REST, STOPPED_BY_SIGNAL, Replica

NEXT = ".next"
"""Ending of a container's name while it waits to take over from the old one of the same number."""


def plan_replacements(
    draft: Draft, work: ServiceWork, reached: Reached, others: Sequence[Replica], surges: dict[str, int]
) -> None:
    """Replace the outdated replicas in batches of `parallelism`; a batch begins when the one before it is through.
    `others` are the replicas of other services; `surges` is how many more than wanted exist while each service that
    was planned before is updated, to which this one is added; one of which nothing is outdated is not in it.
    With the failure actions `pause` and `rollback` no batch begins once more than `max_failure_ratio` of the replicas
    have failed; `continue` goes on."""
    policy, outdated = work.service.update, reached.outdated
    if not outdated:
        return
    olds = [old.replica for old in outdated]
    conflict = why_side_by_side_is_impossible(work, olds, others, surges)
    # Who is at rest goes first: that costs nobody an answer.
    outdated = sorted(outdated, key=lambda old: old.replica.state not in AT_REST)
    size = policy.parallelism or len(outdated)
    stop_first = policy.order == "stop-first" or conflict is not None
    surges[work.service.name] = 0 if stop_first else surge(work.service, olds)
    if policy.order != "stop-first" and conflict is not None:
        tell_gap(draft, work, olds, size, conflict)
    # Before one of ours is stopped those come that are missing, or mended.
    first = tuple(reached.ready) if stop_first else ()
    replaced: list[Replacement] = []
    for start in range(0, len(outdated), size):
        after, behind = between_batches(draft, work, replaced) if start else ((), ())
        # The former balancer is there until those that it balances are through.
        after, behind = (*reached.cleared, *after), (*behind, *work.balanced, *first)
        for old in outdated[start : start + size]:
            turn = Turn(old, after=(*after, *old.after), behind=behind)
            stopped = was_stopped(work, old.replica)
            if old.replica.state in AT_REST and not stopped:
                replaced.append(replace_removed(draft, work, turn, reached))
            elif stop_first or stopped:
                replaced.append(replace_stopped(draft, work, turn, reached))
            else:
                replaced.append(replace_running(draft, work, turn, reached))


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
    """The steps after which the new replica does its work, and after which the old one is gone; `settled` are those
    after which one of them serves, whichever that is."""

    serving: str
    last: str
    settled: tuple[str, ...]


def between_batches(
    draft: Draft, work: ServiceWork, replaced: Sequence[Replacement]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The `after` and `behind` of a batch that comes when those before it have been `replaced`."""
    policy, key = work.service.update, f"services.{work.service.name}.deploy.update_config"
    after, behind = tuple(one.last for one in replaced), tuple[str, ...]()
    settled = tuple(step for one in replaced for step in one.settled)
    if policy.failure_action == "continue":
        after, behind = (), settled
    elif tolerated(work.service):
        serving = tuple(one.serving for one in replaced)
        tally = Tally(work.service.name, work.service.replicas, tolerated(work.service), serving)
        after = (draft.add(tally, f"{key}.max_failure_ratio", behind=settled),)
    if policy.delay:
        after, behind = (draft.add(Delay(policy.delay), f"{key}.delay", after=after, behind=behind),), ()
    return after, behind


def tolerated(service: Service) -> int:
    """How many replicas may fail in an update before it ends."""
    return math.floor(service.update.max_failure_ratio * service.replicas + ROUNDING)


ROUNDING = 1e-9
"""So that 0.29 of 100 replicas are 29."""


@dataclass(frozen=True, slots=True)
class Turn:
    """An outdated replica whose turn it is, and the steps before it."""

    old: Outdated
    after: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()


def replace_running(draft: Draft, work: ServiceWork, turn: Turn, reached: Reached) -> Replacement:
    """Add the steps that put a new container in the place of an old one, which serves until the new one does."""
    replica, because = turn.old.replica, turn.old.because
    launch = plan_successor(draft, work, turn, reached, after=turn.after, behind=turn.behind)
    stays = f"{UNREADY}; {replica.name} stays"
    plan_retreat(draft, work.pools, work.label(replica.number), launch.replica, launch.trials, stays)
    grace, least = work.wishes.grace, work.service.replicas  # those that took over before may have died since
    gone = plan_removal(draft, replica, because, grace=grace, after=(launch.serving,), pools=work.pools, least=least)
    return plan_succession(draft, work, turn, launch, reached, gone)


def replace_stopped(draft: Draft, work: ServiceWork, turn: Turn, reached: Reached) -> Replacement:
    """The same where the old one is stopped before the new one starts, or was stopped. It is there until the new one
    serves: where that fails it is started again."""
    replica, because, pools = turn.old.replica, turn.old.because, work.pools
    label = work.label(replica.number)
    # It serves while its successor has to wait.
    before = (*work.after, *turn.after) if replica.state == "running" else turn.after
    first = len(draft.steps)
    after, behind = plan_leave(draft, pools, replica, because, after=before, behind=turn.behind)
    if replica.state not in AT_REST:
        stop = StopReplica(ref(replica), grace=work.wishes.grace)
        after, behind = (draft.add(stop, because, after=after, behind=behind),), ()
    leaving = tuple(step.id for step in draft.steps[first:])
    launch = plan_successor(draft, work, turn, reached, after=after, behind=behind)
    gives_way = f"{UNREADY}; {replica.name} is started again"
    removed = plan_retreat(draft, pools, label, launch.replica, launch.trials, gives_way)
    failed = (*leaving, launch.create, *launch.before_start, launch.start, *launch.trials)
    again = plan_comeback(draft, work, replica, failed=failed, behind=(*failed, launch.cleared, removed))
    gone = draft.add(RemoveReplica(ref(replica)), because, after=(launch.serving,))
    replacement = plan_succession(draft, work, turn, launch, reached, gone)
    return replace(replacement, settled=(*replacement.settled, *again))


def replace_removed(draft: Draft, work: ServiceWork, turn: Turn, reached: Reached) -> Replacement:
    """The same where the old one is of no use any more."""
    replica, because, grace = turn.old.replica, turn.old.because, work.wishes.grace
    gone = plan_removal(draft, replica, because, grace=grace, after=turn.after, behind=turn.behind, pools=work.pools)
    launch = plan_launch(draft, work, replica.number, because, after=(gone,), monitor=work.service.update.monitor)
    reached.started.append(launch.start)
    reached.ready.append(launch.ready)
    return Replacement(launch.serving, launch.serving, (launch.serving,))


def was_stopped(work: ServiceWork, replica: Replica) -> bool:
    """Whether it is at rest because it was asked to end, say by an update that was broken off, and would start again.
    One that has crashed is of no use."""
    ended = replica.state == "exited" and replica.exit_code in STOPPED_BY_SIGNAL
    return ended and lost_network(work, replica) is None and not is_one_shot(work.fleet, work.service)


def plan_successor(
    draft: Draft,
    work: ServiceWork,
    turn: Turn,
    reached: Reached,
    *,
    after: tuple[str, ...],
    behind: tuple[str, ...] = (),
) -> Launch:
    """Add the steps that bring a container to life beside the old one, under another name."""
    replica = turn.old.replica
    launch = plan_launch(
        draft,
        work,
        replica.number,
        turn.old.because,
        after=after,
        behind=behind,
        container_name=names(work, replica)[1],
        monitor=work.service.update.monitor,
    )
    reached.started.append(launch.start)
    return launch


def plan_succession(
    draft: Draft, work: ServiceWork, turn: Turn, launch: Launch, reached: Reached, gone: str
) -> Replacement:
    """Add the step that gives the new container its name once the old one is `gone`."""
    name, temporary = names(work, turn.old.replica)
    last = gone
    if temporary != name:
        last = draft.add(RenameReplica(launch.replica, name), turn.old.because, after=(gone,))
    reached.ready.append(last)
    return Replacement(launch.serving, last, (last,))


def names(work: ServiceWork, old: Replica) -> tuple[str, str]:
    """What a replica's container is called in the end, and what its successor is called beside the old one."""
    name = work.container_name(old.number)
    return name, name if old.name != name else name + NEXT


def why_side_by_side_is_impossible(
    work: ServiceWork, outdated: Sequence[Replica], others: Sequence[Replica], surges: Mapping[str, int]
) -> str | None:
    """What the new replicas would fight for with the outdated ones, with those of `others`, or with the new ones of
    services that are updated at the same time, as `surges` tells; None where all can exist at the same time."""
    service, services = work.service, work.fleet.services
    through = awaited(service, services, surges)
    meanwhile = {name: count for name, count in surges.items() if name not in through}
    for port in service.ports:
        # What others hold and keep is not to be had by stopping ours.
        if is_short_of(port, service, outdated, others) and not is_short_of(port, service, (), others):
            first, last = port.published or (0, 0)
            return f"both would need host port {first if first == last else f'{first}-{last}'}"
    for key, membership in service.networks.items():
        address, network = membership.ipv4_address, work.network_refs[key].name
        if address and any(is_unsettled(one) or holds_address(one, network, address) for one in outdated):
            return f"both would need the address {address}"
        more = sum(count for name, count in meanwhile.items() if key in services[name].networks)
        if surge(service, outdated) + more > spare_addresses(work.fleet, work.fleet.networks[key]):
            return f"network {key} has no address to spare"
    return None


def is_short_of(port: PortMapping, service: Service, outdated: Sequence[Replica], others: Sequence[Replica]) -> bool:
    """Whether there are too few host ports for its replicas, old and new at the same time, and those of `others`."""
    if port.published is None:
        return False
    first, last = port.published
    held = sum(is_unsettled(replica) or holds_port(replica, port) for replica in outdated)
    by_others = sum(holds_port(replica, port) for replica in others)
    return last - first + 1 < service.replicas + min(surge(service, outdated), held) + by_others


def is_unsettled(replica: Replica) -> bool:
    """Whether it comes to have its ports and addresses again, which the engine does not show meanwhile."""
    return replica.state == "restarting"


def holds_port(replica: Replica, port: PortMapping) -> bool:
    """Whether it has a host port of this mapping."""
    first, last = port.published or (0, 0)
    return replica.state not in AT_REST and any(
        first <= one.host_port <= last
        and one.protocol == port.protocol
        and (one.host_ip == port.host_ip or one.host_ip in ANYWHERE or port.host_ip in ANYWHERE)
        for one in replica.ports
        if one.host_port is not None
    )


def holds_address(replica: Replica, network_name: str, address: str) -> bool:
    endpoint = replica.endpoints.get(network_name)
    return replica.state not in AT_REST and endpoint is not None and endpoint.ipv4 == address


def awaited(service: Service, services: Mapping[str, Service], updated: Collection[str]) -> set[str]:
    """The names of those services whose update is through before that of this one begins. Who waits for one that is
    `updated` itself, if only for its start, waits for what that one has waited for. A balancer's update begins even
    where those that it balances failed: then what they waited for may still be cleared up."""
    found: set[str] = set()
    queue, seen = [service], {service.name}
    while queue:
        one = queue.pop()
        found |= {balance.service for balance in one.balance}
        for name, dependency in one.depends_on.items():
            if dependency.condition != "service_started":
                found.add(name)
            if name in updated and name not in seen:
                seen.add(name)
                queue.append(services[name])
    return found


def surge(service: Service, outdated: Sequence[Replica]) -> int:
    """How many replicas more than wanted exist while the outdated ones are replaced start-first."""
    alive = sum(replica.state not in AT_REST for replica in outdated)
    return min(service.update.parallelism or alive, alive)
