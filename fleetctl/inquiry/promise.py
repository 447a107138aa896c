"""What a balancer promises of requests that were sent through it, by what it counted before and after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fleetctl.spec.model import Balance
from fleetctl.state.distribution import Promise
from fleetctl.state.observed import Replica
from fleetctl.state.rotation import Rotation, Server, Traffic


def promise_of(
    balance: Balance, before: Rotation | None, after: Rotation | None, own: int, replicas: Sequence[Replica]
) -> Promise:
    """Of `own` requests; `before` and `after` are None where the balancer does not tell."""
    turns = balance.algorithm == "roundrobin"
    promise = Promise(turns=turns, why="" if turns else f"{balance.algorithm} promises none")
    if before is None or after is None:
        return promise
    then, now = (rotation.servers.get(balance.pool, ()) for rotation in (before, after))
    meanwhile = traffic_of(now) - traffic_of(then)
    retried = max(0, meanwhile.retried)
    others = max(0, meanwhile.requests - retried - own) if meanwhile.requests >= 0 else None
    if others is not None and not turns:  # whoever is busy with a request that began before is passed over as well
        others += sum(server.sessions for server in then)
    names = {replica.id[:12]: replica.name for replica in replicas}
    earlier = {server.name: server for server in then}
    standing = {
        names.get(server.container_id, server.name): told
        for server in now
        if (told := left_out(server, earlier.get(server.name), busy=meanwhile.requests > 0))
    }
    return replace(promise, others=others, retried=retried, standing=standing)


def left_out(server: Server, earlier: Server | None, *, busy: bool) -> str:
    """How the balancer has a server to which it sends no requests, else empty: not even one while others of the pool
    were `busy`, though it was free and looked as ready as they."""
    if server.admission != "ready":
        return f"in {server.admission}"
    if not server.healthy:
        return f"not healthy ({server.check or 'not checked yet'})"
    idle = earlier is not None and earlier.traffic.requests == server.traffic.requests and not earlier.sessions
    return "ready, and sends it nothing" if idle and busy else ""


def traffic_of(servers: Sequence[Server]) -> Traffic:
    """All that the servers of a pool had."""
    return sum((server.traffic for server in servers), Traffic())
