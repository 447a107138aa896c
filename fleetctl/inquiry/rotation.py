"""Asks the fleet's balancers who is in rotation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fleetctl.balancer.driver import Balancers
from fleetctl.errors import EngineUnreachable, FleetError
from fleetctl.plan.order import find_service
from fleetctl.plan.rotation import Pools, Rotations
from fleetctl.spec.model import Fleet, Service
from fleetctl.state.observed import Observed, Replica
from fleetctl.state.rotation import Rotation


@dataclass(frozen=True, slots=True)
class Told:
    """What balancers tell, by container id: who is in rotation, or in `silent` why they do not say."""

    rotations: Mapping[str, Rotation] = field(default_factory=dict)
    silent: Mapping[str, FleetError] = field(default_factory=dict)

    def pools(self, fleet: Fleet, replicas: Iterable[Replica]) -> dict[str, Pools | None]:
        """Where the replicas of each service that is balanced belong, by the service's name; None where a balancer of
        it does not say who is there."""
        replicas = tuple(replicas)
        seen = Observed(fleet.name, replicas, rotations=self.rotations)
        found = Rotations(fleet, seen)
        dumb = {one.service for one in replicas if one.id in self.silent}
        balanced = {
            balance.service: any(service.name in dumb for service in balancing(fleet, balance.service))
            for service in fleet.services.values()
            for balance in service.balance
        }
        return {name: None if unknown else found.pools(name) for name, unknown in balanced.items()}


def ask_balancers(fleet: Fleet, replicas: Iterable[Replica], balancers: Balancers) -> Told:
    """Ask each balancer among the replicas that runs; opening a session takes a tenth of a second. Raises
    EngineUnreachable."""
    rotations: dict[str, Rotation] = {}
    silent: dict[str, FleetError] = {}
    for one in replicas:
        service = fleet.services.get(one.service)
        if service is None or not service.balance or one.state != "running":
            continue
        try:
            rotations[one.id] = balancers.look(one.id, one.name, service.balance)
        except EngineUnreachable:
            raise
        except FleetError as error:
            balancers.forget(one.id)
            silent[one.id] = FleetError(
                f"balancer {one.name} does not say who is in rotation: {error.message}",
                hint=error.hint
                or f"'fleetctl restart {one.service}' mends its admin socket; it interrupts connections",
            )
    return Told(rotations, silent)


def balancing(fleet: Fleet, name: str | None = None) -> tuple[Service, ...]:
    """The balancers, or those that have to do with the service of that name: itself, or those that balance it."""
    return tuple(
        one
        for one in fleet.services.values()
        if one.balance and name in (None, one.name, *(balance.service for balance in one.balance))
    )


def chosen_balancers(fleet: Fleet, name: str | None) -> tuple[Service, ...]:
    """The same, for whoever wants to see one. Raises FleetError where there is none."""
    if name is not None:
        find_service(fleet, name)
    found = balancing(fleet, name)
    if not found:
        whom = (
            f"no balancer of fleet {fleet.name} has {name} behind it" if name else f"fleet {fleet.name} has no balancer"
        )
        raise FleetError(
            whom,
            hint=f"add one to fleet.yaml: a service with image fleetctl/balancer:local and x-fleet: "
            f"{{balance: {{service: {name or '…'}}}}} (docs/fleet-yaml.md)",
        )
    return found
