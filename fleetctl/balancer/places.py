"""Where a balancer finds its servers: told by containers that run, and by what it has itself. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from fleetctl.balancer.config import Place
from fleetctl.errors import FleetError
from fleetctl.spec.model import Balance
from fleetctl.state.observed import Replica
from fleetctl.state.rotation import Rotation, server_name

Servers = dict[str, list[Place]]
"""Where servers are asked, by pool."""


def place_of(label: str, port: int, replica: Replica, networks: Collection[str]) -> Place:
    """Where a balancer that is in these networks asks a replica. Raises FleetError when it has no address there."""
    for name, endpoint in replica.endpoints.items():
        address = endpoint.ipv4 or endpoint.ipv6
        if address and name in networks:
            return Place(server_name(label, replica.id), address, port)
    raise FleetError(
        f"{replica.name} has no address in a network of the balancer: it is {replica.state}",
        hint="run 'fleetctl up' again: it mends networks, too",
    )


def places_of(balances: Sequence[Balance], replicas: Iterable[Replica], networks: frozenset[str]) -> Servers:
    """Every replica that runs, in the pools of its service."""
    running = [one for one in replicas if one.state == "running" and networks & one.endpoints.keys()]
    return {
        balance.pool: [
            place_of(one.label, balance.target_port, one, networks) for one in running if one.service == balance.service
        ]
        for balance in balances
    }


def admitted(rotation: Rotation) -> Servers:
    """Those that are ready, by pool."""
    return {
        pool: [Place(one.name, one.address, one.port) for one in servers if one.admission == "ready"]
        for pool, servers in rotation.servers.items()
    }
