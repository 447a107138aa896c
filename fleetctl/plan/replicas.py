"""Decides, on one Docker host, what has to be done to get from the observed to the desired replicas."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fleetctl.plan.actions import (
    CreateReplica,
    Ref,
    StartReplica,
)
from fleetctl.plan.handovers import Handovers, find_handovers, plan_given_way, plan_giving_way
from fleetctl.plan.kept import expendability, plan_kept, preference, resolve_rivals
from fleetctl.plan.launch import (
    Reached,
    ServiceWork,
    is_outdated,
    newest,
    plan_launch,
)
from fleetctl.plan.networks import NetworkRefs, plan_doubles, plan_networks, plan_volumes
from fleetctl.plan.order import find_orphans, orphaned, select_services
from fleetctl.plan.rollout import holds_port, plan_replacements
from fleetctl.plan.rotation import Rotations, plan_strays
from fleetctl.plan.steps import Draft, Plan, Step
from fleetctl.plan.teardown import plan_removal
from fleetctl.plan.wishes import Wishes
from fleetctl.spec.digest import replica_digests
from fleetctl.spec.model import Fleet, Service
from fleetctl.state.observed import Observed, ObservedImage, Release, Replica


def plan_replicas(fleet: Fleet, observed: Observed, wishes: Wishes | None = None) -> Plan:
    """Everything between the images, which must be present, and a converged fleet. Pure. Raises FleetError where a
    stranger's object is in the way and ResourceExhausted where addresses cannot suffice."""
    wishes = wishes or Wishes()
    plan = plan_once(fleet, observed, wishes, needed=frozenset())
    # A service that starts something may have to wait for replicas that run and need nothing done to them.
    needed = frozenset(
        name
        for step in plan.steps
        if (service := started_service(fleet, observed, step)) is not None
        for name, dependency in service.depends_on.items()
        if dependency.condition != "service_started"
    )
    return plan_once(fleet, observed, wishes, needed=needed) if needed else plan


def started_service(fleet: Fleet, observed: Observed, step: Step) -> Service | None:
    """The service of which the step starts a replica."""
    match step.action:
        case CreateReplica():
            return step.action.service
        case StartReplica():
            names = {replica.id: replica.service for replica in observed.replicas}
            return fleet.services.get(names.get(step.action.replica.id or "", ""))
        case _:
            return None


def plan_once(fleet: Fleet, observed: Observed, wishes: Wishes, *, needed: Collection[str]) -> Plan:
    """The plan in which the running replicas of the services in `needed` are awaited."""
    draft = Draft()
    services = balancers_last(fleet, select_services(fleet, wishes.services, dependencies=wishes.dependencies))
    networks = plan_networks(draft, fleet, observed, services, wishes)
    volumes = plan_volumes(draft, fleet, observed, services)
    rotations = Rotations(fleet, observed, leaving=networks.removed)
    works = {service.name: describe_work(service, rotations, networks.refs, wishes) for service in services}
    handovers = find_handovers(works, rotations)
    turns = Turns(draft, networks, volumes, works, handovers, rotations, dict(networks.removed))
    for name in handovers.order:
        turns.plan(name, needed=name in needed)
    staying = {one for reached in turns.reached.values() for one in reached.staying}
    settings = turns.rotations.plan_settings(draft, staying, turns.steps)
    behind = tuple(step for steps in (*turns.steps.values(), settings) for step in steps)
    plan_orphans(draft, turns.rotations, wishes, turns.removed, behind=behind)
    plan_doubles(draft, networks, tuple(step for reached in turns.reached.values() for step in reached.ready))
    return draft.plan()


