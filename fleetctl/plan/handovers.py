"""Decides who goes first where a service is to have a host port or an address that a replica of another one holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from fleetctl.plan.actions import RemoveReplica, StartReplica, StopReplica
from fleetctl.plan.kept import replacement_reason
from fleetctl.plan.launch import Launch, ServiceWork, plan_comeback, ref
from fleetctl.plan.order import find_orphans, orphaned
from fleetctl.plan.rollout import holds_address, holds_port, is_short_of
from fleetctl.plan.rotation import UNREADY, Rotations, plan_leave, plan_retreat
from fleetctl.plan.steps import Draft
from fleetctl.state.observed import AT_REST, Replica


@dataclass(frozen=True, slots=True)
class Holder:
    """A replica that has what a service of another name is to have, and why it goes itself."""

    replica: Replica
    held: str
    because: str


@dataclass(frozen=True, slots=True)
class Handovers:
    """The services, whoever holds something before whoever is to have it; by service the ids of the replicas of others
    that hold what it is to have, and may go; and those of them that go, but cannot come before it in that order."""

    order: Sequence[str]
    holders: Mapping[str, Collection[str]]
    giving_way: Mapping[str, Sequence[Holder]]

    def steps(self, draft: Draft, service_name: str) -> list[str]:
        """The steps so far that remove whoever holds what the service is to have."""
        removals = draft.removals()
        return [removals[one] for one in self.holders.get(service_name, ()) if one in removals]


def find_handovers(works: Mapping[str, ServiceWork], rotations: Rotations) -> Handovers:
    """Who holds what others are to have. `works` are by service, in the order of planning."""
    observed = rotations.observed
    # A balancer comes after those that it balances.
    before = {
        name: works.keys() & {*work.service.depends_on, *rotations.balanced_by(work.service)}
        for name, work in works.items()
    }
    holders: dict[str, list[str]] = {}
    giving_way: dict[str, list[Holder]] = {}
    for name, work in works.items():
        for replica in observed.replicas:
            held = None if replica.service == name else what_it_holds(replica, work, rotations)
            if held is None:
                continue
            holders.setdefault(name, []).append(replica.id)
            because = departure_reason(replica, works, rotations)
            if replica.id in rotations.leaving or (because is None and not is_crowded(replica, works, rotations)):
                continue
            if replica.service in works and name not in reached_from([replica.service], before):
                before[name].add(replica.service)
            elif because is not None:
                giving_way.setdefault(name, []).append(Holder(replica, held, because))
    return Handovers(reached_from(works, before), holders, giving_way)


def departure_reason(replica: Replica, works: Mapping[str, ServiceWork], rotations: Rotations) -> str | None:
    """Why the replica is to be replaced or removed; None where it may stay."""
    work = works.get(replica.service)
    if work is not None:
        return replacement_reason(work, replica)
    removes_orphans = any(one.wishes.remove_orphans for one in works.values())
    orphan = replica in find_orphans(rotations.fleet, rotations.observed.replicas)
    return orphaned(replica) if orphan and removes_orphans else None


def is_crowded(replica: Replica, works: Mapping[str, ServiceWork], rotations: Rotations) -> bool:
    """Whether there are more replicas of its service than wanted, so that it may be one that goes."""
    numbers = {one.number for one in rotations.observed.of_service(replica.service)}
    return replica.service in works and len(numbers) > works[replica.service].service.replicas


def what_it_holds(replica: Replica, work: ServiceWork, rotations: Rotations) -> str | None:
    """Which host port or address the replica has that a service is to have, and cannot do without."""
    if replica.state in AT_REST:
        return None
    service, observed = work.service, rotations.observed
    for port in service.ports:
        if port.published is not None and holds_port(replica, port):
            own = [one for one in observed.of_service(service.name) if replacement_reason(work, one) is not None]
            others = [one for one in observed.replicas if one.service != service.name]
            if is_short_of(port, service, own, others):
                first, last = port.published
                return f"host port {first}" if first == last else f"host port, one of {first}-{last}"
    for key, membership in service.networks.items():
        address = membership.ipv4_address
        if address is not None and holds_address(replica, work.network_refs[key].name, address):
            return f"address {address}"
    return None


def reached_from(names: Iterable[str], before: Mapping[str, Collection[str]]) -> list[str]:
    """The services and all that come before them, each after those that come before it."""
    found: list[str] = []
    seen: set[str] = set()

    def visit(one: str) -> None:
        if one not in seen:
            seen.add(one)
            for earlier in before:
                if earlier in before[one]:
                    visit(earlier)
            found.append(one)

    for name in names:
        visit(name)
    return found


def plan_giving_way(
    draft: Draft,
    holders: Iterable[Holder],
    works: Mapping[str, ServiceWork],
    rotations: Rotations,
    taker: ServiceWork,
    steps: Mapping[str, tuple[str, ...]],
) -> tuple[str, ...]:
    """Add the steps that stop those who hold what the taker is to have, once all that this waits for is there, and say
    whom that hits; returns them. `steps` are those so far, by service."""
    first = len(draft.steps)
    for holder in holders:
        replica, because = holder.replica, f"{taker.service.name} is to have its {holder.held}"
        there = rotations.balanced_by(works[replica.service].service) if replica.service in works else ()
        behind = (*taker.balanced, *(step for name in there for step in steps.get(name, ())))
        pools = rotations.pools(replica.service)
        after, behind = plan_leave(draft, pools, replica, because, after=taker.after, behind=behind)
        draft.add(StopReplica(ref(replica), grace=taker.wishes.grace), because, after=after, behind=behind)
        if replica.state == "running":
            draft.notices.append(f"{replica.name}: stopped before others take over, as {because}")
    return tuple(step.id for step in draft.steps[first:])


def plan_given_way(
    draft: Draft,
    holders: Sequence[Holder],
    works: Mapping[str, ServiceWork],
    taker: ServiceWork,
    made: Iterable[Launch],
    first: int,
) -> dict[str, str]:
    """Add the steps that remove those who were stopped when all of the taker's steps are through, from the `first` on,
    and start them again where one of these fails; returns, by id, those that remove them. What is `made` where there
    was none has to go for that."""
    if not holders:
        return {}
    cleanup = {step.id for step in draft.steps if step.only_if_failed}
    failed = tuple(step.id for step in draft.steps[first:] if step.id not in cleanup)
    names = ", ".join(holder.replica.name for holder in holders)
    for launch in made:
        label = launch.replica.name.removeprefix(f"{taker.fleet.name}-")
        gives_way = f"{UNREADY}; {names} is started again"
        plan_retreat(draft, taker.pools, label, launch.replica, launch.trials, gives_way)
    behind = tuple(step.id for step in draft.steps[first:])
    removed = {}
    for holder in holders:
        replica = holder.replica
        if replica.service in works:
            plan_comeback(draft, works[replica.service], replica, failed=failed, behind=behind)
        else:
            why = f"{taker.service.name} did not become ready"
            draft.add(StartReplica(ref(replica)), why, behind=behind, only_if_failed=failed)
        removed[replica.id] = draft.add(RemoveReplica(ref(replica)), holder.because, after=failed)
    return removed
