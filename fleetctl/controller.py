"""Look, decide, act: what the commands ask for, from observation to report."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from fleetctl.check.readiness import Readiness
from fleetctl.engine.base import Engine
from fleetctl.errors import SubnetTaken
from fleetctl.execute import WORKERS, execute
from fleetctl.lock import fleet_lock
from fleetctl.net.proc import routed_blocks
from fleetctl.plan.actions import CreateNetwork
from fleetctl.plan.images import plan_images
from fleetctl.plan.order import select_services
from fleetctl.plan.outcome import Listener, RunReport
from fleetctl.plan.power import plan_wait
from fleetctl.plan.replicas import plan_replicas
from fleetctl.plan.steps import Plan
from fleetctl.plan.wishes import Wishes
from fleetctl.spec.model import Fleet, PullPolicy, Service
from fleetctl.state.observed import Observed, ObservedImage, Replica

LOOK_AGAIN = 20
"""How often a run looks at most while it loses races for a subnet; it leaves each one lost to whoever has won."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a run is asked to do beyond fleet.yaml, and how. Times in seconds."""

    wishes: Wishes = field(default_factory=Wishes)
    build: bool = False
    no_cache: bool = False
    pull: PullPolicy | None = None
    pull_base: bool = False
    workers: int = WORKERS
    wait_timeout: float = 60.0
    doing: str = "up"


Prepare = Callable[[Plan], None]
"""Called with a plan before it runs; may raise to refuse it."""


def chosen_services(fleet: Fleet, order: Order) -> list[Service]:
    return select_services(fleet, order.wishes.services, dependencies=order.wishes.dependencies)


def look(fleet: Fleet, engine: Engine, services: Iterable[Service] = ()) -> Observed:
    observed = engine.observe(fleet.name, images=[service.image for service in services])
    return replace(observed, routes=routed_blocks()) if engine.local else observed


def preview(fleet: Fleet, engine: Engine, order: Order | None = None) -> Plan:
    """What deploy would do, and why; looks and never writes. An image that would be built counts as a new one."""
    order = order or Order()
    services = chosen_services(fleet, order)
    observed = look(fleet, engine, services)
    images = decide_images(fleet, engine, observed, services, order)
    pending = {
        reference: ObservedImage(reference, id=f"pending {reference}")
        for step in images.steps
        if (reference := getattr(step.action, "reference", None)) is not None
    }
    foreseen = replace(observed, images={**observed.images, **pending})
    replicas = plan_replicas(fleet, foreseen, order.wishes)
    return Plan(images.steps + replicas.steps, images.notices + replicas.notices)


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
    engine: Engine,
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
    with fleet_lock(engine.endpoint, fleet.name, order.doing):
        observed = look(fleet, engine, services)
        images = decide_images(fleet, engine, observed, services, order)
        report = RunReport()
        if images:
            # Refuse what cannot be decided before minutes go into a build.
            plan_replicas(fleet, observed, order.wishes)
            report = run(images, engine, fleet, listener, order, stop, prepare)
            if report.failures or report.interrupted:
                return report
            observed = look(fleet, engine, services)
        lost: set[str] = set()
        for _ in range(LOOK_AGAIN):
            plan = plan_replicas(fleet, replace(observed, routes=(*observed.routes, *sorted(lost))), order.wishes)
            latest = run(plan, engine, fleet, listener, order, stop, prepare)
            lost_now = lost_subnets(latest)
            if not lost_now or latest.interrupted or no_choice(fleet):
                break
            lost |= lost_now
            observed = look(fleet, engine, services)
        return report + latest


def lost_subnets(report: RunReport) -> set[str]:
    """The subnets that another network took first. The engine shows that network only once it is complete, which can
    take seconds: until then a look tells nothing of it."""
    return {
        entry.subnet
        for failure in report.failures
        if isinstance(failure.error, SubnetTaken) and isinstance(failure.step.action, CreateNetwork)
        for entry in failure.step.action.subnets
    }


def no_choice(fleet: Fleet) -> bool:
    """Whether every network names its own subnet, so that looking again cannot find another."""
    return all(network.subnets or network.external for network in fleet.networks.values())


def run(
    plan: Plan,
    engine: Engine,
    fleet: Fleet,
    listener: Listener,
    order: Order,
    stop: threading.Event,
    prepare: Prepare | None = None,
) -> RunReport:
    """Execute one plan for one fleet."""
    if prepare is not None:
        prepare(plan)
    gate = Readiness(engine, fleet.name, timeout=order.wait_timeout, stop=stop)
    return execute(plan, engine, gate, listener, workers=order.workers, stop=stop)


def build_images(
    fleet: Fleet, engine: Engine, listener: Listener, order: Order, *, stop: threading.Event, pull_only: bool = False
) -> RunReport:
    """Build (or, with `pull_only`, pull) the images of the chosen services and nothing else."""
    services = [service for service in chosen_services(fleet, order) if (service.build is None) == pull_only]
    with fleet_lock(engine.endpoint, fleet.name, order.doing):
        observed = look(fleet, engine, services)
        plan = decide_images(fleet, engine, observed, services, order)
        return run(plan, engine, fleet, listener, order, stop)


Decide = Callable[[Observed], Plan]


def carry_out(
    fleet: Fleet,
    engine: Engine,
    listener: Listener,
    decide: Decide,
    order: Order,
    *,
    stop: threading.Event,
    prepare: Prepare | None = None,
) -> RunReport:
    """Look, decide with `decide`, act: for the commands that need no images (down, stop, start, restart)."""
    with fleet_lock(engine.endpoint, fleet.name, order.doing):
        return run(decide(look(fleet, engine)), engine, fleet, listener, order, stop, prepare)


def await_replicas(
    fleet: Fleet,
    engine: Engine,
    listener: Listener,
    replicas: Iterable[Replica],
    order: Order,
    *,
    stop: threading.Event,
    prepare: Prepare | None = None,
) -> RunReport:
    """Wait for replicas that an earlier run has started; takes no lock, for nothing is changed."""
    return run(plan_wait(fleet, replicas), engine, fleet, listener, order, stop, prepare)
