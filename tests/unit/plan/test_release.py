"""Going back: which release comes before the one that runs, and that putting it back gives what was there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleetctl.errors import FleetError
from fleetctl.plan.outcome import RunReport
from fleetctl.plan.release import Return, describe_return, failed_updates, former_release, with_returns
from fleetctl.plan.replicas import plan_replicas
from fleetctl.plan.steps import Plan
from fleetctl.plan.wishes import Wishes
from fleetctl.spec.model import Fleet
from fleetctl.state.observed import Observed, ObservedImage, Release
from tests.fakes.memory_engine import MemoryEngine
from tests.fakes.memory_rotations import MemoryRotations
from tests.unit.plan.story import carry_out, deploy, provide_images, read_fleet


class Story:
    """A fleet with one service, `web`, of which one release follows another."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.engine = MemoryEngine()

    def fleet(self, replicas: int = 2, **web: Any) -> Fleet:
        deployed = {"replicas": replicas, **web.pop("deploy", {})}
        return read_fleet({"services": {"web": {"image": "app", "deploy": deployed, **web}}}, self.directory)

    def up(self, fleet: Fleet, *unready: str) -> RunReport:
        provide_images(self.engine, fleet)
        return deploy(self.engine, fleet, unready=unready)

    def look(self, fleet: Fleet) -> Observed:
        images = [service.image for service in fleet.services.values()]
        ids = {one.id for one in self.engine.images.values()}
        observed = MemoryRotations(self.engine).look(fleet, self.engine.observe(fleet.name, images))
        by_id = {one.id: one for one in self.engine.images.values() if one.id in ids}
        return replace(observed, images={**observed.images, **by_id})

    def plan_back(self, fleet: Fleet, release: Release | None = None) -> Plan:
        observed = self.look(fleet)
        web = fleet.services["web"]
        there = describe_return(fleet, web, release or former_release(observed, web), web.replicas)
        former, foreseen = with_returns(fleet, observed, [there])
        return plan_replicas(former, foreseen, Wishes(services=("web",), dependencies=False, restoring=True))

    def back(self, fleet: Fleet, release: Release | None = None, *unready: str) -> RunReport:
        return carry_out(self.engine, self.plan_back(fleet, release), unready)

    def digests(self) -> list[dict[str, str]]:
        return [dict(one.digests) for one in self.engine.observe("f").replicas]


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


def test_going_back_gives_what_was_there_and_going_back_again_undoes_it(story: Story) -> None:
    first, second = story.fleet(environment={"A": "1"}), story.fleet(environment={"A": "2"})
    story.up(first)
    was = story.digests()
    story.up(second)
    now = story.digests()
    assert was != now
    story.back(second)
    assert story.digests() == was
    story.back(second)
    assert story.digests() == now


def test_a_first_release_has_none_before_it(story: Story) -> None:
    fleet = story.fleet()
    story.up(fleet)
    with pytest.raises(FleetError, match="web has no former release: f-web-2 belongs to the first one"):
        story.plan_back(fleet)


def test_scaling_and_recreating_keep_the_former_release(story: Story) -> None:
    story.up(story.fleet(environment={"A": "1"}))
    was = story.digests()
    second = story.fleet(environment={"A": "2"})
    story.up(second)
    provide_images(story.engine, second)
    deploy(story.engine, second, wishes=Wishes(force_recreate=True))
    story.up(story.fleet(replicas=3, environment={"A": "2"}))
    story.back(story.fleet(replicas=3, environment={"A": "2"}))
    assert story.digests() == [was[0]] * 3


def test_an_update_that_was_broken_off_goes_back_to_what_it_was_to_replace(story: Story) -> None:
    story.up(story.fleet(environment={"A": "1"}))
    was = story.digests()
    second = story.fleet(environment={"A": "2"})
    story.up(second, "f-web-2.next")
    assert story.digests() != was
    story.back(second)
    assert story.digests() == was


def test_a_return_that_was_broken_off_is_gone_on_with(story: Story) -> None:
    """And not undone: the newest replica belongs to the former release by then, and followed the one to be left."""
    story.up(story.fleet(environment={"A": "1"}))
    was = story.digests()
    second = story.fleet(environment={"A": "2"})
    story.up(second)
    story.back(second, None, "f-web-2.next")
    assert story.digests() != was
    story.back(second)
    assert story.digests() == was


