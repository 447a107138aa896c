"""How many probes a server gets at once: diagnose is never the reason why somebody is turned away."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping

from fleetctl.inquiry.cases import Case
from fleetctl.state.network import Namespace
from fleetctl.state.probes import Probe

FEW = 4
"""Probes at once where the queue is not known: fewer than the smallest of common ones takes (5, Python's
socketserver)."""

Sending = tuple[Case, int, Probe]
"""A probe, and the way of a case that it is for."""


def in_rounds(sendings: Iterable[Sending], namespaces: Mapping[int, Namespace]) -> list[list[Sending]]:
    """What is sent at once, and what after that: in each round no server gets more than it has room for. There is one
    round at least."""
    rounds: list[list[Sending]] = [[]]
    counts: Counter[tuple[int, int]] = Counter()
    for sending in sendings:
        container, port = sending[0].meant.container, sending[0].meant.port
        pid = container.pid if container is not None else None
        if pid is None or port is None:
            rounds[0].append(sending)
            continue
        room = room_for(namespaces.get(pid, Namespace()), port) or sys.maxsize
        number = counts[pid, port] // room
        counts[pid, port] += 1
        rounds += [[] for _ in range(number + 1 - len(rounds))]
        rounds[number].append(sending)
    return rounds


def room_for(namespace: Namespace, port: int) -> int | None:
    """How many may ask at once so that the queue of the server at that port has room for somebody else, too; None where
    nothing listens. The queue takes one more than its backlog (Linux, sk_acceptq_is_full)."""
    if namespace.listeners is None:
        return FEW
    backlogs = [one.backlog for one in namespace.listeners if one.protocol == "tcp" and one.port == port]
    return max(min(backlogs) - 1, 1) if backlogs else None
