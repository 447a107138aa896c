"""Asks the kernel of this host, on which the engine's containers live."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from fleetctl.check.probe import ask
from fleetctl.net.names import resolve
from fleetctl.net.namespaces import inside, read_namespaces
from fleetctl.net.rules import hits, read_filters
from fleetctl.net.trace import traced
from fleetctl.state.filters import Filters
from fleetctl.state.probes import Outcome, Probe
from fleetctl.vantage.base import AT_ONCE, Answer, Request, TracedOutcome


class Local:
    """A Vantage on the engine's own host. What this process may not know is unknown, with the reason."""

    name = "this host"

    def __init__(self, reasons: tuple[str, ...] = ()) -> None:
        self.reasons = reasons

    def ask(self, request: Request) -> Answer:
        """Questions and probes first, side by side, then the traced probes one by one: so namespaces and rules, which
        are read last, show what they have left behind, such as a neighbour that did not answer."""
        with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="probe") as pool:
            resolutions = pool.map(resolve, request.questions)
            outcomes = tuple(pool.map(send, request.probes))
        followed = tuple(follow(probe, request.filters) for probe in request.traced)
        host, namespaces = read_namespaces(request.pids, deep=request.deep)
        return Answer(
            host=host,
            namespaces=namespaces,
            filters=filters_of(request.filters),
            resolutions=tuple(resolutions),
            outcomes=outcomes,
            traced=followed,
        )


def send(probe: Probe) -> Outcome:
    """Only the socket is made in the probe's namespace: it stays there, and the work is done here."""

    def open_socket(family: int) -> socket.socket:
        return socket.socket(family, socket.SOCK_STREAM)

    if probe.pid is None:
        return ask(probe, open_socket)
    return ask(probe, lambda family: inside(probe.pid, lambda: open_socket(family)))


def follow(probe: Probe, others: Iterable[int | None]) -> TracedOutcome:
    """One probe that runs alone, with the rules that counted it on the host, where it starts and in `others`."""
    where = dict.fromkeys((None, probe.pid, *others))
    before = filters_of(where)
    outcome, trace = traced(lambda: send(probe))
    after = filters_of(where)
    counted = (replace(hit, namespace=pid) for pid in where for hit in hits(before[pid], after[pid]))
    return TracedOutcome(outcome, tuple(counted), trace)


def filters_of(pids: Iterable[int | None]) -> Mapping[int | None, Filters]:
    return {pid: read_inside(pid) for pid in pids}


def read_inside(pid: int | None) -> Filters:
    """The rules in the namespace of a process, None the host's; why they are unknown where it cannot be entered."""
    try:
        return inside(pid, read_filters)
    except OSError as error:
        reason = f"the namespace of process {pid} cannot be entered: {error.strerror}"
        return Filters(unknown=dict.fromkeys(("iptables", "ip6tables", "iptables-legacy", "nft"), reason))
