"""The order in which services depend on each other."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from graphlib import TopologicalSorter

from fleetctl.errors import ConfigError
from fleetctl.spec.model import Fleet, Service
from fleetctl.state.observed import Replica


def find_service(fleet: Fleet, name: str) -> Service:
    """The service of that name. Raises ConfigError for a name that is not in the fleet."""
    if name not in fleet.services:
        known = ", ".join(fleet.services) or "none"
        raise ConfigError(f"no service named {name} in fleet {fleet.name}", hint=f"its services: {known}")
    return fleet.services[name]


def select_services(fleet: Fleet, names: Collection[str] = (), *, dependencies: bool = True) -> list[Service]:
    """The named services (all when none is named) and what they depend on, dependencies first and balancers after what
    they balance, else in file order.
    Raises ConfigError for a name that is not in the fleet."""
    for name in names:
        find_service(fleet, name)
    chosen = set(names or fleet.services)
    if dependencies:
        queue = list(chosen)
        while queue:
            for needed in fleet.services[queue.pop()].depends_on:
                if needed in fleet.services and needed not in chosen:
                    chosen.add(needed)
                    queue.append(needed)
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, service in fleet.services.items():
        before = (*service.depends_on, *(balance.service for balance in service.balance))
        sorter.add(name, *(needed for needed in before if needed in fleet.services))
    return [fleet.services[name] for name in sorter.static_order() if name in chosen]


def find_orphans(fleet: Fleet, replicas: Iterable[Replica]) -> list[Replica]:
    """The containers of ours whose service is gone from the file."""
    known = {*fleet.services, *fleet.inactive}
    return [replica for replica in replicas if replica.service not in known]


def orphaned(replica: Replica) -> str:
    """Why an orphan is removed."""
    return f"service {replica.service} is not in the file"


def is_one_shot(fleet: Fleet, service: Service) -> bool:
    """Whether the service is meant to end: somebody waits for its completion, or the file itself says that it is not
    restarted and nothing asks it over HTTP."""
    waited_for = any(
        other.depends_on[service.name].condition == "service_completed_successfully"
        for other in fleet.services.values()
        if service.name in other.depends_on
    )
    said = service.origins.get("restart", "default") not in ("default", f"baseline {service.baseline}")
    return waited_for or (said and service.restart.name == "no" and service.http is None)


def has_done_its_work(fleet: Fleet, replica: Replica) -> bool:
    """Whether it is a finished job: of a service that is meant to end, and ended well."""
    if (replica.state, replica.exit_code) != ("exited", 0):
        return False
    service = fleet.services.get(replica.service)
    return service is not None and is_one_shot(fleet, service)
