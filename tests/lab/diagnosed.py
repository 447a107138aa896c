"""What fleetctl diagnose said, as far as a row of the laboratory is judged by it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from subprocess import CompletedProcess
from typing import Any

from tests.lab.fault import Fault
from tests.lab.fleet import Fleet


@dataclass(frozen=True)
class Diagnosed:
    """One run of diagnose. `causes` are its findings as "hop/cause", those of a broken target before others, each
    target's in the order of the way."""

    run: CompletedProcess[str]
    seconds: float
    document: Any

    @property
    def causes(self) -> tuple[str, ...]:
        verdicts = sorted(self.document.get("verdicts", ()), key=lambda verdict: bool(verdict["reachable"]))
        found = (finding for verdict in verdicts for finding in verdict["findings"])
        return tuple(dict.fromkeys(f"{finding['hop']}/{finding['cause']}" for finding in found))

    @property
    def reachable(self) -> bool | None:
        """Whether everything asked for answers, None where the exit code and the document disagree."""
        said = self.document.get("reachable")
        return bool(said) if self.run.returncode == (0 if said else 4) else None

    @property
    def said(self) -> str:
        """In a few words, for people."""
        if not self.document:
            return f"exit {self.run.returncode}: {self.run.stderr.strip().splitlines()[-1:] or 'nothing'}"
        return ", ".join(self.causes) or ("reachable" if self.reachable else "not reachable, no finding")

    @property
    def told(self) -> str:
        """What it said at length: every finding with its evidence; everything when it was no JSON."""
        if not self.document:
            return f"exit {self.run.returncode}\n{self.run.stdout}{self.run.stderr}"
        return "\n".join([f"exit {self.run.returncode}, {self.run.args[-5:-2]}", *self._findings()])

    def _findings(self) -> Iterator[str]:
        for verdict in self.document.get("verdicts", ()):
            yield f"{verdict['target']}: {'reachable' if verdict['reachable'] else 'not reachable'}"
            for finding in verdict["findings"]:
                yield f"  {finding['hop']}/{finding['cause']} at {finding.get('where')}"
                yield from (f"    {evidence['fact']}" for evidence in finding["evidence"])

    def names(self, fault: Fault) -> bool:
        """Whether it names what is broken: everything expected, the first on the way first."""
        first, *others = fault.expects
        found = [cause for cause in self.causes if matches(cause, first)]
        verdict = next(iter(self.causes), "")
        return (
            bool(found)
            and all(any(matches(cause, other) for cause in self.causes) for other in others)
            and (matches(verdict, first) or verdict in fault.tolerates)
            and fault.reachable in (None, self.reachable)
        )


def matches(cause: str, expected: str) -> bool:
    """Whether a "hop/cause" is the expected one; where only hops are expected, any cause of one of them."""
    return cause == expected or cause.partition("/")[0] in expected.split("|")


def diagnose(fleet: Fleet, asks: str, *, outside: bool = False) -> Diagnosed:
    """Ask, with the names of the fleet filled in, on the engine's host or outside."""
    arguments = asks.format(**fleet.names).split()
    began = time.monotonic()
    run = fleet.lab.fleetctl("diagnose", *arguments, "--format", "json", outside=outside)
    seconds = time.monotonic() - began
    try:
        document = json.loads(run.stdout)
    except ValueError:
        document = {}
    return Diagnosed(run, seconds, document)
