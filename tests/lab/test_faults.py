"""Faults of the laboratory are named, some of each hop, and nothing is named where there is none."""

from __future__ import annotations

import pytest

from tests.lab.diagnosed import diagnose
from tests.lab.fault import Fault
from tests.lab.fleet import Fleet
from tests.lab.results import Result, record
from tests.lab.rows import SAMPLE

seen_healthy: dict[str, str] = {}
"""By laboratory the question that was last answered with "all is well", while nothing has been changed since."""


def row_name(fault: Fault) -> str:
    """row_07, row_60b, row_u03: no name begins another one."""
    digits = "".join(filter(str.isdigit, fault.row))
    return f"row_{fault.row.replace(digits, digits.zfill(2))}"


def why_not_healthy(fleet: Fleet, asks: str) -> str | None:
    """What diagnose says against a fleet in which nothing is broken; one just seen healthy is not asked again."""
    if seen_healthy.get(fleet.lab.name) == asks:
        return None
    diagnosed = diagnose(fleet, asks)
    if diagnosed.reachable and not diagnosed.causes:
        seen_healthy[fleet.lab.name] = asks
        return None
    return diagnosed.told


def is_named_while_it_is_there(fault: Fault, request: pytest.FixtureRequest) -> None:
    """Ask before the fault, while it is there, and after it is healed; keep what was said."""
    fleet: Fleet = request.getfixturevalue("fleet" if fault.place == "fleet" else "proxyless_fleet")
    question = fault.healthy or fault.asks
    before = why_not_healthy(fleet, question)
    seen_healthy.clear()
    with fault.inject(fleet):
        diagnosed = diagnose(fleet, fault.asks, outside=fault.from_outside)
    after = why_not_healthy(fleet, question)
    right = diagnosed.names(fault)
    judged = (diagnosed.said, right, before is None, after is None, round(diagnosed.seconds, 2), diagnosed.told)
    record(Result(fault.row, fault.title, fault.asks, fault.expects, *judged))
    assert before is None, f"before the fault: {before}"
    assert right, f"expected {', '.join(fault.expects)}, reachable {fault.reachable}: {diagnosed.told}"
    assert after is None, f"after the fault was healed: {after}"


@pytest.mark.parametrize("fault", SAMPLE, ids=row_name)
def test_a_fault_is_named_while_it_is_there_and_only_then(fault: Fault, request: pytest.FixtureRequest) -> None:
    is_named_while_it_is_there(fault, request)