@dataclass(slots=True)
class Turns:
    """What there is to plan with, and what the services whose turn has come have come to: the steps that remove
    replicas, by their ids; and by service what its steps come to, these steps, and how many replicas more than wanted
    exist meanwhile."""

    draft: Draft
    networks: NetworkRefs
    volumes: Mapping[str, tuple[str, ...]]
    works: Mapping[str, ServiceWork]
    handovers: Handovers
    rotations: Rotations
    removed: dict[str, str]
    reached: dict[str, Reached] = field(default_factory=dict)
    steps: dict[str, tuple[str, ...]] = field(default_factory=dict)
    surges: dict[str, int] = field(default_factory=dict)

    def plan(self, name: str, *, needed: bool) -> None:
        """Add the steps of one service, after those of whoever it waits for; those who hold what it is to have, and
        cannot wait for it, give way."""
        draft, observed, first = self.draft, self.rotations.observed, len(self.draft.steps)
        work = replace(self.works[name], after=self.before(name), balanced=self.balanced(name), needed=needed)
        giving_way = [one for one in self.handovers.giving_way.get(name, ()) if one.replica.id not in self.removed]
        stopped = plan_giving_way(draft, giving_way, self.works, self.rotations, work, self.steps)
        self.rotations = replace(self.rotations, leaving={*self.removed, *(one.replica.id for one in giving_way)})
        work = replace(work, after=(*work.after, *stopped), pools=self.rotations.pools(name))
        reached = self.reached[name] = plan_service(draft, work, observed, self.removed)
        gone = {*self.rotations.leaving, *draft.removals()}
        others = [one for one in observed.replicas if one.service != name and one.id not in gone]
        plan_replacements(draft, work, reached, others, self.surges)
        plan_strays(draft, work.pools, observed.of_service(name))
        self.removed |= plan_given_way(draft, giving_way, self.works, work, reached.made, first)
        self.steps[name] = tuple(step.id for step in draft.steps[first:])

    def before(self, name: str) -> tuple[str, ...]:
        """The steps that have to succeed before a replica of the service may start."""
        service = self.works[name].service
        steps = [step for key in service.networks for step in self.networks.after[key]]
        steps += (
            step
            for mount in service.mounts
            if mount.kind == "volume"
            for step in self.volumes.get(mount.source or "", ())
        )
        steps += dependency_steps(service, self.reached)
        steps += self.handovers.steps(self.draft, name)
        return tuple(dict.fromkeys(steps))

    def balanced(self, name: str) -> tuple[str, ...]:
        """Of a balancer: the steps of the services that it is to balance, or still does."""
        balanced_by = self.rotations.balanced_by(self.works[name].service)
        return tuple(step for one in balanced_by for step in self.steps.get(one, ()))


def balancers_last(fleet: Fleet, services: Sequence[Service]) -> list[Service]:
    """The services with the balancers that no other one needs at the end: they may still balance services of which the
    file does not say so any more."""
    needed = {
        name
        for service in fleet.services.values()
        for name in (*service.depends_on, *(balance.service for balance in service.balance))
    }
    return sorted(services, key=lambda service: bool(service.balance) and service.name not in needed)


def describe_work(
    service: Service, rotations: Rotations, network_refs: Mapping[str, Ref], wishes: Wishes
) -> ServiceWork:
    """The service and what a replica of it would be made from; what comes before its steps is added later."""
    fleet, observed = rotations.fleet, rotations.observed
    image = observed.images.get(service.image) or ObservedImage(service.image, id="unknown")
    digests = replica_digests(
        service,
        image_id=image.id,
        networks={key: network_refs[key].name for key in service.networks},
        volumes={key: volume.engine_name for key, volume in fleet.volumes.items()},
    )
    previous = previous_release(observed.of_service(service.name), digests)
    return ServiceWork(
        fleet,
        service,
        image,
        network_refs,
        digests,
        wishes,
        pools=rotations.pools(service.name),
        telling=observed.rotations.keys(),
        previous=previous,
    )


def previous_release(replicas: Sequence[Replica], digests: Mapping[str, str]) -> Release | None:
    """What a release with these digests is to replace: what its replicas that are there already were to replace, else
    what is there."""
    current = [replica for replica in replicas if not is_outdated(replica, digests)]
    latest = newest(current or replicas)
    return None if latest is None else latest.previous if current else latest.release


