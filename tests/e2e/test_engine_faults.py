"""The engine is absent, hangs, breaks off, answers nonsense, or loses things meanwhile (reliability cases 1-4, 11, 12).

Whatever happens, the exit code says what it was, nobody sees a traceback, and the next run converges."""

from __future__ import annotations

import threading
import time

import pytest

from tests.conftest import MakeProxy
from tests.e2e.project import Project, idle, server, wait_for
from tests.fakes.faultproxy import Act, Answer, Cut, Delay, Drop, Fault, Hang, Misbehave, Request, Truncate

COMMANDS = [
    *("up", "down", "ps", "plan", "logs", "top", "curl", "start", "stop", "restart", "build", "version"),
    *("inspect-network", "scale web=1", "exec web true", "port web 80"),
]


def nth(number: int, fault: Fault) -> Misbehave:
    """The fault for one request, counted from 1 over all that pass."""
    seen: list[Request] = []
    lock = threading.Lock()

    def misbehave(request: Request) -> Fault | None:
        with lock:
            seen.append(request)
            return fault if len(seen) == number else None

    return misbehave


def on(method: str, path_end: str, fault: Fault) -> Misbehave:
    """The fault for the first request of that method whose path ends so."""
    once = threading.Lock()

    def misbehave(request: Request) -> Fault | None:
        fits = request.method == method and request.path.endswith(path_end)
        return fault if fits and once.acquire(blocking=False) else None

    return misbehave


@pytest.mark.parametrize("command", COMMANDS)
def test_an_absent_engine_is_exit_3_and_named(fleet: Project, command: str) -> None:
    """Case 1."""
    fleet.write({"web": idle()})
    done = fleet.run(*command.split(), env={"DOCKER_HOST": "unix:///nope/docker.sock"})
    assert done.code == 3, done
    assert "unix:///nope/docker.sock" in done.stderr
    assert "there is no such socket" in done.stderr


def test_an_engine_that_refuses_connections_is_exit_3(fleet: Project, proxy: MakeProxy) -> None:
    fleet.write({"web": idle()})
    with proxy() as dying:
        dying.listener.close()
        done = fleet.run("ps", env=dying.environment)
    assert done.code == 3, done
    assert dying.address in done.stderr


@pytest.mark.parametrize("number", [1, 2, 6])
def test_an_engine_that_hangs_is_exit_3_within_the_timeout(fleet: Project, proxy: MakeProxy, number: int) -> None:
    """Case 2."""
    fleet.write({"web": idle()})
    with proxy(nth(number, Hang())) as hanging:
        done = fleet.run("up", env={**hanging.environment, "FLEET_ENGINE_TIMEOUT": "2"})
    assert done.code == 3, done
    assert done.seconds < 30
    assert "did not answer in time" in done.stderr
    fleet.up()
    assert fleet.states() == {"web-1": "running"}


def test_a_container_whose_creation_timed_out_is_found_again_and_not_made_twice(
    fleet: Project, proxy: MakeProxy
) -> None:
    """Case 3."""
    fleet.write({"web": idle(2)})
    with proxy(on("POST", "/containers/create", Delay(60))) as slow:
        done = fleet.run("up", env={**slow.environment, "FLEET_ENGINE_TIMEOUT": "2"})
        assert done.code == 3, done
        made = fleet.ids()
    assert made.keys() == {"web-1", "web-2"}
    fleet.up()
    assert fleet.ids() == made
    assert fleet.states() == {"web-1": "running", "web-2": "running"}


@pytest.mark.parametrize("number", [3, 6, 8, 10])
def test_an_engine_that_dies_during_up_is_exit_3_and_the_next_up_converges(
    fleet: Project, proxy: MakeProxy, number: int
) -> None:
    """Case 4."""
    fleet.write({"web": idle(2)})
    with proxy(nth(number, Cut())) as dying:
        done = fleet.run("up", env=dying.environment)
    assert done.code == 3, done
    fleet.up()
    assert fleet.states() == {"web-1": "running", "web-2": "running"}
    fleet.assert_converged()


