"""Where a balancer finds its servers: told by containers that run, and by what it has itself. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from fleetctl.balancer.config import Place
from fleetctl.errors import FleetError
from fleetctl.spec.model import Balance
from fleetctl.state.observed import Replica
from fleetctl.state.rotation import Rotation, server_name


def place_of(balance: Balance, label: str, replica: Replica, networks: Collection[str]) -> Place:
    """Where a balancer that is in these networks asks a replica. Raises FleetError when it has no address there."""
    for name, endpoint in replica.endpoints.items():
        address = endpoint.ipv4 or endpoint.ipv6
        if address and name in networks:
            return Place(server_name(label, replica.id), address, balance.target_port)
    raise FleetError(
        f"{replica.name} has no address in a network of the balancer: it is {replica.state}",
        hint="run 'fleetctl up' again: it mends networks, too",
    )


def places_of(
    balances: Sequence[Balance], replicas: Iterable[Replica], networks: frozenset[str]
) -> dict[str, list[Place]]:
    """Every replica that runs, in the pools of its service."""
    running = [one for one in replicas if one.state == "running" and networks & one.endpoints.keys()]
    return {
        one.pool: [
            place_of(one, label_of(replica), replica, networks) for replica in running if replica.service == one.service
        ]
        for one in balances
    }


def label_of(replica: Replica) -> str:
    return f"{replica.service}-{replica.number}"


def admitted(rotation: Rotation) -> dict[str, list[Place]]:
    """Those that are ready, by pool."""
    return {
        pool: [Place(one.name, one.address, one.port) for one in servers if one.admission == "ready"]
        for pool, servers in rotation.servers.items()
    }
