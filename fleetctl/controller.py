"""Look, decide, act: what the commands ask for, from observation to report."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from fleetctl.balancer.driver import Balancers
from fleetctl.engine.base import Engine
from fleetctl.errors import FleetError
from fleetctl.lock import fleet_lock, other_run
from fleetctl.plan.actions import RemoveReplica, StopReplica
from fleetctl.plan.images import images_of, plan_images
from fleetctl.plan.networks import chooses_subnets
from fleetctl.plan.order import select_services
from fleetctl.plan.outcome import Listener, RunReport
from fleetctl.plan.power import plan_wait, plan_wake
from fleetctl.plan.release import describe_return, failed_updates, former_release, with_returns
from fleetctl.plan.replicas import plan_replicas
from fleetctl.plan.rotation import balancers_of
from fleetctl.plan.steps import Plan
from fleetctl.plan.wishes import Wishes
from fleetctl.spec.model import Fleet, Service
from fleetctl.spec.release import refuse_changed_files
from fleetctl.state.observed import AT_REST, Observed, ObservedImage, Release, Replica
from fleetctl.work import Host, Order, Prepare, Work, look

LOOK_AGAIN = 20
"""How often a run looks at most while it loses races for a subnet; it leaves each one lost to whoever has won."""


def chosen_services(fleet: Fleet, order: Order) -> list[Service]:
    return select_services(fleet, order.wishes.services, dependencies=order.wishes.dependencies)


def preview(fleet: Fleet, engine: Host, order: Order | None = None) -> Plan:
    """What deploy would do, and why; looks and never writes. An image that would be built counts as a new one. Tells
    of a run that is under way: what that one has yet to do looks as if an earlier one had left it."""
    order = order or Order()
    services = chosen_services(fleet, order)
    run = other_run(engine.endpoint, fleet.name)
    under_way = () if run is None else (f"{run}: what it has yet to do is in this plan, too, with other reasons",)
    with Balancers(engine, fleet.name) as balancers:
        observed = look(fleet, engine, balancers, images_of(services))
    images = decide_images(fleet, engine, observed, services, order)
    pending = {
        reference: ObservedImage(reference, id=f"pending {reference}")
        for step in images.steps
        if (reference := getattr(step.action, "reference", None)) is not None
    }
    foreseen = replace(observed, images={**observed.images, **pending})
    replicas = plan_replicas(fleet, foreseen, order.wishes)
    return Plan(images.steps + replicas.steps, under_way + images.notices + replicas.notices)


def decide_images(fleet: Fleet, engine: Engine, observed: Observed, services: Sequence[Service], order: Order) -> Plan:
    contexts = {service.name: engine.context_digest(service.build) for service in services if service.build is not None}
    build = [service.name for service in services] if order.build else []
    return plan_images(
        fleet,
        observed,
        services,
        contexts,
        build=build,
        pull=order.pull,
        no_cache=order.no_cache,
        pull_base=order.pull_base,
    )


def deploy(
    fleet: Fleet,
    engine: Host,
    listener: Listener,
    order: Order | None = None,
    *,
    stop: threading.Event | None = None,
    prepare: Prepare | None = None,
) -> RunReport:
    """Make the observed fleet the desired one. Holds the fleet's lock. What failed is in the report; only what keeps
    the run from beginning is raised."""
    order, stop = order or Order(), stop or threading.Event()
    services = chosen_services(fleet, order)
    with fleet_lock(engine.endpoint, fleet.name, order.doing), Balancers(engine, fleet.name, stop) as balancers:
        work = Work(fleet, engine, balancers, listener, order, stop, prepare)
        observed = work.look(services)
        images = decide_images(fleet, engine, observed, services, order)
        report = RunReport()
        if images:
            # Refuse what cannot be decided before minutes go into a build.
            plan_replicas(fleet, observed, order.wishes)
            report = work.run(images)
            if report.failures or report.interrupted:
                return report
            observed = work.look(services)
        woken, observed = with_balancers_awake(work, observed, services)
        report += woken
        if report.failures or report.interrupted:
            return report
        latest = converge(work, observed, services)
        for service, release in failed_updates(latest, observed, services) if not latest.interrupted else []:
            latest += undo(work, service, release)
        return report + latest + RunReport(traffic=balancers.traffic())


def undo(work: Work, service: Service, release: Release) -> RunReport:
    """Put a release back after an update of it failed; why that cannot be is in the report, beside why it failed."""
    try:
        report = go_back(work, service, release, service.replicas)
    except FleetError as error:
        return RunReport(errors=(error,))
    return report if report.failures or report.interrupted else replace(report, rolled_back=(service.name,))


def with_balancers_awake(work: Work, observed: Observed, services: Sequence[Service]) -> tuple[RunReport, Observed]:
    """Wake the balancers before the services are planned, and look again. It is no failure where those of the services
    themselves do not get ready: the plan tells them who runs by then, and waits for them after what they depend on."""
    if all(one.state in (*AT_REST, "running") for one in balancers_of(work.fleet, observed)):
        return RunReport(), observed
    leaving = leavers(plan_replicas(work.fleet, observed, work.order.wishes))
    woken = forgiven(wake_balancers(work, observed, leaving=leaving), services)
    return woken, observed if woken.failures or woken.interrupted else work.look(services)


def forgiven(report: RunReport, services: Sequence[Service]) -> RunReport:
    """The same, but the replicas of these services that were waited for in vain are still to be."""
    waits = [getattr(one.step.action, "service", None) in services for one in report.results]
    results = [
        replace(one, status="skipped", error=None) if waited and one.error else one
        for one, waited in zip(report.results, waits, strict=True)
    ]
    return replace(report, results=tuple(results))


def wake_balancers(work: Work, observed: Observed, *, leaving: Collection[str]) -> RunReport:
    """Wake the balancers that are paused, and wait for those between two restarts, but for those whose ids are in
    `leaving`: nothing else becomes of them than was asked for. Before one can be asked who is in its rotation nobody
    can be taken out of it, and it would come back with replicas that are gone."""
    balancers = balancers_of(work.fleet, observed)
    paused = [one for one in balancers if one.state == "paused"]
    hung = [one for one in balancers if one.state == "restarting" and one.id not in leaving]
    return work.run(Plan(plan_wake(work.fleet, paused).steps + plan_wait(work.fleet, hung).steps))


def leavers(plan: Plan) -> set[str]:
    """The ids of the replicas that a plan stops or removes, if only where something fails."""
    actions = (step.action for step in plan.steps)
    return {one.replica.id for one in actions if isinstance(one, StopReplica | RemoveReplica) and one.replica.id}


def converge(work: Work, observed: Observed, services: Sequence[Service]) -> RunReport:
    """Execute the plan from what is observed, and another one as often as a network loses the race for its subnet."""
    lost: set[str] = set()
    fleet, order = work.fleet, work.order
    for _ in range(LOOK_AGAIN):
        plan = plan_replicas(fleet, replace(observed, routes=(*observed.routes, *sorted(lost))), order.wishes)
        latest = work.run(plan)
        lost_now = latest.lost_subnets
        if not lost_now or latest.interrupted or not chooses_subnets(fleet):
            break
        lost |= lost_now
        observed = work.look(services)
    return latest


def go_back(work: Work, service: Service, release: Release, replicas: int) -> RunReport:
    """Put a former release of a service back, so many times."""
    there = describe_return(work.fleet, service, release, replicas)
    refuse_changed_files(there.service)
    observed = look(work.fleet, work.engine, work.balancers, {there.image_id, there.service.image})
    former, foreseen = with_returns(work.fleet, observed, [there])
    wishes = Wishes(services=(service.name,), dependencies=False, grace=work.order.wishes.grace, restoring=True)
    return replace(work, fleet=former).run(plan_replicas(former, foreseen, wishes))


def roll_back(
    fleet: Fleet,
    engine: Host,
    listener: Listener,
    order: Order,
    *,
    stop: threading.Event,
    prepare: Prepare | None = None,
) -> RunReport:
    """Put the former releases of the chosen services back, whatever fleet.yaml says of today's. Raises FleetError where
    one has none."""
    services = chosen_services(fleet, order)
    with fleet_lock(engine.endpoint, fleet.name, order.doing), Balancers(engine, fleet.name, stop) as balancers:
        work = Work(fleet, engine, balancers, listener, order, stop, prepare)
        observed = work.look()
        releases = [(service, former_release(observed, service)) for service in services]
        returning = {one.id for service in services for one in observed.of_service(service.name)}
        report = wake_balancers(work, observed, leaving=returning)
        for service, release in releases:
            if report.failures or report.interrupted:
                break
            there = len({replica.number for replica in observed.of_service(service.name)})
            report += go_back(work, service, release, max(there, service.replicas))
        return report + RunReport(traffic=balancers.traffic())


def build_images(
    fleet: Fleet, engine: Host, listener: Listener, order: Order, *, stop: threading.Event, pull_only: bool = False
) -> RunReport:
    """Build (or, with `pull_only`, pull) the images of the chosen services and nothing else."""
    services = [service for service in chosen_services(fleet, order) if (service.build is None) == pull_only]
    with fleet_lock(engine.endpoint, fleet.name, order.doing), Balancers(engine, fleet.name, stop) as balancers:
        observed = engine.observe(fleet.name, images=images_of(services))
        plan = decide_images(fleet, engine, observed, services, order)
        return Work(fleet, engine, balancers, listener, order, stop).run(plan)


Decide = Callable[[Observed], Plan]


def carry_out(
    fleet: Fleet,
    engine: Host,
    listener: Listener,
    decide: Decide,
    order: Order,
    *,
    stop: threading.Event,
    prepare: Prepare | None = None,
    needless: Collection[str] = (),
    rotations: bool = True,
) -> RunReport:
    """Look, decide with `decide`, act: for the commands that need no images (down, stop, start, restart). `needless`
    are the services whose balancers need not answer; without `rotations` none is asked."""
    with fleet_lock(engine.endpoint, fleet.name, order.doing), Balancers(engine, fleet.name, stop) as balancers:
        observed = look(fleet, engine, balancers, needless=needless) if rotations else engine.observe(fleet.name)
        report = Work(fleet, engine, balancers, listener, order, stop, prepare).run(decide(observed))
        return report + RunReport(traffic=balancers.traffic())


def await_replicas(
    fleet: Fleet,
    engine: Host,
    listener: Listener,
    replicas: Iterable[Replica],
    order: Order,
    *,
    stop: threading.Event,
    prepare: Prepare | None = None,
) -> RunReport:
    """Wait for replicas that an earlier run has started; takes no lock, for nothing is changed."""
    with Balancers(engine, fleet.name, stop) as balancers:
        return Work(fleet, engine, balancers, listener, order, stop, prepare).run(plan_wait(fleet, replicas))
