"""Taking a fleet down and stopping it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleetctl.plan.order import select_services
from fleetctl.plan.power import plan_stop
from fleetctl.plan.steps import Plan
from fleetctl.plan.teardown import plan_teardown
from fleetctl.spec.model import Fleet
from tests.fakes.memory_engine import MemoryEngine
from tests.unit.plan.story import deploy, provide_images, read_fleet

DOCUMENT: dict[str, Any] = {
    "services": {
        "web": {"image": "app", "depends_on": ["db"]},
        "db": {"image": "db"},
        "other": {"image": "app"},
    }
}


@pytest.fixture
def stage(tmp_path: Path) -> tuple[MemoryEngine, Fleet]:
    engine = MemoryEngine()
    fleet = read_fleet(DOCUMENT, tmp_path)
    provide_images(engine, fleet)
    deploy(engine, fleet)
    return engine, fleet


def behind(plan: Plan, step_id: str) -> set[str]:
    (step,) = (step for step in plan.steps if step.id == step_id)
    return {*step.behind, *step.after}


def test_a_service_goes_before_those_it_depends_on(stage: tuple[MemoryEngine, Fleet]) -> None:
    """The database outlives the requests in flight; what is not related goes at the same time."""
    engine, fleet = stage
    plan = plan_teardown(engine.observe(fleet.name), select_services(fleet))
    assert behind(plan, "stop f-db-1") == {"remove f-web-1"}
    assert behind(plan, "stop f-other-1") == set()
    assert behind(plan, "remove network f_default") == {"remove f-db-1", "remove f-other-1", "remove f-web-1"}


def test_down_without_a_file_removes_everything_of_the_fleet(stage: tuple[MemoryEngine, Fleet]) -> None:
    """The labels are enough."""
    engine, fleet = stage
    plan = plan_teardown(engine.observe(fleet.name))
    assert {step.id for step in plan.steps} >= {"remove f-db-1", "remove f-web-1", "remove network f_default"}


def test_stopping_keeps_the_same_order(stage: tuple[MemoryEngine, Fleet]) -> None:
    """And leaves what is at rest alone."""
    engine, fleet = stage
    plan = plan_stop(fleet, engine.observe(fleet.name), select_services(fleet))
    assert behind(plan, "stop f-db-1") == {"stop f-web-1"}
    assert behind(plan, "stop f-other-1") == set()
