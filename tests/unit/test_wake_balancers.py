"""What becomes of a balancer that ends again and again when `up` or `rollback` comes: what the plan says."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from fleetctl.balancer.driver import Balancers
from fleetctl.controller import converge, wake_balancers, with_balancers_awake
from fleetctl.plan.order import select_services
from fleetctl.plan.outcome import RunReport
from fleetctl.plan.steps import Plan
from fleetctl.plan.wishes import Wishes
from fleetctl.spec.model import Fleet, Service
from fleetctl.state.observed import Observed
from fleetctl.work import Order, Work
from tests.fakes.memory_engine import MemoryEngine
from tests.fakes.memory_rotations import MemoryRotations
from tests.unit.plan import story
from tests.unit.plan.story import carry_out, happen, ignore, make_plan, provide_images, read_fleet


@dataclass(frozen=True)
class MemoryWork(Work):
    """The same in memory. Those in `unready` never get ready; `plans` are those that were carried out, as text."""

    unready: tuple[str, ...] = ()
    plans: list[str] = field(default_factory=list)

    @property
    def memory(self) -> MemoryEngine:
        return cast(MemoryEngine, self.engine)

    def look(self, services: Iterable[Service] = ()) -> Observed:
        observed = self.memory.observe(self.fleet.name, [service.image for service in services])
        return MemoryRotations(self.memory).look(self.fleet, observed)

    def run(self, plan: Plan) -> RunReport:
        self.plans.append(str(plan))
        return carry_out(self.memory, plan, self.unready)

    @property
    def services(self) -> list[Service]:
        wishes = self.order.wishes
        return select_services(self.fleet, wishes.services, dependencies=wishes.dependencies)

    def up(self) -> RunReport:
        """What `deploy` does when the images are there."""
        woken, observed = with_balancers_awake(self, self.look(self.services), self.services)
        return woken if woken.failures else woken + converge(self, observed, self.services)


def fleet_of(directory: Path, lb: dict[str, Any], web: dict[str, Any], **others: Any) -> Fleet:
    networks = others.pop("networks", {})
    services = {
        "lb": {"image": "haproxy", "x-fleet": {"balance": {"service": "web"}}, **lb},
        "web": {"image": "app", "x-fleet": {"http": 8080}, **web},
        **others,
    }
    return read_fleet({"services": services, **({"networks": networks} if networks else {})}, directory)


def hung(former: Fleet, fleet: Fleet, wishes: Wishes | None = None, *unready: str) -> MemoryWork:
    """The former fleet with its balancer between two restarts, and what it is to become."""
    engine = MemoryEngine()
    provide_images(engine, former)
    assert not story.deploy(engine, former).failures
    happen(engine, "restarting f-lb-1")
    balancers = Balancers(cast(Any, engine), fleet.name)  # never asked: there is MemoryRotations
    order = Order(wishes or Wishes())
    return MemoryWork(fleet, cast(Any, engine), balancers, ignore, order, threading.Event(), unready=unready)


def planned(work: MemoryWork) -> str:
    provide_images(work.memory, work.fleet)
    return str(make_plan(work.memory, work.fleet, work.order.wishes))


FIXED = {"ports": ["8080:8080"]}


def test_one_that_goes_with_its_network_is_not_waited_for(tmp_path: Path) -> None:
    lan = {"networks": ["lan"]}
    former = fleet_of(tmp_path, FIXED | lan, lan, networks={"lan": {}})
    work = hung(former, fleet_of(tmp_path, FIXED | lan, lan, networks={"lan": {"internal": True}}))
    plan = planned(work)
    assert not work.up().failures
    assert [one for one in work.plans if one] == [plan]


def test_one_that_is_to_have_the_port_of_what_it_balances_comes_after_it(tmp_path: Path) -> None:
    former = fleet_of(tmp_path, {"ports": ["8081:8080"]}, {"ports": ["8080:80"]})
    work = hung(former, fleet_of(tmp_path, FIXED, {}))
    plan = planned(work)
    assert not work.up().failures
    assert [one for one in work.plans if one] == [plan]


def test_one_that_is_outdated_is_waited_for_where_nothing_is_to_be_recreated(tmp_path: Path) -> None:
    former = fleet_of(tmp_path, FIXED, {})
    work = hung(former, fleet_of(tmp_path, FIXED | {"environment": {"NEXT": "1"}}, {}), Wishes(no_recreate=True))
    before = set(work.memory.replicas)
    assert not work.up().failures
    assert set(work.memory.replicas) == before
    assert work.plans[0] == "await f-lb-1: it does not answer yet\n"


def test_one_that_is_replaced_starts_after_what_it_depends_on(tmp_path: Path) -> None:
    needs = {"depends_on": {"init": {"condition": "service_completed_successfully"}}, "environment": {"NEXT": "1"}}
    init = {"image": "app", "restart": "no"}
    work = hung(fleet_of(tmp_path, FIXED, {}), fleet_of(tmp_path, FIXED | needs, {}, init=init))
    plan = planned(work)
    assert not work.up().failures
    assert [one for one in work.plans if one] == [plan]


def test_one_that_stays_gets_ready_after_what_it_depends_on(tmp_path: Path) -> None:
    """It is waited for first, in vain, and once more when that is there."""
    needs = {"depends_on": {"init": {"condition": "service_completed_successfully"}}}
    fleet = fleet_of(tmp_path, FIXED | needs, {}, init={"image": "app", "restart": "no"})
    work = hung(fleet_of(tmp_path, FIXED, {}), fleet, None, "f-lb-1")
    report = work.up()
    assert [failure.step.id for failure in report.failures] == ["await f-lb-1"]
    (await_,) = (step for step in make_plan(work.memory, fleet).steps if step.id == "await f-lb-1")
    assert "f-init-1" in {one.name for one in work.memory.replicas.values()}
    assert await_.after


@pytest.mark.parametrize("unready", [(), ("f-lb-1",)], ids=["recovers", "does not"])
def test_of_one_that_was_not_asked_for_nothing_is_replaced(tmp_path: Path, unready: tuple[str, ...]) -> None:
    """Where it does not recover nothing is done: it could not be told who came and who went."""
    former = fleet_of(tmp_path, FIXED, {})
    fleet = fleet_of(tmp_path, FIXED | {"image": "haproxy:2"}, {"environment": {"NEXT": "1"}})
    work = hung(former, fleet, Wishes(services=("web",)), *unready)
    before = work.memory.replicas.keys() - {one.id for one in work.memory.replicas.values() if one.service == "web"}
    report = work.up()
    assert [failure.step.id for failure in report.failures] == [f"await {name}" for name in unready]
    assert before <= work.memory.replicas.keys()
    assert any("drain" in plan for plan in work.plans) == (not unready)
    assert len(work.memory.replicas) == 2


def test_a_rollback_waits_for_one_of_another_service_only(tmp_path: Path) -> None:
    fleet = fleet_of(tmp_path, FIXED, {})
    work = hung(fleet, fleet)
    (lb,) = (one.id for one in work.memory.replicas.values() if one.service == "lb")
    wake_balancers(work, work.look(), leaving={lb})
    assert work.plans == [""]
    wake_balancers(work, work.look(), leaving=set())
    assert work.plans[1:] == ["await f-lb-1: it does not answer yet\n"]
