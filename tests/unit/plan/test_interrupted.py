"""What an update leaves that was broken off when the old container had been stopped for its successor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fleetctl.errors import FleetError
from fleetctl.plan.actions import Action, StartReplica
from fleetctl.plan.wishes import Wishes
from fleetctl.spec.model import Fleet
from tests.fakes.memory_engine import MemoryEngine
from tests.unit.plan.story import deploy, happen, make_plan, provide_images, read_fleet

STATES = {
    "created": "created f-web-1.next",
    "running": None,
    "restarting": "restarting f-web-1.next",
    "paused": "pause f-web-1.next",
    "exited": "kill f-web-1.next 1",
}
"""What became of the successor, and how."""


def released(directory: Path, release: str, **web: Any) -> Fleet:
    """Web, with one host port, which two of it cannot have at once."""
    keys = {"image": "app", "ports": ["8080:80"], "environment": {"RELEASE": release}, **web}
    return read_fleet({"services": {"web": keys}}, directory)


def broken_off(
    former: Fleet,
    fleet: Fleet,
    event: str | None,
    service: str = "web",
    steps: Sequence[str] = ("stop", "create", "start"),
) -> tuple[MemoryEngine, str]:
    """An engine where the update to `fleet` ended when the successor had been started, and something happened to it;
    and the id of the old container."""
    engine = MemoryEngine()
    provide_images(engine, former)
    assert not deploy(engine, former).failures
    (old,) = (one.id for one in engine.replicas.values() if one.service == service)
    engine.dies_after = len(engine.acted) + len(steps)
    assert deploy(engine, fleet).failures
    engine.dies_after = None
    if event is not None:
        happen(engine, event)
    return engine, old


def states(engine: MemoryEngine) -> dict[str, str]:
    return {one.name: one.state for one in engine.replicas.values()}


@pytest.mark.parametrize("event", STATES.values(), ids=STATES)
@pytest.mark.parametrize(
    "wishes", [Wishes(), Wishes(force_recreate=True), Wishes(no_recreate=True)], ids=["up", "force", "keep"]
)
def test_the_old_one_serves_again_where_the_successor_does_not(
    tmp_path: Path, event: str | None, wishes: Wishes
) -> None:
    fleet = released(tmp_path, "bad")
    engine, old = broken_off(released(tmp_path, "good"), fleet, event)
    assert states(engine)["f-web-1"] == "exited"
    report = deploy(engine, fleet, wishes=wishes, unready=["f-web-1.next"])
    assert [failure.step.id for failure in report.failures] == ["await f-web-1.next"]
    assert set(engine.replicas) == {old}
    assert states(engine) == {"f-web-1": "running"}


@pytest.mark.parametrize("event", STATES.values(), ids=STATES)
@pytest.mark.parametrize("wishes", [Wishes(), Wishes(force_recreate=True)], ids=["up", "force"])
def test_the_successor_takes_over_once_it_serves(tmp_path: Path, event: str | None, wishes: Wishes) -> None:
    fleet = released(tmp_path, "better")
    engine, old = broken_off(released(tmp_path, "good"), fleet, event)
    assert not deploy(engine, fleet, wishes=wishes).failures
    assert old not in engine.replicas
    assert states(engine) == {"f-web-1": "running"}
    assert not make_plan(engine, fleet)


class Refusing(MemoryEngine):
    """Starts nothing that waits to take over."""

    def apply(self, action: Action) -> str:
        if isinstance(action, StartReplica) and action.replica.name.endswith(".next"):
            raise FleetError(f"could not start {action.replica.name}")
        return super().apply(action)


def test_the_old_one_serves_again_where_the_successor_cannot_even_be_started(tmp_path: Path) -> None:
    fleet = released(tmp_path, "bad")
    engine, old = broken_off(released(tmp_path, "good"), fleet, STATES["created"])
    report = deploy(Refusing(**vars(engine)), fleet)
    assert [failure.step.id for failure in report.failures] == ["start f-web-1.next"]
    assert set(engine.replicas) == {old}
    assert states(engine) == {"f-web-1": "running"}


def test_an_old_one_that_is_wanted_again_has_the_port_before_it_starts(tmp_path: Path) -> None:
    fleet = released(tmp_path, "good")
    engine, old = broken_off(fleet, released(tmp_path, "bad"), STATES["restarting"])
    done = [result.step.id for result in deploy(engine, fleet).results if result.status == "done"]
    assert done.index("remove f-web-1.next") < done.index("start f-web-1")
    assert set(engine.replicas) == {old}


def test_a_job_that_has_done_its_work_is_not_tried_out(tmp_path: Path) -> None:
    former, fleet = (released(tmp_path, release, restart="no", ports=[]) for release in ("good", "better"))
    engine, _ = broken_off(former, fleet, None, steps=("create", "start"))
    assert states(engine) == {"f-web-1": "running", "f-web-1.next": "running"}
    happen(engine, "finish f-web-1")
    happen(engine, "finish f-web-1.next")
    assert not any(step.id.startswith(("start", "await")) for step in make_plan(engine, fleet).steps)


def test_those_that_wait_for_it_wait_until_it_is_tried_out(tmp_path: Path) -> None:
    late = {"image": "app", "depends_on": {"web": {"condition": "service_healthy"}}}
    fleet = released(tmp_path, "bad")
    engine, _ = broken_off(released(tmp_path, "good"), fleet, STATES["restarting"])
    web = {"image": "app", "ports": ["8080:80"], "environment": {"RELEASE": "bad"}}
    deploy(engine, read_fleet({"services": {"web": web, "late": late}}, tmp_path), unready=["f-web-1.next"])
    assert states(engine) == {"f-web-1": "running"}


@pytest.mark.parametrize("verb", ["restarting", "kill", "created"])
def test_a_balancer_that_comes_back_knows_who_was_replaced_meanwhile(tmp_path: Path, verb: str) -> None:
    def balanced(release: str, variable: str) -> Fleet:
        web = {"image": "app", "environment": {"RELEASE": release}, "x-fleet": {"http": 8080}}
        keys = {"image": "haproxy", "ports": ["8080:8080"], "environment": {"BALANCER": variable}}
        return read_fleet(
            {"services": {"web": web, "lb": {**keys, "x-fleet": {"balance": {"service": "web"}}}}}, tmp_path
        )

    steps = ("stop", "create", "configure", "start")
    engine, old = broken_off(balanced("1", "good"), balanced("1", "bad"), f"{verb} f-lb-1.next", "lb", steps)
    assert deploy(engine, balanced("2", "bad"), unready=["f-lb-1.next"]).failures
    assert states(engine) == {"f-lb-1": "running", "f-web-1": "running"}
    (web,) = (one for one in engine.replicas.values() if one.service == "web")
    (servers,) = engine.pools[old].values()
    assert [server.container_id for server in servers.values()] == [web.id[:12]]


@pytest.mark.parametrize("steps", [("stop",), ("stop", "create")], ids=["no successor yet", "one that never ran"])
def test_an_old_one_that_was_asked_to_end_serves_again_where_its_successor_fails(
    steps: tuple[str, ...], tmp_path: Path
) -> None:
    former = released(tmp_path, "1")
    fleet = released(tmp_path, "2")
    engine, old = broken_off(former, fleet, None, steps=steps)
    assert engine.replicas[old].state == "exited"
    report = deploy(engine, fleet, unready=["f-web-1.next"])
    assert [result.step.id for result in report.failures] == ["await f-web-1.next"]
    assert states(engine) == {"f-web-1": "running"}
    assert engine.replicas[old].state == "running"
    assert not deploy(engine, fleet).failures
    assert not make_plan(engine, fleet)
