"""Who is in a balancer's rotation and what each server had to do, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from fleetctl.plan.rotation import Pools
from fleetctl.spec.model import Service
from fleetctl.spec.wording import listed
from fleetctl.state.observed import Replica
from fleetctl.state.rotation import Rotation, Server, Traffic, service_in
from fleetctl.view.documents import SCHEMA, Document
from fleetctl.view.tables import Column, show_table
from fleetctl.view.terminal import write
from fleetctl.view.text import safe

POOL = Column("POOL", spare=2, least=8)
COLUMNS = (
    Column("REPLICA"),
    Column("ADDRESS", spare=3),
    Column("STATE", spare=1, least=18),
    Column("SESSIONS", right=True),
    Column("REQUESTS", right=True),
    Column("FAILED", right=True),
    Column("RETRIED", right=True),
)
ADMISSIONS = {"ready": "ready", "drain": "draining", "maint": "maintenance"}
CHECKS = {
    "": "not checked",
    "INI": "not checked yet",
    "SOCKERR": "no socket",
    "L4OK": "",
    "L4TOUT": "no connection in time",
    "L4CON": "no connection",
    "L7OK": "",
    "L7OKC": "",
    "L7TOUT": "no answer in time",
    "L7RSP": "no HTTP",
    "L7STS": "refused by its status",
}
"""What a health check said -> what that means, as far as it is bad (HAProxy Management Guide, 9.1, check_status)."""
WORST_FIRST = ("out", "maintenance", "draining", "down", "ready")
"""How a replica that runs can stand with a balancer."""


def standing(pools: Pools | None, replica: Replica) -> str | None:
    """How a replica stands with all the balancers of its service, the worst of it: one of WORST_FIRST, None where it
    does not run and is with none, or where nothing is known."""
    found = {word(pool.server_of(replica.id), replica) for pool in pools or ()}
    return next((one for one in WORST_FIRST if one in found), None)


def word(server: Server | None, replica: Replica) -> str | None:
    if server is None:
        return "out" if replica.state == "running" else None
    if server.admission != "ready":
        return ADMISSIONS[server.admission]
    return "ready" if server.healthy else "down"


def show_rotations(told: Iterable[tuple[Replica, Service, Rotation]], replicas: Sequence[Replica]) -> None:
    """A table for each balancer: a line for each server, and one for all that its clients asked."""
    for index, (balancer, service, rotation) in enumerate(told):
        if index:
            write("")
        write(safe(title(balancer, service, rotation)))
        many = len(rotation.servers) > 1
        rows = [*server_rows(rotation, replicas), total(rotation)]
        show_table((POOL, *COLUMNS) if many else COLUMNS, rows if many else [row[1:] for row in rows])


def title(balancer: Replica, service: Service, rotation: Rotation) -> str:
    """ "fleet-balancer-1 balances web:8080 (roundrobin)"."""
    algorithms = {one.pool: one.algorithm for one in service.balance}
    names = [f"{name} ({algorithms[name]})" if name in algorithms else name for name in rotation.servers]
    return f"{balancer.name} balances {listed(names)}"


def server_rows(rotation: Rotation, replicas: Sequence[Replica]) -> Iterator[tuple[str, ...]]:
    by_id = {one.id[:12]: one for one in replicas}
    for pool, servers in rotation.servers.items():
        for one in sorted(servers, key=lambda server: (len(server.label), server.label)):
            replica = by_id.get(one.container_id)
            yield (
                pool,
                holder(one, replica),
                one.endpoint,
                state_text(one),
                str(one.sessions),
                *counts(one.traffic),
            )


def holder(server: Server, replica: Replica | None) -> str:
    """Whose place it is; with why nobody answers there where the container says so."""
    if replica is None:
        return f"{server.name} (no container)"
    return replica.name if replica.state == "running" else f"{replica.name} ({replica.state})"


def total(rotation: Rotation) -> tuple[str, ...]:
    sessions = sum(one.sessions for servers in rotation.servers.values() for one in servers)
    return ("", "all", "", "as clients saw it", str(sessions), *counts(rotation.traffic))


def counts(traffic: Traffic) -> tuple[str, str, str]:
    return str(traffic.requests), str(traffic.failed), str(traffic.retried)


def state_text(server: Server) -> str:
    """ "ready, up (L7OK)", "draining, down (L4CON: no connection)"; in maintenance nobody checks it."""
    if server.admission == "maint":
        return ADMISSIONS["maint"]
    what = CHECKS.get(server.check, "")
    check = ": ".join(part for part in (server.check, what) if part)
    return f"{ADMISSIONS[server.admission]}, {'up' if server.healthy else 'down'} ({check})"


def rotations_document(
    fleet_name: str, told: Iterable[tuple[Replica, Service, Rotation]], replicas: Sequence[Replica]
) -> Document:
    """`stats --format json`."""
    names = {one.id[:12]: one.name for one in replicas}
    return {
        "schema": SCHEMA,
        "fleet": fleet_name,
        "balancers": [
            {
                "balancer": balancer.name,
                "service": service.name,
                "id": balancer.id,
                "settled": rotation.settled,
                **traffic_entry(rotation.traffic),
                "pools": [pool_entry(name, service, servers, names) for name, servers in rotation.servers.items()],
            }
            for balancer, service, rotation in told
        ],
    }


def pool_entry(name: str, service: Service, servers: Iterable[Server], names: Mapping[str, str]) -> Document:
    """A pool that fleet.yaml does not have any more has no algorithm."""
    return {
        "pool": name,
        "service": service_in(name),
        "algorithm": next((one.algorithm for one in service.balance if one.pool == name), None),
        "servers": [
            {
                "server": one.name,
                "replica": names.get(one.container_id),
                "address": one.address,
                "port": one.port,
                "admission": one.admission,
                "healthy": one.healthy,
                "check": one.check or None,
                "sessions": one.sessions,
                **traffic_entry(one.traffic),
            }
            for one in servers
        ],
    }


def traffic_entry(traffic: Traffic) -> Document:
    return {"requests": traffic.requests, "failed": traffic.failed, "retried": traffic.retried}
