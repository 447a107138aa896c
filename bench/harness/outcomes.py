"""What became of each request of a load, and what they come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request. `start` is when it was due, on time.monotonic()'s clock; `latency` is the seconds from then to the
    end of its answer or of its failure, so waiting in the generator counts too; `lag` is that waiting. `failure` is
    None for a complete answer with status 200 and the expected body; else BrokenError's kind, "status 503", or "wrong
    body". `resent` tells that it was sent a second time, as load.py says."""

    start: float
    latency: float
    lag: float
    method: str
    path: str
    status: int | None
    failure: str | None
    identity: str | None
    kept: bool
    resent: bool = False

    @property
    def end(self) -> float:
        return self.start + self.latency


@dataclass(frozen=True)
class Outcomes:
    """Those of a whole load or of a part of it, in the order in which they ended."""

    all: Sequence[Outcome]

    @cached_property
    def failed(self) -> list[Outcome]:
        return [one for one in self.all if one.failure is not None]

    @cached_property
    def failures(self) -> Counter[str]:
        """How many failed, by method and kind: "GET reset"."""
        return Counter(f"{one.method} {one.failure}" for one in self.failed)

    @property
    def resent(self) -> int:
        return sum(one.resent for one in self.all)

    @property
    def lag(self) -> float:
        """The longest that the generator itself held a request back."""
        return max((one.lag for one in self.all), default=0.0)

    def percentile(self, share: float, path: str | None = None) -> float:
        """The latency in seconds that this share (0 to 1) of the answered requests did not exceed, of those to one path
        if it is given: the nearest rank. Raises ValueError where none was answered."""
        latencies = sorted(one.latency for one in self.all if one.failure is None and path in (None, one.path))
        if not latencies:
            raise ValueError("no request was answered")
        return latencies[max(0, ceil(share * len(latencies)) - 1)]

    def between(self, since: float, until: float) -> Outcomes:
        """Those that were due in this time of time.monotonic()'s clock."""
        return Outcomes([one for one in self.all if since <= one.start < until])

    @cached_property
    def identities(self) -> dict[str, tuple[float, float, int]]:
        """Each instance that answered: when the first and the last of its answers ended, and their number; in the order
        of their first answers."""
        seen: dict[str, tuple[float, float, int]] = {}
        for one in sorted(self.all, key=lambda one: one.end):
            if one.identity is not None:
                first, _, count = seen.get(one.identity, (one.end, one.end, 0))
                seen[one.identity] = first, one.end, count + 1
        return seen

    def __str__(self) -> str:
        """One line, for tables and for a test that fails."""
        kinds = ", ".join(f"{count} of {kind}" for kind, count in self.failures.most_common())
        line = f"{len(self.all)} requests, {len(self.failed)} failed" + (f" ({kinds})" if kinds else "")
        if self.resent:
            line += f", {self.resent} sent again after an idle connection was closed"
        if len(self.all) > len(self.failed):
            line += f", median {self.percentile(0.5) * 1000:.1f} ms"
        return f"{line}, {len(self.identities)} instances"
