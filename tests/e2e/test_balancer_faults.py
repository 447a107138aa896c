"""Under load something breaks: a replica, a release, the balancer's admin socket, fleetctl itself."""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from bench.harness.outcomes import Outcome, Outcomes
from tests.conftest import MakeProxy
from tests.e2e.balanced import (
    GETS,
    HARDEN,
    PORT,
    RATE,
    SICKEN,
    SLOW,
    STARVE,
    Balanced,
    admin_socket,
    assert_clean,
    lend_balanced,
)
from tests.e2e.project import wait_for
from tests.e2e.test_crashes import killed_after

NO_RETRIES = {"retries": 0}
ALL_AT_ONCE = {"parallelism": 2}
balanced = pytest.fixture(scope="module", name="balanced")(lend_balanced)


# Bad releases: the old set serves throughout


def test_a_release_that_never_gets_ready_changes_nothing(balanced: Balanced) -> None:
    balanced.settle(balance=NO_RETRIES)
    before = balanced.project.ids()
    balanced.write(balance=NO_RETRIES, before="rm healthz")
    with balanced.load() as running:
        done = balanced.project.up("--wait-timeout", "1", code=1)
    assert "web-1.next is not ready: GET http://" in done.stderr
    assert "/healthz: HTTP 404" in done.stderr
    assert_clean(running.result, instances=2)
    assert balanced.project.ids() == before
    assert balanced.serving() == ["web-1", "web-2"]


def test_settings_that_come_with_a_release_which_fails_are_not_taken_over(balanced: Balanced) -> None:
    """Those that go on serving would not answer at the other health path, and all be out of rotation at once."""
    balanced.settle(balance=NO_RETRIES)
    balanced.write_next(balance=NO_RETRIES, **{"x-fleet": {"http": {"port": PORT, "health_path": "/nowhere"}}})
    with balanced.load() as running:
        done = balanced.project.up("--wait-timeout", "1", code=1)
        running.wait(60)
    assert "/nowhere: HTTP 404" in done.stderr
    assert_clean(running.result, instances=2)
    assert balanced.serving() == ["web-1", "web-2"]


def test_a_release_that_sickens_in_rotation_is_taken_out_again_and_fails_no_get(balanced: Balanced) -> None:
    """Retries repair what it answers with 503 until it is found out; the one that it was to replace stays."""
    balanced.settle()
    before = balanced.project.ids()
    balanced.write(before="# a worse release", update={"monitor": "60s"})
    with balanced.load(GETS) as running:
        rollout = balanced.project.popen("up")
        balanced.wait_serving("web-1", "web-1", "web-2")
        running.wait(10)
        run_in(balanced.project.container("web-1.next"), SICKEN)
        done = balanced.project.finish(rollout)
    assert done.code == 1, done
    assert "web-1.next did not stay ready: GET http://" in done.stderr
    assert_clean(running.result, instances=3)
    assert balanced.project.ids() == before
    balanced.wait_serving("web-1", "web-2")


# Replicas that break


def kill(replica: Any) -> None:
    replica.kill()


def starve(replica: Any) -> None:
    """Let it run out of memory."""
    replica.kill(signal=STARVE)
    wait_for("the kernel has killed it", lambda: replica.reload() or replica.attrs["State"]["OOMKilled"])


@pytest.mark.parametrize("strike", [kill, starve])
def test_a_replica_that_dies_leaves_the_rotation_fails_no_get_and_comes_back_with_up(
    balanced: Balanced, strike: Callable[[Any], None]
) -> None:
    balanced.settle()
    replica = balanced.project.container("web-2")
    with balanced.load(GETS) as running:
        since = time.monotonic()
        strike(replica)
        until = time.monotonic()
        balanced.wait_serving("web-1")
        assert balanced.servers()["web-2"].admission == "ready"
        balanced.settle()
    assert_clean(but_for_answers_begun(running.result, since, until))
    assert balanced.project.ids()["web-2"] == replica.id


def test_an_answer_that_breaks_off_amid_its_head_is_asked_for_elsewhere(balanced: Balanced) -> None:
    """As of a replica that dies while it answers. Its client has got nothing of it."""
    for retries, failures in ((3, {None}), (0, {None, "status 502"})):
        balanced.write_next(balance={"retries": retries})
        balanced.project.up()
        breaks_off = """printf '#!/bin/sh\nprintf "Status: 200 OK\\r\\nX-Half: "\n' > cgi-bin/ask"""
        run_in(balanced.project.container("web-1"), f"cd /srv && {breaks_off}")
        with balanced.load(GETS) as running:
            running.wait(20)
        assert {one.failure for one in running.result.all} == failures, running.result


def test_a_frozen_replica_leaves_the_rotation_fails_no_get_and_comes_back_by_itself(balanced: Balanced) -> None:
    """What it has taken is asked again elsewhere after the timeout."""
    balanced.settle(balance={"timeout": "2s"})
    replica = balanced.project.container("web-1")
    with balanced.load(GETS) as running:
        since = time.monotonic()
        replica.pause()
        until = time.monotonic()
        balanced.wait_serving("web-2")
        # Two seconds' worth: whoever asked it last is answered before it can answer again.
        running.wait(int(2 * RATE))
        replica.unpause()
        balanced.wait_serving("web-1", "web-2")
    assert_clean(but_for_answers_begun(running.result, since, until))


