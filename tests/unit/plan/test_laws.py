"""Laws that hold for every plan."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleetctl.spec.model import Fleet
from tests.fakes.memory_engine import MemoryEngine
from tests.unit.plan.story import carry_out, deploy, happen, make_plan, provide_images, read_fleet, shuffled

CASES = sorted(
    path
    for path in (Path(__file__).parents[2] / "cases" / "plan").glob("*.yaml")
    if "error" not in yaml.safe_load(path.read_text())
)


def stage(path: Path, directory: Path) -> tuple[MemoryEngine, Fleet]:
    """The engine as a case leaves it, and the fleet it shall become."""
    case = yaml.safe_load(path.read_text())
    engine = MemoryEngine()
    if "before" in case:
        former = read_fleet(case["before"], directory)
        provide_images(engine, former)
        deploy(engine, former)
    for event in case.get("meanwhile", []):
        happen(engine, event)
    fleet = read_fleet(case.get("now", case.get("before")), directory)
    provide_images(engine, fleet)
    engine.acted.clear()
    engine.running.clear()
    return engine, fleet


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_applying_a_plan_leaves_nothing_to_do(path: Path, tmp_path: Path) -> None:
    """Deploy, look again: the next plan is empty."""
    engine, fleet = stage(path, tmp_path)
    assert not deploy(engine, fleet).failures
    assert str(make_plan(engine, fleet)) == ""


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_no_order_but_what_the_steps_say_is_needed(path: Path, tmp_path: Path) -> None:
    """Steps that may run in any order do, one run in this one and another in that."""
    before, fleet = stage(path, tmp_path)
    for seed in range(4):
        engine = copy.deepcopy(before)
        assert not carry_out(engine, shuffled(make_plan(engine, fleet), seed)).failures
        assert str(make_plan(engine, fleet)) == ""


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_same_input_gives_the_same_plan(path: Path, tmp_path: Path) -> None:
    """Planning reads nothing but its input and changes nothing."""
    engine, fleet = stage(path, tmp_path)
    first = make_plan(engine, fleet)
    assert make_plan(engine, fleet) == first
    assert engine.acted == []


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_crash_after_any_action_heals(path: Path, tmp_path: Path) -> None:
    """Whatever action was the last before the engine died, the next run converges to the same names."""
    before, fleet = stage(path, tmp_path)
    engine = copy.deepcopy(before)
    deploy(engine, fleet)
    wanted = sorted(replica.name for replica in engine.observe(fleet.name).replicas)
    for after in range(len(engine.acted)):
        crashed = copy.deepcopy(before)
        crashed.dies_after = after
        deploy(crashed, fleet)
        crashed.dies_after = None
        for _ in range(3):
            if not make_plan(crashed, fleet):
                break
            assert not deploy(crashed, fleet).failures
        assert str(make_plan(crashed, fleet)) == ""
        assert sorted(replica.name for replica in crashed.observe(fleet.name).replicas) == wanted
        assert all(replica.state != "created" for replica in crashed.replicas.values())


START_FIRST = [
    path
    for path in CASES
    if path.stem
    in (
        "changed-environment-rolls-one-by-one",
        "parallelism-zero-means-all-at-once",
        "parallelism-and-delay-make-batches",
    )
]


@pytest.mark.parametrize("path", START_FIRST, ids=lambda path: path.stem)
def test_capacity_never_falls_below_the_wanted_replicas_even_when_an_update_is_resumed(
    path: Path, tmp_path: Path
) -> None:
    """Start-first: whatever action was the last before a crash, as many run as are wanted, then and while the next run
    finishes the update."""
    before, fleet = stage(path, tmp_path)
    wanted = fleet.services["web"].replicas
    whole = copy.deepcopy(before)
    deploy(whole, fleet)
    assert len(START_FIRST) == 3
    for after in range(len(whole.acted)):
        engine = copy.deepcopy(before)
        engine.dies_after = after
        deploy(engine, fleet)
        engine.dies_after = None
        while make_plan(engine, fleet):
            assert not deploy(engine, fleet).failures
        assert min(engine.running) >= wanted


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_step_comes_after_those_it_needs(path: Path, tmp_path: Path) -> None:
    """Ids are unique, and no step waits for a later one."""
    engine, fleet = stage(path, tmp_path)
    seen: set[str] = set()
    for step in make_plan(engine, fleet).steps:
        assert step.id not in seen
        assert {*step.after, *step.behind} <= seen
        assert step.because
        seen.add(step.id)


def test_a_new_one_that_never_gets_ready_leaves_the_old_set_untouched(tmp_path: Path) -> None:
    """Start-first: the failed newcomer is removed, every old replica still runs, and the next batch never begins."""
    engine = MemoryEngine()
    services: dict[str, dict[str, Any]] = {"web": {"image": "app", "deploy": {"replicas": 3}}}
    former = read_fleet({"services": services}, tmp_path)
    provide_images(engine, former)
    deploy(engine, former)
    before = dict(engine.replicas)
    services["web"]["environment"] = {"BROKEN": "1"}
    report = deploy(engine, read_fleet({"services": services}, tmp_path), unready=["f-web-1.next"])
    assert [failure.step.id for failure in report.failures] == ["await f-web-1.next"]
    assert engine.replicas == before


def test_continue_updates_the_rest_after_a_failure(tmp_path: Path) -> None:
    """failure_action continue: the batch after the failed one is carried out."""
    engine = MemoryEngine()
    deploy_key = {"replicas": 2, "update_config": {"failure_action": "continue"}}
    services: dict[str, dict[str, Any]] = {"web": {"image": "app", "deploy": deploy_key}}
    former = read_fleet({"services": services}, tmp_path)
    provide_images(engine, former)
    deploy(engine, former)
    ids = {replica.name: replica.id for replica in engine.replicas.values()}
    services["web"]["environment"] = {"BROKEN": "1"}
    deploy(engine, read_fleet({"services": services}, tmp_path), unready=["f-web-1.next"])
    now = {replica.name: replica.id for replica in engine.replicas.values()}
    assert now.keys() == ids.keys()
    assert now["f-web-1"] == ids["f-web-1"]
    assert now["f-web-2"] != ids["f-web-2"]