def test_the_way_back_of_a_balanced_service_asks_it_where_it_answered_then(tmp_path: Path) -> None:
    engine = MemoryEngine()
    balancer = {"image": "haproxy", "x-fleet": {"balance": {"service": "web"}}}
    first, second = (
        read_fleet({"services": {"balancer": balancer, "web": {"image": "app", "x-fleet": {"http": port}}}}, tmp_path)
        for port in (9000, 9100)
    )
    assert first.services["balancer"].balance[0].target_port == 9000
    former = replace(second.services["web"], http=first.services["web"].http)
    back, _ = with_returns(
        second, replace(engine.observe("f"), images={"id": ObservedImage("id", "id")}), [Return(former, "id")]
    )
    assert back.services["balancer"].balance[0].target_port == 9000


def test_another_release_of_the_same_settings_is_known_by_its_image(story: Story) -> None:
    fleet = story.fleet()
    story.up(fleet)
    old = story.engine.images["app"]
    story.engine.images["app"] = replace(old, id="a new build")
    story.engine.images[old.id] = replace(old, reference=old.id)
    story.up(fleet)
    story.back(fleet)
    assert {one.image_id for one in story.engine.observe("f").replicas} == {old.id}
    assert {one.image for one in story.engine.observe("f").replicas} == {old.id}, "the name means another by now"


def test_an_image_that_is_gone_is_said_to_be(story: Story) -> None:
    first, second = story.fleet(image="old"), story.fleet(image="new")
    story.up(first)
    story.up(second)
    del story.engine.images["old"]
    with pytest.raises(FleetError, match="of the former release of web is gone"):
        story.plan_back(second)


def test_a_former_release_that_needs_what_the_file_has_no_more_is_refused(story: Story) -> None:
    story.up(
        read_fleet(
            {"services": {"web": {"image": "app", "networks": ["old"]}}, "networks": {"old": {}}}, story.directory
        )
    )
    second = story.fleet(replicas=1)
    story.up(second)
    with pytest.raises(FleetError, match=r"needs old, which fleet\.yaml does not have any more"):
        story.plan_back(second)


ROLLING = {"update_config": {"failure_action": "rollback"}}


def test_an_update_that_fails_is_to_be_rolled_back_to_what_was_there(story: Story) -> None:
    story.up(story.fleet(deploy=ROLLING, environment={"A": "1"}))
    was = story.digests()
    second = story.fleet(deploy=ROLLING, environment={"A": "2"})
    before = story.look(second)
    report = story.up(second, "f-web-2.next")
    ((service, release),) = failed_updates(report, before, list(second.services.values()))
    assert service.name == "web"
    story.back(second, release)
    assert story.digests() == was


@pytest.mark.parametrize(("ratio", "rolled_back"), [(0.0, True), (0.4, True), (0.5, False)])
def test_as_many_failures_as_the_file_tolerates_are_no_failure(story: Story, ratio: float, rolled_back: bool) -> None:
    policy = {"update_config": {"failure_action": "rollback", "max_failure_ratio": ratio}}
    story.up(story.fleet(deploy=policy, environment={"A": "1"}))
    second = story.fleet(deploy=policy, environment={"A": "2"})
    before = story.look(second)
    report = story.up(second, "f-web-1.next")
    assert bool(failed_updates(report, before, list(second.services.values()))) == rolled_back
    names = {result.step.id: result.status for result in report.results}
    assert ("done" if not rolled_back else "skipped") == names["create f-web-2.next"]


@pytest.mark.parametrize("action", ["pause", "continue"])
def test_other_failure_actions_leave_things_as_they_are(story: Story, action: str) -> None:
    policy = {"update_config": {"failure_action": action}}
    story.up(story.fleet(deploy=policy, environment={"A": "1"}))
    second = story.fleet(deploy=policy, environment={"A": "2"})
    before = story.look(second)
    report = story.up(second, "f-web-1.next")
    assert failed_updates(report, before, list(second.services.values())) == []


def test_a_failed_first_release_has_nothing_to_go_back_to(story: Story) -> None:
    fleet = story.fleet(deploy=ROLLING)
    before = story.look(fleet)
    report = story.up(fleet, "f-web-1")
    assert failed_updates(report, before, list(fleet.services.values())) == []
