"""Decides who goes first where a service is to have a host port or an address that a replica of another one holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from fleetctl.plan.actions import RemoveReplica
from fleetctl.plan.kept import replacement_reason
from fleetctl.plan.launch import ServiceWork
from fleetctl.plan.order import find_orphans
from fleetctl.plan.rollout import holds_address, holds_port
from fleetctl.plan.rotation import Rotations
from fleetctl.plan.steps import Draft
from fleetctl.plan.teardown import plan_removal
from fleetctl.plan.wishes import Wishes
from fleetctl.state.observed import AT_REST, Replica


@dataclass(frozen=True, slots=True)
class Handovers:
    """By service the ids of the replicas of others that hold what it is to have, and go; the services, whoever holds
    something before whoever is to have it; and by id the steps that remove those who cannot come first in that way."""

    holders: Mapping[str, Collection[str]]
    order: Collection[str]
    removed: Mapping[str, str]

    def steps(self, draft: Draft, service_name: str) -> list[str]:
        """The steps so far that remove whoever holds what the service is to have."""
        holders = self.holders.get(service_name)
        if not holders:
            return []
        removals = ((step.id, step.action) for step in draft.steps if not step.only_if_failed)
        return [one for one, action in removals if isinstance(action, RemoveReplica) and action.replica.id in holders]


def plan_handovers(draft: Draft, works: Mapping[str, ServiceWork], rotations: Rotations, wishes: Wishes) -> Handovers:
    """Add the steps that remove those who hold what others are to have and cannot stay until their own successors
    serve, as these come after the others. `works` are by service, in the order of planning."""
    # A balancer comes after those that it balances.
    before = {
        name: works.keys() & {*work.service.depends_on, *rotations.balanced_by(work.service)}
        for name, work in works.items()
    }
    leaving = list(leavers(works, rotations, wishes))
    holders: dict[str, list[str]] = {}
    early: dict[str, tuple[Replica, str]] = {}
    for name, work in works.items():
        for replica in leaving:
            held = what_it_holds(replica, work)
            if held is None or replica.service == name:
                continue
            holders.setdefault(name, []).append(replica.id)
            if replica.service not in works or name in reached_from([replica.service], before):
                early.setdefault(replica.id, (replica, f"{name} is to have its {held}"))
            else:
                before[name].add(replica.service)
    return Handovers(holders, reached_from(works, before), plan_early(draft, rotations, early, wishes))


def leavers(works: Mapping[str, ServiceWork], rotations: Rotations, wishes: Wishes) -> Iterator[Replica]:
    """The replicas that run, and are to be replaced or removed."""
    observed = rotations.observed
    orphans = find_orphans(rotations.fleet, observed) if wishes.remove_orphans else []
    for replica in observed.replicas:
        work = works.get(replica.service)
        goes = replica in orphans if work is None else replacement_reason(work, replica) is not None
        if goes and replica.state not in AT_REST and replica.id not in rotations.leaving:
            yield replica


def what_it_holds(replica: Replica, work: ServiceWork) -> str | None:
    """Which host port or address the replica has that a service is to have."""
    for port in work.service.ports:
        if port.published is not None and holds_port(replica, port):
            first, last = port.published
            return f"host port {first}" if first == last else f"host port, one of {first}-{last}"
    for key, membership in work.service.networks.items():
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


def plan_early(
    draft: Draft, rotations: Rotations, early: Mapping[str, tuple[Replica, str]], wishes: Wishes
) -> dict[str, str]:
    """Add the steps that remove these replicas first of all, and say whom that hits."""
    others = Rotations(rotations.fleet, rotations.observed, leaving={*rotations.leaving, *early})
    removed = {}
    for replica, because in early.values():
        pools = others.pools(replica.service)
        removed[replica.id] = plan_removal(draft, replica, because, grace=wishes.grace, pools=pools)
        if replica.state == "running":
            draft.notices.append(f"{replica.name}: removed before others take over, as {because}")
    return removed
