"""What a run has to work with: what it is asked for, how it looks at the fleet, and how it carries out a plan."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol

from fleetctl.balancer.driver import Balancers
from fleetctl.balancer.live import Host as BalancerHost
from fleetctl.check.last_words import bound_to_go
from fleetctl.check.readiness import Readiness
from fleetctl.engine.base import Engine
from fleetctl.errors import FleetError
from fleetctl.execute import WORKERS, execute
from fleetctl.net.proc import routed_blocks
from fleetctl.plan.images import images_of
from fleetctl.plan.outcome import Listener, RunReport
from fleetctl.plan.rotation import balancers_of
from fleetctl.plan.steps import Plan
from fleetctl.plan.wishes import Wishes
from fleetctl.spec.model import Fleet, PullPolicy, Service
from fleetctl.state.observed import Observed


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


class Host(Engine, BalancerHost, Protocol):
    """An engine whose containers can be spoken with."""


Prepare = Callable[[Plan], None]
"""Called with a plan before it runs; may raise to refuse it."""


def look(
    fleet: Fleet,
    engine: Host,
    balancers: Balancers,
    images: Collection[str] = (),
    *,
    needless: Collection[str] = (),
) -> Observed:
    """What there is, and which of the images. Raises FleetError when a balancer that runs cannot be asked who is in its
    rotation: nothing could be taken out of it before it stops. Those of the services in `needless` may be silent."""
    observed = engine.observe(fleet.name, images=images)
    rotations = {}
    for replica in balancers_of(fleet, observed):
        if replica.state == "running":
            try:
                balances = fleet.services[replica.service].balance
                rotations[replica.id] = balancers.look(replica.id, replica.name, balances)
            except FleetError:
                # One that ends again and again was between two restarts when it was asked.
                latest = {one.id: one for one in engine.observe_replicas(fleet.name, replica.id)}
                if replica.service not in needless and all(one.state == "running" for one in latest.values()):
                    raise
                observed = replace(observed, replicas=tuple(latest.get(one.id, one) for one in observed.replicas))
    return replace(observed, rotations=rotations, routes=routed_blocks() if engine.local else ())


@dataclass(frozen=True, slots=True)
class Work:
    """What it takes to execute plans for one fleet."""

    fleet: Fleet
    engine: Host
    balancers: Balancers
    listener: Listener
    order: Order
    stop: threading.Event
    prepare: Prepare | None = None

    def look(self, services: Iterable[Service] = ()) -> Observed:
        """What there is of the fleet, with the images of the services."""
        return look(self.fleet, self.engine, self.balancers, images_of(services))

    def run(self, plan: Plan) -> RunReport:
        """Execute one plan."""
        if self.prepare is not None:
            self.prepare(plan)
        gate = Readiness(
            self.engine,
            self.fleet.name,
            self.balancers,
            timeout=self.order.wait_timeout,
            stop=self.stop,
            going=bound_to_go(plan),
        )
        return execute(
            plan, self.engine, gate, self.balancers, self.listener, workers=self.order.workers, stop=self.stop
        )