def dependency_steps(service: Service, reached: Mapping[str, Reached]) -> list[str]:
    """The steps of other services that have to succeed before one of this service may start."""
    steps: list[str] = []
    for name, dependency in service.depends_on.items():
        if name in reached:
            started = dependency.condition == "service_started"
            steps += reached[name].started if started else reached[name].ready
    return steps


def plan_service(draft: Draft, work: ServiceWork, observed: Observed, removed: Mapping[str, str]) -> Reached:
    """Add the steps that repair, create and remove the service's replicas; outdated ones are left to the rollout.
    `removed` are the steps that remove replicas before, by id."""
    reached = Reached()
    wanted = work.service.replicas
    present: dict[int, list[Replica]] = {}
    freed: dict[int, tuple[str, ...]] = {}
    reasons: dict[int, str] = {}
    for replica in observed.of_service(work.service.name):
        number = replica.number
        if replica.id in removed:
            freed[number] = (*freed.get(number, ()), removed[replica.id])
            reasons[number] = draft.because(removed[replica.id])
        elif replica.state in ("dead", "removing"):
            gone = plan_removal(draft, replica, f"it is {replica.state}", pools=work.pools)
            freed[number] = (*freed.get(number, ()), gone)
        else:
            present.setdefault(number, []).append(replica)

    ranked = [sorted(rivals, key=lambda replica: preference(replica, work)) for rivals in present.values()]
    ranked.sort(key=lambda rivals: expendability(rivals, work))
    kept = sorted(ranked[:wanted], key=lambda rivals: rivals[0].number)
    for best, *rest in kept:
        cleared = resolve_rivals(draft, work, best, rest, reached)
        reached.cleared += cleared
        freed[best.number] = (*freed.get(best.number, ()), *cleared)
    mended: list[str] = []
    for best, *_ in kept:
        mended += plan_kept(draft, work, best, reached, after=freed.get(best.number, ()))
    plan_surplus(draft, work, [one for rivals in ranked[wanted:] for one in rivals], reached, after=tuple(mended))
    numbers = {best.number for best, *_ in kept}
    free = (number for number in range(1, wanted + len(numbers) + 1) if number not in numbers)
    for number in [next(free) for _ in range(wanted - len(kept))]:
        because = reasons.get(number, f"replica {number} of {wanted} is missing")
        launch = plan_launch(draft, work, number, because, after=freed.get(number, ()))
        reached.started.append(launch.start)
        reached.ready.append(launch.ready)
        reached.made.append(launch)
    return reached


def plan_surplus(
    draft: Draft, work: ServiceWork, surplus: Sequence[Replica], reached: Reached, *, after: tuple[str, ...]
) -> None:
    """Add the steps that remove the replicas that are too many: what runs, and may be all that serves, only `after`
    those that are kept do their work, and a balancer when those that it balances are through."""
    wanted = work.service.replicas
    because = f"{wanted} {plural(wanted)} wanted"
    for replica in surplus:
        waits = after if replica.state == "running" else ()
        gone = plan_removal(
            draft, replica, because, grace=work.wishes.grace, after=waits, behind=work.balanced, pools=work.pools
        )
        if any(port.published and holds_port(replica, port) for port in work.service.ports):
            # Its successors may need that one.
            reached.cleared.append(gone)


def plural(count: int) -> str:
    return "replica is" if count == 1 else "replicas are"


def plan_orphans(
    draft: Draft, rotations: Rotations, wishes: Wishes, removed: Mapping[str, str], *, behind: tuple[str, ...]
) -> None:
    """Containers of ours whose service is gone from the file: removed by flag only, told otherwise. They go last: until
    those that take their place are there they may be all that serves."""
    fleet, observed = rotations.fleet, rotations.observed
    orphans = [replica for replica in find_orphans(fleet, observed.replicas) if replica.id not in removed]
    if orphans and not wishes.remove_orphans:
        names = ", ".join(replica.name for replica in orphans)
        draft.notices.append(f"{names}: no such service in the file any more; --remove-orphans removes such replicas")
        return
    for replica in orphans:
        because, pools = orphaned(replica), rotations.pools(replica.service)
        plan_removal(draft, replica, because, grace=wishes.grace, behind=behind, pools=pools)