def test_packets_that_get_lost_on_the_way_to_a_replica_fail_no_get_and_hold_up_no_update(balanced: Balanced) -> None:
    balanced.settle()
    pid = balanced.project.container("web-1").attrs["State"]["Pid"]
    rule = ("-A", "INPUT", "-m", "statistic", "--mode", "random", "--probability", "0.1", "-j", "DROP")
    subprocess.run(["nsenter", "--net", "--target", str(pid), "iptables", *rule], check=True)
    balanced.write_next(update=ALL_AT_ONCE)
    with balanced.load(GETS) as running:
        running.wait(100)
        balanced.project.up()
    assert_clean(running.result)
    balanced.wait_serving("web-1", "web-2")


# Replicas that do not end


def test_requests_that_outlast_the_drain_are_cut_counted_and_told(balanced: Balanced) -> None:
    balanced.settle(balance={"drain_timeout": "1s"})
    balanced.write_next(balance={"drain_timeout": "1s"}, update=ALL_AT_ONCE)
    address = balanced.address
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(ask_slowly, address) for _ in range(3)]
        wait_for("three requests are under way", lambda: balanced.under_way() == 3)
        done = balanced.project.up()
        assert [one.result() for one in asked] == ["cut"] * 3
    told = re.findall(r"(\d) requests? cut after 1 s \(drain_timeout\)", done.stderr)
    assert sorted(told) == ["1", "2"], done


def test_a_replica_that_ignores_the_request_to_end_is_killed_after_its_grace(balanced: Balanced) -> None:
    """It is out of rotation by then: nobody notices."""
    balanced.settle(balance=NO_RETRIES)
    for name in ("web-1", "web-2"):
        run_in(balanced.project.container(name), HARDEN)
    balanced.write_next(balance=NO_RETRIES, update=ALL_AT_ONCE)
    with balanced.load() as running:
        balanced.project.up()
    assert_clean(running.result, instances=4)


# The balancer cannot be driven


def test_without_the_admin_socket_nothing_is_changed_until_the_balancer_is_restarted(balanced: Balanced) -> None:
    balanced.settle()
    before = balanced.project.ids()
    pid = balanced.balancer.attrs["State"]["Pid"]
    admin_socket(pid).unlink()
    balanced.write_next(update=ALL_AT_ONCE)
    for command in (("up",), ("stop", "web")):
        done = balanced.project.run(*command)
        assert done.code == 1, done
        assert "error: the admin socket of balancer" in done.stderr
        assert "cannot be reached: connect(" in done.stderr
        assert "hint: no replica is stopped" in done.stderr
    assert balanced.project.ids() == before
    assert set(balanced.project.states().values()) == {"running"}
    done = balanced.project.run("restart", "balancer")
    assert done.code == 0, done
    balanced.project.up()
    balanced.project.assert_converged()
    balanced.wait_serving("web-1", "web-2")


# Fleetctl is killed


def test_wherever_a_rollout_is_killed_the_next_up_ends_it_and_no_request_fails(
    balanced: Balanced, proxy: MakeProxy
) -> None:
    balanced.settle(replicas=1, balance=NO_RETRIES)
    with balanced.load() as running:
        for point in CRASH_POINTS:
            balanced.write_next(replicas=1, balance=NO_RETRIES)
            code, _ = killed_after(balanced.project, proxy, point, "up")
            assert code == -signal.SIGKILL
            balanced.project.up()
            assert sorted(balanced.project.ids()) == ["balancer-1", "web-1"]
            balanced.wait_serving("web-1")
            assert f"RELEASE={balanced.release}" in balanced.project.container("web-1").attrs["Config"]["Env"]
    assert_clean(running.result)
    balanced.project.assert_converged()


CRASH_POINTS = (4, 5, 6)
"""Changes by the engine after which fleetctl is killed: 1 and 2 open a session with the balancer, then the new replica
is made, started, in rotation (the file written), the old one out of it (written again), stopped, removed, renamed."""


def but_for_answers_begun(outcomes: Outcomes, since: float, until: float) -> Outcomes:
    """Without requests that were under way when a replica was struck, between these two times of time.monotonic()'s
    clock, and broke off after status 200: an answer that had begun is with its client and cannot be asked for again;
    without a length nobody sees the cut. How many there are depends on how busy the machine is."""

    def is_one(outcome: Outcome) -> bool:
        under_way = outcome.start <= until and outcome.end >= since
        return under_way and outcome.failure is not None and outcome.status == 200

    return Outcomes([one for one in outcomes.all if not is_one(one)])


def run_in(container: Any, script: str) -> None:
    code, output = container.exec_run(["sh", "-c", script])
    assert code == 0, output


def ask_slowly(address: str) -> str:
    """Ask for an answer that takes a minute; how that ended."""
    with closing(http.client.HTTPConnection(address, PORT, timeout=60)) as connection:
        connection.request("GET", f"{SLOW}?60")
        try:
            return f"status {connection.getresponse().status}"
        except (ConnectionError, http.client.HTTPException):
            return "cut"
