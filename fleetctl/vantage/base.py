"""What may be asked of the engine's host, from wherever fleetctl runs: one request, one answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fleetctl.state.filters import Filters, RuleHit, Trace
from fleetctl.state.network import Namespace
from fleetctl.state.probes import Outcome, Probe, Question, Resolution

AT_ONCE = 16
"""Questions and probes that run side by side; each is bounded by its own timeout."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is wanted: the namespaces of these processes and of the host, names resolved, probes sent; and of `traced`
    probes, each alone, which rules counted it and the way its packets took. `deep` reads everything in a namespace,
    without it only interfaces and addresses. `filters` are namespaces whose rules are wanted (None: the host)."""

    pids: tuple[int, ...] = ()
    deep: bool = False
    filters: tuple[int | None, ...] = ()
    questions: tuple[Question, ...] = ()
    probes: tuple[Probe, ...] = ()
    traced: tuple[Probe, ...] = ()

    @property
    def longest(self) -> float:
        """Seconds that questions and probes take at most."""
        waits = [question.timeout for question in self.questions] + [probe.timeout for probe in self.probes]
        return sum(waits) / AT_ONCE + max(waits, default=0) + sum(probe.timeout for probe in self.traced)


@dataclass(frozen=True, slots=True)
class TracedOutcome:
    """A probe sent alone: how it ended, which rules counted it, and the way of its packets."""

    outcome: Outcome
    hits: tuple[RuleHit, ...] = ()
    trace: Trace = field(default_factory=Trace)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answers in the order of the request. `host` and `namespaces` (by pid) say themselves what is unknown."""

    host: Namespace = field(default_factory=Namespace)
    namespaces: Mapping[int, Namespace] = field(default_factory=dict)
    filters: Mapping[int | None, Filters] = field(default_factory=dict)
    resolutions: tuple[Resolution, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    traced: tuple[TracedOutcome, ...] = ()


class Vantage(Protocol):
    """A place from which the engine's host can be asked. It never raises for what cannot be known: the answer says so
    in its part; it raises kinds of FleetError when the place itself is lost."""

    name: str
    """How it asks, for people: "this host", "helper container" or "the engine only"."""
    reasons: tuple[str, ...]
    """Why no better place was taken, one for each that was tried."""

    def ask(self, request: Request) -> Answer:
        """Carry out the request and return the answers."""
