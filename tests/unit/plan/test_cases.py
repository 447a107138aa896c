"""Plans as text: one case file each, in tests/cases/plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fleetctl.errors import FleetError
from fleetctl.plan.wishes import Wishes
from tests.fakes.memory_engine import MemoryEngine
from tests.unit.plan.story import deploy, happen, make_plan, provide_images, read_fleet

CASES = sorted((Path(__file__).parents[2] / "cases" / "plan").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_plan_is_what_the_case_says(path: Path, tmp_path: Path) -> None:
    """A case has: `before`, a fleet that is deployed first; `meanwhile`, what happened to it; `now`, the fleet as it
    shall be (default: as before); `wishes`; and the `plan` as text, or the `error` with its `exit_code`."""
    case = yaml.safe_load(path.read_text())
    engine = MemoryEngine()
    if "before" in case:
        former = read_fleet(case["before"], tmp_path)
        provide_images(engine, former)
        assert not deploy(engine, former).failures
    for event in case.get("meanwhile", []):
        happen(engine, event)
    fleet = read_fleet(case.get("now", case.get("before")), tmp_path)
    provide_images(engine, fleet)
    asked: dict[str, Any] = dict(case.get("wishes", {}))
    wishes = Wishes(services=tuple(asked.pop("services", ())), **asked)
    if "error" in case:
        with pytest.raises(FleetError, match=case["error"]) as caught:
            make_plan(engine, fleet, wishes)
        assert caught.value.exit_code == case["exit_code"]
        return
    plan = make_plan(engine, fleet, wishes)
    assert str(plan) == case["plan"]
    assert list(plan.notices) == case.get("notices", [])


def test_there_are_cases() -> None:
    """An empty folder must not look like success."""
    assert len(CASES) > 20
