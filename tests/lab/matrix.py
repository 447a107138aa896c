"""Writes docs/fault-matrix.md from the results of the laboratory: `python -m tests.lab.matrix RESULTS`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from tests.lab.fault import NOT_HERE, Fault
from tests.lab.laboratory import ROOT
from tests.lab.results import Result, read_results
from tests.lab.rows import HELD_OUT, LISTED, ROWS, UNLISTED

PAGE = ROOT / "docs" / "fault-matrix.md"
HEAD = """# What diagnose names, fault by fault

Every fault below was made in a laboratory (a second engine in network namespaces of its own, `tests/lab`), diagnosed,
and healed. A row is right when `fleetctl diagnose` said that all is well before and after, and in between named the
expected cause as the first one on the way. Rows that begin with `u` are in no list of causes: there only the hop must
be right. Those that begin with `b` were chosen by somebody who did not know how diagnose judges; some were mended
since, and what is still wrong is shown. `make lab` runs all of them and writes this page.
"""


def page(results: Mapping[str, Result]) -> str:
    lines = [HEAD, summary(results), "", "## Known causes", "", *table(LISTED, results)]
    lines += ["", "## Causes in no list", "", *table(UNLISTED, results)]
    lines += ["", "## Held out", "", *table(HELD_OUT, results)]
    lines += ["", "## Not made here", "", "| # | Fault | Why not |", "|---|---|---|"]
    lines += [f"| {row} | {fault} | {why} |" for row, (fault, why) in NOT_HERE.items()]
    return "\n".join(lines) + "\n"


def summary(results: Mapping[str, Result]) -> str:
    held_out = {fault.row for fault in HELD_OUT}
    right = sum(is_right(result) for result in results.values() if result.row not in held_out)
    blind = sum(is_right(result) for result in results.values() if result.row in held_out)
    alarms = sum(not result.healthy_before or not result.healthy_after for result in results.values())
    slowest = max((result.seconds for result in results.values()), default=0)
    missing = sum(fault.row not in results for fault in (*ROWS, *HELD_OUT))
    text = f"**{right} of {len(ROWS)} right**, {blind} of the {len(HELD_OUT)} held out, {alarms} false alarms, "
    text += f"slowest {slowest:.1f} s"
    return text + (f"; {missing} not run." if missing else ".")


def table(faults: list[Fault], results: Mapping[str, Result]) -> list[str]:
    lines = ["| # | Fault | Asked | Expected | Said | | s |", "|---|---|---|---|---|---|---|"]
    for fault in faults:
        expected = ", ".join(f"`{cause.replace('|', '` or `')}`" for cause in fault.expects)
        lines.append(
            f"| {fault.row} | {fault.title} | `{fault.asks}` | {expected} | {answer(results.get(fault.row))} |"
        )
    return lines


def answer(result: Result | None) -> str:
    if result is None:
        return "not run | | "
    alarm = "" if result.healthy_before and result.healthy_after else " (and a false alarm)"
    return f"{result.said.replace('|', '¦')} | {'right' if is_right(result) else 'WRONG'}{alarm} | {result.seconds:.1f}"


def is_right(result: Result) -> bool:
    return result.right and result.healthy_before and result.healthy_after


if __name__ == "__main__":
    with Path(sys.argv[1]).open() as results_file:
        PAGE.write_text(page(read_results(results_file)))
