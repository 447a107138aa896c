"""Another number of replicas than the file's, checked as the file would be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fleetctl.errors import ConfigError
from fleetctl.spec.model import Fleet, Service
from fleetctl.spec.references import find_shared_ports
from fleetctl.spec.services import why_too_few_ports
from fleetctl.spec.site import suggest

MAX_REPLICAS = 1000
"""The kernel allows 1,023 ports a bridge, and broadcasts drop above about 1,000."""


def with_replicas(fleet: Fleet, counts: Mapping[str, int]) -> Fleet:
    """The fleet with `counts` (service -> replicas, 0 to 1000) instead of the file's; raises ConfigError."""
    services = dict(fleet.services)
    for name, count in counts.items():
        if name not in services:
            raise ConfigError(
                f"there is no service {name[:80]!r}",
                hint=suggest(name, services) or f"its services: {', '.join(services)}",
            )
        services[name] = _scaled(services[name], count)
    for name, why, hint in find_shared_ports(services.values()):
        raise ConfigError(f"{name}: {why}", hint=hint)
    return replace(fleet, services=services)


def _scaled(service: Service, count: int) -> Service:
    if not 0 <= count <= MAX_REPLICAS:
        raise ConfigError(
            f"{service.name} cannot have {count} replicas",
            hint=f"0 to {MAX_REPLICAS}: a bridge carries no more",
        )
    for port in service.ports:
        why = why_too_few_ports(port, count)
        if why is not None:
            raise ConfigError(f"{service.name}: {why}", hint=f"publish a range of {count} host ports")
    if count > 1:
        for key, membership in service.networks.items():
            if membership.ipv4_address is not None:
                address = membership.ipv4_address
                raise ConfigError(
                    f"{service.name} has the one address {address} on {key}, which cannot serve {count} replicas",
                    hint=f"delete services.{service.name}.networks.{key}.ipv4_address",
                )
    return replace(service, replicas=count)
