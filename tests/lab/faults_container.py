"""Faults of the container itself: it does not run, or not as it should."""

from __future__ import annotations

from collections.abc import Iterator

from tests.e2e.project import wait_for
from tests.lab.fault import fault
from tests.lab.fleet import SUBJECT, SUBJECT_PORT, Fleet
from tests.lab.questions import THE_SUBJECT

PUBLISHED = f"{SUBJECT_PORT}:8080"


@fault("1", "Bad command", THE_SUBJECT, "container/bad-command")
def bad_command(fleet: Fleet) -> Iterator[None]:
    with fleet.subject("--entrypoint", "/nope", listens=None):
        yield


@fault("2", "Crashed", THE_SUBJECT, "container/crashed")
def crashed(fleet: Fleet) -> Iterator[None]:
    with fleet.subject(listens=None, MODE="crash"):
        fleet.lab.docker("wait", SUBJECT)
        yield


@fault("3", "Restart loop", THE_SUBJECT, "container/restart-loop")
def restart_loop(fleet: Fleet) -> Iterator[None]:
    with fleet.subject("--restart", "always", listens=None, MODE="crash"):
        wait_for("it was started again", lambda: fleet.lab.inspect(SUBJECT)["RestartCount"] >= 2)
        yield


@fault("4a", "Stopped", THE_SUBJECT, "container/stopped")
def stopped(fleet: Fleet) -> Iterator[None]:
    fleet.lab.docker("stop", SUBJECT)
    yield
    fleet.lab.docker("start", SUBJECT)
    wait_for("the subject listens", lambda: fleet.subject_listens(8080))


@fault("4b", "Removed", THE_SUBJECT, "container/no-such-container", tolerates=("name/unknown-name",))
def removed(fleet: Fleet) -> Iterator[None]:
    fleet.lab.docker("rm", "--force", SUBJECT)
    yield
    fleet.run_subject()


@fault("5", "Paused", THE_SUBJECT, "container/paused")
def paused(fleet: Fleet) -> Iterator[None]:
    fleet.lab.docker("pause", SUBJECT)
    yield
    fleet.lab.docker("unpause", SUBJECT)


@fault("6", "Out of memory", THE_SUBJECT, "container/out-of-memory")
def out_of_memory(fleet: Fleet) -> Iterator[None]:
    with fleet.subject("--memory", "64m", "--memory-swap", "64m", listens=None, MODE="eat-memory"):
        fleet.lab.docker("wait", SUBJECT)
        yield


@fault("7", "Not listening yet", THE_SUBJECT, "socket/not-listening-yet")
def not_listening_yet(fleet: Fleet) -> Iterator[None]:
    with fleet.subject(listens=None, MODE="late", SECONDS="60"):
        yield


@fault("8", "Worker dead, main process alive", THE_SUBJECT, "socket/serving-process-died")
def worker_dead(fleet: Fleet) -> Iterator[None]:
    with fleet.subject(MODE="fork", SECONDS="0.5"):
        wait_for("nothing listens any more", lambda: not fleet.subject_listens(8080))
        yield


@fault("9", "CPU starved", THE_SUBJECT, "accept-queue/cpu-starved")
def cpu_starved(fleet: Fleet) -> Iterator[None]:
    with fleet.subject(MODE="busy", SECONDS="0.05"):
        fleet.lab.docker("update", "--cpus", "0.01", SUBJECT)
        yield
        fleet.lab.docker("update", "--cpus", "1", SUBJECT)  # else its end is starved, too


@fault("10", "Check fails, application is well", THE_SUBJECT, "http/health-check-wrong", reachable=None)
def wrong_health_check(fleet: Fleet) -> Iterator[None]:
    check = ("--health-cmd", "exit 1", "--health-interval", "100ms", "--health-retries", "1")
    with fleet.subject(*check):
        wait_for("it is unhealthy", lambda: fleet.lab.inspect(SUBJECT)["State"]["Health"]["Status"] == "unhealthy")
        yield


@fault("11", "Engine restarted without live-restore", THE_SUBJECT, "container/engine-restarted", place="engine")
def engine_restarted(fleet: Fleet) -> Iterator[None]:
    fleet.lab.stop_engine()
    fleet.lab.start_engine("--userland-proxy=false")
    yield
    fleet.run_subject()


@fault("12", "Host port taken", THE_SUBJECT, "container/host-port-taken")
def host_port_taken(fleet: Fleet) -> Iterator[None]:
    owner = (f"import socket; s = socket.create_server(('0.0.0.0', {SUBJECT_PORT})); print('ready', flush=True);"
             "s.accept()")  # fmt: skip
    with fleet.lab.running(f"/run/netns/{fleet.lab.host_namespace}", "python3", "-c", owner, ready="ready"):
        fleet.run_subject("--publish", PUBLISHED, listens=None)
        yield
    fleet.run_subject()


@fault("13", "Network's addresses used up", THE_SUBJECT, "container/addresses-exhausted")
def addresses_exhausted(fleet: Fleet) -> Iterator[None]:
    # Two addresses in a /30: one is the gateway's, one the occupant's.
    with fleet.network("tight", "--subnet", "10.233.0.0/30"):
        with fleet.container("occupant", "--network", "tight"):
            fleet.run_subject(network="tight", listens=None)
            yield
        fleet.run_subject()
