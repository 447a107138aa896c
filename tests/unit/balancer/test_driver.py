"""Driving a balancer: what it holds after each action, and after one that was killed anywhere within."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace

import pytest

from fleetctl.balancer import driver, live
from fleetctl.balancer.driver import Balancers
from fleetctl.errors import FleetError
from fleetctl.plan.actions import RotationAction
from fleetctl.state.rotation import Traffic
from tests.unit.balancer.small_fleet import ADD, BALANCER, DROP, NEW_NAME, OLD_NAME, TO, WEB, drive, host, servers_in
from tests.unit.balancer.small_haproxy import DRAIN, READY, KilledError, Member, SmallHost, replica


def lack_of(there: SmallHost) -> str | None:
    """What its balancer lacks to be ready."""
    with Balancers(there, "fleet") as balancers:
        return balancers.lack(replica("balancer", 1, BALANCER, "10.0.0.9"))


def test_a_balancer_is_ready_when_its_master_answers_too() -> None:
    there = host()
    there.master_is_up = False
    assert lack_of(there) == "the master of balancer fleet-balancer-1 does not answer"
    there.master_is_up = True
    assert lack_of(there) is None


def test_a_master_that_hangs_answers_no_more_than_one_that_is_gone() -> None:
    there = host()
    there.master_hangs = True
    assert lack_of(there) == "the master of balancer fleet-balancer-1 does not answer"
    assert 0 < max(there.waited) <= live.ANSWERED_WITHIN


def test_a_replica_is_held_until_the_balancer_has_seen_it_healthy() -> None:
    there = host()
    assert drive(there, ADD) == ""
    changes = [line.split(" check ")[0] for line in there.balancer.heard if not line.startswith("show")]
    path = f"web:8080/{NEW_NAME}"
    assert changes == [
        f"add server {path} 10.0.0.3:8080",
        f"set server {path} state drain",
        f"enable health {path}",
        f"set server {path} state ready",
    ]
    seen = there.balancer.heard.index(f"set server {path} state ready")
    assert "show stat" in there.balancer.heard[there.balancer.heard.index(f"enable health {path}") : seen]
    assert servers_in(there.file) == [f"{OLD_NAME} 10.0.0.2:8080", f"{NEW_NAME} 10.0.0.3:8080"]


def test_a_replica_that_is_in_rotation_is_never_taken_out_to_be_brought_in() -> None:
    """As when settings under another name of the pool brought it in already."""
    there = host()
    there.balancer.members[NEW_NAME] = Member("10.0.0.3:8080", READY, watched=True)
    drive(there, ADD)
    assert not [line for line in there.balancer.heard if "drain" in line]


def test_a_replica_that_is_known_at_another_address_is_added_anew_when_nobody_waits_for_it_there_any_more() -> None:
    there = host()
    there.balancer.members[NEW_NAME] = Member("10.0.0.7:8080", READY, watched=True, check="L4CON", sessions=3)
    drive(there, ADD)
    assert there.balancer.cut == 0
    assert there.balancer.members[NEW_NAME] == Member("10.0.0.3:8080", READY, watched=True, check="L7OK")


def test_a_replica_that_the_balancer_does_not_find_healthy_is_never_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "HEALTHY_WITHIN", 0.0)
    there = host()
    there.balancer.well = False
    with pytest.raises(FleetError) as raised:
        drive(there, ADD)
    assert raised.value.message.startswith("balancer fleet-balancer-1 does not find fleet-web-1.next healthy")
    assert there.balancer.members[NEW_NAME].admin == DRAIN


def test_a_replica_leaves_when_its_requests_have_ended() -> None:
    there = host()
    there.balancer.members[OLD_NAME].sessions = 3
    told: list[str] = []
    with Balancers(there, "fleet") as balancers:
        assert balancers.apply(DROP, told.append) == ""
    assert there.balancer.members == {}
    assert servers_in(there.file) == []
    assert told[0].startswith("draining: ")
    assert told[-1] == "draining: 1 request under way"


def test_requests_that_outlast_the_drain_are_cut_and_told() -> None:
    there = host()
    there.balancer.members[OLD_NAME].sessions, there.balancer.ending = 2, 0
    told = drive(there, replace(DROP, drain_timeout=0.0))
    assert told == "2 requests cut after 0 s (drain_timeout)"
    assert there.balancer.members == {}
    assert there.balancer.cut == 2


def test_whoever_stops_the_run_cuts_no_request() -> None:
    there, stop = host(), threading.Event()
    there.balancer.members[OLD_NAME].sessions, there.balancer.ending = 2, 0
    stop.set()
    drive(there, DROP, stop)
    assert there.balancer.members[OLD_NAME].sessions == 2
    assert there.balancer.members[OLD_NAME].admin == DRAIN


def test_a_server_that_is_gone_already_is_no_fault() -> None:
    there = host()
    there.balancer.members.clear()
    assert drive(there, DROP) == ""


@pytest.mark.parametrize("action", [ADD, DROP], ids=["add", "drain"])
def test_whichever_command_was_the_last_of_a_killed_run_the_next_one_comes_to_the_same_end(
    action: RotationAction,
) -> None:
    whole = host()
    whole.balancer.members[OLD_NAME].sessions = 2
    drive(whole, action)
    for mortal in range(len(whole.balancer.heard)):
        there = host()
        there.balancer.members[OLD_NAME].sessions = 2
        there.balancer.mortal = mortal
        with suppress(KilledError):
            drive(there, action)
        assert len(there.balancer.heard) == mortal
        there.balancer.mortal = None
        drive(there, action)
        for name, member in there.balancer.members.items():
            assert (member.endpoint, member.admin) == (whole.balancer.members[name].endpoint, READY)
        assert there.balancer.members.keys() == whole.balancer.members.keys()
        assert servers_in(there.file) in (servers_in(whole.file), [])


@pytest.mark.parametrize("met", [False, True], ids=["never spoken with", "removed while it was spoken with"])
@pytest.mark.parametrize("action", [ADD, DROP], ids=["add", "drain"])
def test_nobody_is_in_rotation_at_a_balancer_that_is_gone(action: RotationAction, met: bool) -> None:
    there = host()
    told: list[str] = []
    with Balancers(there, "fleet") as balancers:
        if met:
            balancers.look(BALANCER, TO.name, [WEB])
            there.balancer.gone = True
        there.replicas = tuple(one for one in there.replicas if one.id != BALANCER)
        assert balancers.apply(action, told.append) == ""
    assert told == [], "it was waited for"


def test_a_balancer_that_is_restarted_meanwhile_is_waited_for() -> None:
    there = host()
    there.absent = 3
    drive(there, ADD)
    assert there.balancer.members[NEW_NAME].admin == READY


@pytest.mark.parametrize("mortal_look", [4, 6, 8])
def test_a_run_that_is_to_stop_lets_nobody_in_whom_the_balancer_has_not_seen_healthy(mortal_look: int) -> None:
    there, stop = host(), threading.Event()
    there.balancer.well = False
    with Balancers(there, "fleet", stop) as balancers:
        looks: list[str] = []

        def progress(detail: str) -> None:
            looks.append(detail)
            if len(looks) == mortal_look:
                stop.set()

        balancers.apply(ADD, progress)
    assert there.balancer.members[NEW_NAME].admin == DRAIN
    assert servers_in(there.file) == [f"{OLD_NAME} 10.0.0.2:8080"]


def test_counts_begin_anew_where_the_process_did() -> None:
    there = host()
    with Balancers(there, "fleet") as balancers:
        met = balancers.meet(BALANCER, "fleet-balancer-1")
        met.changed = True
        met.look()
        met._first = Traffic(requests=500, failed=20)
        assert balancers.traffic() == {"fleet-balancer-1": Traffic(requests=7)}


def test_a_session_that_ended_is_opened_anew() -> None:
    there = host()
    with Balancers(there, "fleet") as balancers:
        met = balancers.meet(BALANCER, "fleet-balancer-1")
        first = met.admin()
        first.close()
        assert met.admin() is not first


def test_nobody_leaves_while_too_few_others_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that took over before may have died since."""
    monkeypatch.setattr(driver, "HEALTHY_WITHIN", 0.0)
    there = host()
    with pytest.raises(FleetError, match="fleet-web-1 stays: without it fleet-balancer-1 would find 0 of 1 replicas"):
        drive(there, replace(DROP, least=1))
    assert there.balancer.members[OLD_NAME].admin == READY
    there.balancer.members[NEW_NAME] = Member("10.0.0.3:8080", READY, watched=True, check="L7OK")
    drive(there, replace(DROP, least=1))
    assert [*there.balancer.members] == [NEW_NAME]