@pytest.mark.parametrize(
    ("fault", "codes"),
    [(Answer(500), {1}), (Answer(200, b"<html>no JSON</html>"), {1, 3}), (Truncate(200), {1, 3}), (Drop(), {3})],
    ids=["error", "no-json", "truncated", "dropped"],
)
def test_whatever_request_goes_wrong_the_error_is_clear(
    fleet: Project, proxy: MakeProxy, fault: Fault, codes: set[int]
) -> None:
    fleet.write({"web": idle(1)})
    fleet.up()
    with proxy() as counting:
        assert fleet.run("ps", "-a", "--format", "json", env=counting.environment).code == 0
    for number in range(1, len(counting.requests) + 1):
        with proxy(nth(number, fault)) as faulty:
            done = fleet.run("ps", "-a", "--format", "json", env=faulty.environment)
        assert done.code in codes, f"request {number}: {done}"
        assert done.stderr.startswith("error: "), done
        assert done.stdout == "", done


def test_one_failed_start_fails_that_replica_only_and_the_next_up_mends_it(fleet: Project, proxy: MakeProxy) -> None:
    fleet.write({"web": idle(3)})
    with proxy(on("POST", "/start", Answer(500, b'{"message": "cannot start: no reason"}'))) as faulty:
        done = fleet.run("up", env=faulty.environment)
    assert done.code == 1, done
    assert "cannot start: no reason" in done.stderr
    assert sorted(fleet.states().values()) == ["running", "running"], "what could not be started is not left behind"
    fleet.up()
    assert fleet.states() == {"web-1": "running", "web-2": "running", "web-3": "running"}


@pytest.mark.parametrize(
    "command", ["ps", "ps --format json", "top", "logs", "curl", "inspect-network", "stop", "down"]
)
def test_a_replica_that_vanishes_after_the_look_is_no_error_of_the_engine(
    fleet: Project, proxy: MakeProxy, command: str
) -> None:
    """Case 11: no NotFound leaks."""
    fleet.write({"web": server(2)})
    fleet.up()
    victim = fleet.container("web-2")
    vanish = Act(lambda: victim.remove(force=True))
    with proxy(on("GET", "/containers/json", vanish)) as racing:
        done = fleet.run(*command.split(), env=racing.environment)
    assert done.code in ({0, 4} if command == "curl" else {0}), done
    assert "No such container" not in done.stderr
    assert "404 Client Error" not in done.stderr


def test_a_replica_that_vanishes_during_up_is_made_anew_by_the_next(fleet: Project, proxy: MakeProxy) -> None:
    """Case 11, where it cannot be overlooked."""
    fleet.write({"web": server(2)})
    fleet.up()
    fleet.container("web-1").stop()
    victim = fleet.container("web-1")

    def vanish(request: Request) -> None:
        if request.path.endswith("/start"):
            victim.remove(force=True)

    with proxy(vanish) as racing:
        done = fleet.run("up", env=racing.environment)
    assert done.code == 1, done
    assert f"could not start {fleet.name}-web-1" in done.stderr
    assert "run the command again" in done.stderr
    fleet.up()
    fleet.assert_converged()


def test_a_removal_in_progress_is_waited_for(fleet: Project, proxy: MakeProxy) -> None:
    """Case 12."""
    fleet.write({"web": idle(1)})
    fleet.up()
    container = fleet.container("web-1")
    busy = Answer(409, b'{"message": "removal of container x is already in progress"}')
    with proxy(on("DELETE", container.id, busy)) as racing:
        process = fleet.popen("down", env=racing.environment)
        wait_for("the removal was refused", lambda: any(request.method == "DELETE" for request in racing.requests))
        began = time.monotonic()
        container.remove(force=True)
        done = fleet.finish(process)
    assert done.code == 0, done
    assert time.monotonic() - began < 20
    assert fleet.left() == []


def test_two_downs_at_once_both_succeed(fleet: Project, proxy: MakeProxy) -> None:
    """Case 12: other hosts know nothing of our lock; another socket stands for another host here."""
    fleet.write({"web": idle(4)})
    fleet.up()
    with proxy() as here, proxy() as there:
        processes = [fleet.popen("down", env=one.environment) for one in (here, there)]
        runs = [fleet.finish(process) for process in processes]
    assert [done.code for done in runs] == [0, 0], "\n".join(map(str, runs))
    assert fleet.left() == []
