"""A network that doubles another one is removed when nobody is in it any more."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from fleetctl.plan.wishes import Wishes
from tests.fakes.memory_engine import MemoryEngine
from tests.unit.plan.story import carry_out, deploy, happen, make_plan, provide_images, read_fleet, shuffled

BOTH: dict[str, Any] = {
    "services": {"a": {"image": "app", "networks": ["lan"]}, "b": {"image": "app", "networks": ["lan"]}},
    "networks": {"lan": {}},
}
ONE = {**BOTH, "services": {"a": BOTH["services"]["a"]}}


@pytest.fixture
def engine(tmp_path: Path) -> MemoryEngine:
    """Both services run, b-1 in a second network of the same name."""
    engine, fleet = MemoryEngine(), read_fleet(BOTH, tmp_path)
    provide_images(engine, fleet)
    assert not deploy(engine, fleet).failures
    happen(engine, "other-network f-b-1 10.250.0.0/24")
    return engine


def test_it_stays_while_an_orphan_is_in_it(engine: MemoryEngine, tmp_path: Path) -> None:
    fleet = read_fleet(ONE, tmp_path)
    plan = make_plan(engine, fleet)
    assert str(plan) == ""
    assert any(notice.startswith("f-b-1: in a second network f_lan") for notice in plan.notices)


def test_it_stays_while_a_service_that_was_not_asked_for_is_in_it(engine: MemoryEngine, tmp_path: Path) -> None:
    assert str(make_plan(engine, read_fleet(BOTH, tmp_path), Wishes(services=("a",)))) == ""


@pytest.mark.parametrize(("document", "wishes"), [(ONE, Wishes(remove_orphans=True)), (BOTH, Wishes())])
def test_it_goes_after_whoever_was_in_it(
    engine: MemoryEngine, tmp_path: Path, document: dict[str, Any], wishes: Wishes
) -> None:
    fleet = read_fleet(document, tmp_path)
    for seed in range(12):
        mended = copy.deepcopy(engine)
        assert not carry_out(mended, shuffled(make_plan(mended, fleet, wishes), seed)).failures
        assert not make_plan(mended, fleet, wishes)
        assert len(mended.networks) == 1
