"""Signals, locks and readers that go away (reliability cases 6, 7, 8 and 47)."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from tests.e2e.project import PATIENCE, Json, Project, idle, server, wait_for

NEVER_READY = {"x-fleet": {"http": {"port": 8081}}}


def start_waiting(fleet: Project) -> subprocess.Popen[str]:
    """An `up` that has started its replicas and waits for them to answer on a port where nobody listens."""
    after = idle(1, depends_on={"web": {"condition": "service_healthy"}})
    fleet.write({"web": {**server(2), **NEVER_READY}, "after": after})
    process = fleet.popen("up")
    wait_for("both replicas run", lambda: list(fleet.states().values()) == ["running", "running"])
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_up_says_what_is_left_and_the_next_up_goes_on(
    fleet: Project, number: signal.Signals, code: int
) -> None:
    """Case 6."""
    process = start_waiting(fleet)
    before = fleet.ids()
    process.send_signal(number)
    began = time.monotonic()
    done = fleet.finish(process)
    assert time.monotonic() - began < 20
    assert done.code == code, done
    assert f"create {fleet.name}-after-1" in done.stderr
    assert "run 'fleetctl up' again" in done.stderr
    assert fleet.ids() == before
    fleet.write({"web": server(2), "after": idle()})
    fleet.up()
    assert {name: fleet.ids()[name] for name in before} == before
    fleet.assert_converged()


def test_a_terminal_that_goes_away_stops_up_as_gently(fleet: Project) -> None:
    """SIGHUP finishes what has begun, too, though nobody is left to tell: exit 129, and the next up goes on."""
    process = start_waiting(fleet)
    before = fleet.ids()
    process.send_signal(signal.SIGHUP)
    done = fleet.finish(process)
    assert done.code == 129, done
    assert fleet.ids() == before
    fleet.write({"web": server(2)})
    fleet.up()
    fleet.assert_converged()


def test_a_second_sigint_ends_up_at_once(fleet: Project) -> None:
    """Case 7: even while an engine call is under way, here the stop of a replica that ignores SIGTERM."""
    fleet.write({"web": idle(1, command=["sh", "-c", "trap '' TERM; sleep 999"], stop_grace_period="20s")})
    fleet.up()
    process = fleet.popen("down")
    wait_for("the stop has begun", lambda: is_being_stopped(fleet))
    process.send_signal(signal.SIGINT)
    wait_for("the first signal is told", lambda: "once more to leave at once" in next_line(process))
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 130
    assert time.monotonic() - began < 15, "it waited for the replica's grace of 20 s"


def is_being_stopped(fleet: Project) -> bool:
    """Whether the engine has sent SIGTERM to the fleet's replica."""
    events = fleet.client.api.events(
        since=int(time.time()) - 30,
        until=int(time.time()) + 1,
        filters={"type": "container", "event": "kill", "label": fleet.own_label},
        decode=True,
    )
    return any(True for _ in events)


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline()


def test_while_one_run_holds_the_fleet_another_exits_6_and_looking_is_allowed(fleet: Project) -> None:
    """Case 8."""
    process = start_waiting(fleet)
    for command in ("up", "down", "scale web=1", "stop", "restart"):
        done = fleet.run(*command.split())
        assert done.code == 6, done
        assert f"another run works on fleet {fleet.name} (fleetctl up, pid {process.pid})" in done.stderr
    assert fleet.run("ps").code == 0
    assert fleet.run("plan").code == 0
    process.send_signal(signal.SIGINT)
    fleet.finish(process)
    fleet.down()


def test_a_run_on_another_fleet_is_not_kept_waiting(fleet: Project, another_fleet: Project) -> None:
    process = start_waiting(fleet)
    another_fleet.write({"web": idle()})
    another_fleet.up()
    assert process.poll() is None


def test_the_lock_dies_with_its_holder(fleet: Project) -> None:
    process = start_waiting(fleet)
    assert fleet.run("down").code == 6
    process.kill()
    process.wait()
    fleet.down()


def test_of_two_ups_at_once_one_wins_and_there_is_one_network(fleet: Project) -> None:
    """Case 8."""
    fleet.write({"web": server(2)})
    processes = [fleet.popen("up") for _ in range(3)]
    codes = sorted(fleet.finish(process).code for process in processes)
    assert codes[0] == 0
    assert set(codes) <= {0, 6}
    fleet.up()
    assert fleet.states() == {"web-1": "running", "web-2": "running"}
    assert len(fleet.networks()) == 1


@pytest.mark.parametrize("command", ["ps", "ps --format json", "config", "--help", "inspect-network", "logs -f"])
def test_a_reader_that_goes_away_is_no_error_worth_words(fleet: Project, command: str) -> None:
    """Case 47, as in `fleetctl ps | head -0`."""
    fleet.write({"web": server(1, before="echo hello")})
    fleet.up()
    words = command.replace("logs -f", "logs --follow").split()
    process = fleet.popen(*words)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert [line for line in process.stderr if not line.startswith("warning: ")] == []
    assert process.wait(30) == 141


def test_an_update_that_was_broken_off_does_not_cost_the_container_that_was_stopped_for_it(fleet: Project) -> None:
    """Its successor, which ends again and again, is tried before anything goes."""
    first: Json = {"deploy": {"update_config": {"order": "stop-first"}}, "restart": "always"}
    fleet.write({"web": server(1, **first)})
    fleet.up()
    before = fleet.ids()
    fleet.write({"web": server(1, before="exit 9", **first)})
    process = fleet.popen("up", "--timeout", "1")
    wait_for("the successor has ended", lambda: fleet.states().get("web-1.next") == "restarting")
    process.send_signal(signal.SIGINT)
    assert fleet.finish(process).code == 130
    assert fleet.states().items() >= {"web-1": "exited"}.items()
    done = fleet.up("--wait-timeout", "3", code=1)
    assert f"error: {fleet.name}-web-1.next " in done.stderr
    assert fleet.ids() == before
    assert fleet.states() == {"web-1": "running"}
