"""Asks every replica by its own address and judges the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from fleetctl.check.http import fetch
from fleetctl.check.identity import read_identity
from fleetctl.check.reach import address_of, why_unreachable
from fleetctl.spec.model import HttpSettings, Service
from fleetctl.state.observed import Replica
from fleetctl.state.probes import ReplicaReply, Reply

AT_ONCE = 16


def check_replicas(
    pairs: Iterable[tuple[Replica, Service]],
    *,
    host: str | None = None,
    path: str | None = None,
    timeout: float = 5.0,
) -> tuple[ReplicaReply, ...]:
    """One reply per replica of a service that speaks HTTP, in the order given. `host` is the engine's, None for this
    one. Two replicas that give the same identity are both in error."""
    asked = [(replica, service.http) for replica, service in pairs if service.http is not None]

    def ask(pair: tuple[Replica, HttpSettings]) -> ReplicaReply:
        replica, http = pair
        wanted = path if path is not None else http.path
        address = address_of(replica, http, host)
        if replica.state != "running" or address is None:
            why = f"it is {replica.state}" if replica.state != "running" else why_unreachable(replica, http, host)
            reply = Reply(f"http://-:{http.port}{wanted}", error=why)
        else:
            reply = fetch(*address, wanted, timeout=timeout)
        error = reply.error or (None if reply.answered else f"HTTP {reply.status}")
        identity = read_identity(reply.body, http.identity) if reply.answered else None
        return ReplicaReply(replica.name, replica.service, reply, identity, error)

    if not asked:
        return ()
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(asked))) as pool:
        return mark_duplicates(list(pool.map(ask, asked)))


def mark_duplicates(replies: Sequence[ReplicaReply]) -> tuple[ReplicaReply, ...]:
    """Within a service every identity belongs to one replica only."""
    counts = Counter((reply.service, reply.identity) for reply in replies if reply.identity is not None)
    return tuple(
        replace(reply, error=reply.error or f"its identity {reply.identity} is given by {others(reply, replies)} too")
        if reply.identity is not None and counts[reply.service, reply.identity] > 1
        else reply
        for reply in replies
    )


def others(reply: ReplicaReply, replies: Iterable[ReplicaReply]) -> str:
    return ", ".join(
        other.replica
        for other in replies
        if other.service == reply.service and other.identity == reply.identity and other.replica != reply.replica
    )
