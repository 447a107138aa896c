"""What became of each row in a run, kept as one JSON document a line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

VARIABLE = "FLEET_LAB_RESULTS"
"""Names the file to which the tests append."""


@dataclass(frozen=True)
class Result:
    """One row: what was expected and said, whether that was right, and how long the diagnosis took, in seconds."""

    row: str
    title: str
    asked: str
    expected: tuple[str, ...]
    said: str
    right: bool
    healthy_before: bool
    healthy_after: bool
    seconds: float
    told: str
    """What diagnose said at length."""


def record(result: Result) -> None:
    named = os.environ.get(VARIABLE)
    if named:
        with Path(named).open("a") as file:
            file.write(json.dumps(asdict(result)) + "\n")


def read_results(lines: Iterable[str]) -> dict[str, Result]:
    """The last result of every row."""
    results = {}
    for line in lines:
        values = json.loads(line)
        results[values["row"]] = Result(**{**values, "expected": tuple(values["expected"])})
    return results
