"""What a row of the laboratory is: how to break something, what to ask, and what diagnose must then say."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from tests.lab.fleet import Fleet

Injection = Callable[[Fleet], contextlib.AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """One row. `asks` are diagnose's arguments (names in braces: Fleet.names). `expects` are findings that must be
    among those named: each "hop/cause", or for a cause that nobody listed "hop" alone ("hop|hop" where either is
    fair); the first of them must be the verdict. `tolerates` are causes that are true as well and may be the verdict
    instead. `reachable` is what diagnose must say while the fault is there, None where an answer comes all the same."""

    row: str
    title: str
    asks: str
    expects: tuple[str, ...]
    inject: Injection
    tolerates: tuple[str, ...] = ()
    reachable: bool | None = False
    healthy: str | None = None
    """What to ask where all is well, when not the same."""
    place: Literal["fleet", "engine"] = "fleet"
    """Where it happens: in the fleet's laboratory, or in the one whose engine may be restarted."""
    from_outside: bool = False
    """Whether fleetctl runs on another machine than the engine, and speaks to it over TCP."""

    @property
    def number(self) -> tuple[str, int, str]:
        """Sorts rows: 2 before 14, 60a before 60b, unlisted ones last."""
        listed = self.row[0].isdigit()
        digits = "".join(filter(str.isdigit, self.row))
        return "" if listed else self.row[0], int(digits), self.row


FAULTS: list[Fault] = []


def fault(
    row: str, title: str, asks: str, *expects: str, tolerates: tuple[str, ...] = (), reachable: bool | None = False,
    healthy: str | None = None, place: Literal["fleet", "engine"] = "fleet", from_outside: bool = False,
) -> Callable[[Callable[[Fleet], Iterator[None]]], Callable[[Fleet], Iterator[None]]]:  # fmt: skip
    """Make a row of a generator that breaks something before its yield and heals it after."""

    def register(injection: Callable[[Fleet], Iterator[None]]) -> Callable[[Fleet], Iterator[None]]:
        inject = contextlib.contextmanager(injection)
        FAULTS.append(Fault(row, title, asks, expects, inject, tolerates, reachable, healthy, place, from_outside))
        return injection

    return register


NOT_HERE: dict[str, tuple[str, str]] = {
    # row: (fault, why it is not injected here)
    "40": ("Address pools overlap or are used up", "an error of `up`, not of a request; tested with it"),
    "49": ("VLAN filtering", "this kernel is built without it (CONFIG_BRIDGE_VLAN_FILTERING)"),
    "77": ("A stale server in the balancer", "the laboratory has no balancer; tests/e2e/test_stats.py breaks one so"),
    "79": ("A cloud's firewall", "needs a network that is not ours; from the host nothing can be seen of it"),
}
"""Rows of the list that no test injects."""
