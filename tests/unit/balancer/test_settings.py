"""Other settings for a balancer: who is in rotation under them, what it says of them, what is counted across them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleetctl.balancer import live
from fleetctl.balancer.admin import ConversationEnded
from fleetctl.balancer.config import settings_digest
from fleetctl.balancer.driver import Balancers
from fleetctl.errors import FleetError
from fleetctl.plan.actions import ConfigureBalancer
from fleetctl.spec.model import Balance
from fleetctl.state.rotation import Traffic
from tests.unit.balancer.small_fleet import BALANCER, NEW_NAME, OLD_NAME, TO, WEB, drive, host, servers_in
from tests.unit.balancer.small_haproxy import DRAIN, Member, SmallHAProxy, replica


def test_other_settings_are_taken_over_with_those_in_rotation() -> None:
    """The new one is still held, so it is not in the file."""
    there = host()
    there.balancer.members[NEW_NAME] = Member("10.0.0.3:8080", DRAIN, watched=True)
    other = Balance("web", 8081, 8080, algorithm="leastconn")
    drive(there, ConfigureBalancer(TO, (other,), running=True))
    assert there.reloads == 1
    assert there.balancer.digest == settings_digest([other])
    assert [*there.balancer.pools] == ["web:8081"]
    assert servers_in(there.file) == [f"{OLD_NAME} 10.0.0.2:8080"]


def test_a_balancer_that_has_not_started_finds_every_replica_that_runs() -> None:
    there = host()
    drive(there, ConfigureBalancer(TO, (WEB,)))
    assert (there.balancer.heard, there.reloads) == ([], 0)
    assert servers_in(there.file) == [f"{OLD_NAME} 10.0.0.2:8080", f"{NEW_NAME} 10.0.0.3:8080"]


def test_settings_that_a_balancer_does_not_take_over_are_told_with_its_words_and_taken_back() -> None:
    there = host()
    former = there.file
    there.accepts = False
    with pytest.raises(FleetError, match="goes on with its former settings") as raised:
        drive(there, ConfigureBalancer(TO, (Balance("web", 8080, 8080, retries=0),), running=True))
    assert "it does not like that" in raised.value.message
    assert (there.file, there.reloads) == (former, 1)


def test_a_service_of_which_nobody_is_in_rotation_comes_in_with_the_settings_that_name_it() -> None:
    """As when settings name another service, or a pool for the first time."""
    there = host()
    there.replicas += (replica("green", 1, "2" * 64, "10.0.0.4"),)
    drive(there, ConfigureBalancer(TO, (Balance("green", 8080, 9000),), running=True))
    assert servers_in(there.file) == [f"green-1.{'2' * 12} 10.0.0.4:9000"]


def test_requests_under_the_former_settings_are_waited_for() -> None:
    """Nobody else knows of them once another process has taken over, and their replicas may be stopped next."""
    there = host()
    there.balancer.members[OLD_NAME].sessions = 3
    told: list[str] = []
    old = there.balancer
    other = Balance("web", 8081, 8080, drain_timeout=5.0)
    with Balancers(there, "fleet") as balancers:
        met = balancers.meet(BALANCER, "fleet-balancer-1")
        session = met.admin()
        there.balancer = SmallHAProxy()
        assert balancers.outlast(session, [other], told.append) == ""
    assert old.members[OLD_NAME].sessions == 0
    assert told[0] == "3 requests under way with the former settings"


def test_settings_of_which_the_master_says_nothing_are_told_so_and_taken_back() -> None:
    there = host()
    former, there.master_hangs = there.file, True
    with pytest.raises(FleetError, match="goes on with its former settings") as raised:
        drive(there, ConfigureBalancer(TO, (replace(WEB, retries=0),), running=True))
    assert "it did not come to an end" in raised.value.message
    assert live.ANSWERED_WITHIN < max(there.waited) <= live.RELOADED_WITHIN
    assert there.file == former


@pytest.mark.parametrize("running", [False, True])
def test_a_balancer_that_is_gone_takes_no_settings(running: bool) -> None:
    there = host()
    there.replicas = tuple(one for one in there.replicas if one.id != BALANCER)
    with pytest.raises(ConversationEnded, match=r"no such container|vanished meanwhile"):
        drive(there, ConfigureBalancer(TO, (replace(WEB, retries=0),), running=running))


def test_settings_that_are_refused_count_nothing_of_what_was_before_the_run() -> None:
    there = host()
    there.balancer.requests, there.balancer.failed, there.accepts = 1_000_000, 500, False
    with Balancers(there, "fleet") as balancers:
        balancers.look(BALANCER, TO.name, [WEB])
        there.balancer.requests += 20
        with pytest.raises(FleetError, match="goes on with its former settings"):
            balancers.apply(ConfigureBalancer(TO, (replace(WEB, retries=0),), running=True), print)
        there.balancer.requests += 3
        assert balancers.traffic() == {TO.name: Traffic(requests=23)}


def test_requests_before_and_after_other_settings_are_counted_together() -> None:
    there = host()
    there.balancer.requests, there.balancer.failed = 1_000_000, 500
    with Balancers(there, "fleet") as balancers:
        balancers.look(BALANCER, TO.name, [WEB])
        there.balancer.requests += 20
        balancers.apply(ConfigureBalancer(TO, (replace(WEB, retries=0),), running=True), print)
        there.balancer.requests += 3
        assert balancers.traffic() == {TO.name: Traffic(requests=23)}
