"""Waiting for replicas: what one failed look, and what old restarts, mean for those who wait."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetctl.check.last_words import bound_to_go
from fleetctl.check.readiness import LOOK_EVERY, Readiness
from fleetctl.errors import EngineUnreachable, FleetError
from fleetctl.plan.actions import AwaitReplica, Ref
from fleetctl.spec.model import HttpSettings, Service
from fleetctl.state.observed import Endpoint, Inspection, Replica, ReplicaState
from tests.fakes.memory_engine import MemoryEngine
from tests.fakes.ports import free_port
from tests.fakes.round_robin import RoundRobin, says
from tests.unit.plan.story import deploy, make_plan, provide_images, read_fleet

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
SERVICE = Service("web", "image")


def replica_in(state: ReplicaState, number: int = 1, restarts: int | None = None) -> Replica:
    name = f"f-web-{number}"
    return Replica(name, name, "web", number, "image", "id", state, "none", "", CREATED, restarts=restarts, exit_code=1)


def awaited(number: int = 1, service: Service = SERVICE) -> AwaitReplica:
    return AwaitReplica(Ref(f"f-web-{number}", id=f"f-web-{number}"), service)


class Shown:
    """An engine that shows one replica's states one after the other, the last of them for ever."""

    host: str | None = None
    log: tuple[str, ...] = ()

    def __init__(self, *states: Replica) -> None:
        self.states = list(states)
        self.asked: list[str | None] = []

    def observe_replicas(self, fleet_name: str, container_id: str | None = None) -> tuple[Replica, ...]:
        self.asked.append(container_id)
        self.now = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return (replace(self.now, restarts=None),)

    def inspect_replica(self, replica: Replica) -> Replica | None:
        """To inspection, what is restarting runs."""
        return replace(self.now, exit_code=None) if self.now.state == "restarting" else self.now

    def last_lines(self, container_id: str, count: int) -> tuple[str, ...]:
        return self.log[-count:]


class NoBalancer:
    """Nobody asks it here."""

    def lack(self, balancer: Replica) -> str | None:
        raise AssertionError(f"{balancer.name} is no balancer")


class Hung(Shown):
    """An engine that shows every replica once and then lets whoever looks wait in vain for `patience` seconds."""

    patience = 3 * LOOK_EVERY
    looks = 0

    def observe_replicas(self, fleet_name: str, container_id: str | None = None) -> tuple[Replica, ...]:
        if container_id is not None:
            return tuple(replica for replica in self.states if replica.id == container_id)
        self.looks += 1
        time.sleep(self.patience)
        raise EngineUnreachable("no answer in time")


def test_whoever_waits_for_a_look_that_fails_fails_with_it() -> None:
    """Or every replica would cost the engine's timeout once more."""
    numbers = range(1, 9)
    engine = Hung(*(replica_in("created", number) for number in numbers))
    gate = Readiness(engine, "f", NoBalancer(), timeout=60, stop=threading.Event())
    with ThreadPoolExecutor(len(numbers)) as pool:
        waits = [pool.submit(gate.wait, awaited(number), lambda detail: None) for number in numbers]
    assert {type(wait.exception()) for wait in waits} == {EngineUnreachable}
    assert engine.looks == 1


def test_restarts_of_long_ago_are_not_held_against_a_replica() -> None:
    """One that has been restarted three times in its life and is restarting now may still come up."""
    engine = Shown(replica_in("restarting", restarts=7), replica_in("running", restarts=8))
    Readiness(engine, "f", NoBalancer(), timeout=30, stop=threading.Event()).wait(awaited(), lambda detail: None)


def test_a_replica_that_is_restarted_again_and_again_while_it_is_waited_for_is_given_up() -> None:
    """After a few restarts, long before the time is up."""
    engine = Shown(*(replica_in("restarting", restarts=count) for count in range(7, 99)))
    with pytest.raises(FleetError, match=r"exits again and again \(code 1\)"):
        Readiness(engine, "f", NoBalancer(), timeout=60, stop=threading.Event()).wait(awaited(), lambda detail: None)
    assert engine.now.restarts == 10


def test_a_replica_out_of_reach_is_given_up_at_once() -> None:
    """A port that is not published will not be while it is waited for; the error says what to do."""
    engine = Shown(replica_in("running"))
    engine.host = "192.0.2.7"
    gate = Readiness(engine, "f", NoBalancer(), timeout=60, stop=threading.Event())
    with pytest.raises(
        FleetError, match=r"f-web-1: it cannot be asked from here.* port 8080 is not published"
    ) as caught:
        gate.wait(awaited(service=replace(SERVICE, http=HttpSettings(8080))), lambda detail: None)
    assert "services.web.ports" in str(caught.value.hint)
    assert len(engine.asked) == 1


def test_a_server_is_ready_with_the_second_good_answer_in_a_row() -> None:
    """One may answer once and die."""
    statuses = ["200 OK", "503 Not Yet", "200 OK", "200 OK"]
    with RoundRobin(lambda number: says("", statuses[number])) as server:
        there = {"lan": Endpoint("lan", "lan", ipv4="127.0.0.1")}
        engine = Shown(replace(replica_in("running"), endpoints=there))
        gate = Readiness(engine, "f", NoBalancer(), timeout=60, stop=threading.Event())
        gate.wait(awaited(service=replace(SERVICE, http=HttpSettings(server.port))), lambda detail: None)
        assert server.seen.requests == len(statuses)


@pytest.mark.parametrize("state", ["exited", "restarting"])
def test_a_replica_that_the_kernel_killed_for_want_of_memory_is_told_so(state: ReplicaState) -> None:
    killed = Inspection(out_of_memory=True, memory=8 << 20)
    engine = Shown(*(replace(replica_in(state, restarts=count), inspection=killed) for count in range(9)))
    with pytest.raises(FleetError, match="the kernel killed it for want of memory, its limit is 8 MiB") as caught:
        Readiness(engine, "f", NoBalancer(), timeout=60, stop=threading.Event()).wait(awaited(), lambda detail: None)
    assert "raise services.web.deploy.resources.limits.memory" in str(caught.value.hint)


@pytest.mark.parametrize("state", ["exited", "restarting"])
def test_a_replica_with_a_memory_limit_that_was_killed_may_have_been_killed_for_want_of_memory(
    state: ReplicaState,
) -> None:
    """The engine does not tell of a kill that came with the start."""
    killed = Inspection(memory=8 << 20)
    lives = (replace(replica_in(state, restarts=count), exit_code=137, inspection=killed) for count in range(9))
    gate = Readiness(Shown(*lives), "f", NoBalancer(), timeout=60, stop=threading.Event())
    with pytest.raises(FleetError, match=r"137.*: it was killed, maybe .* for want of memory, its limit") as caught:
        gate.wait(awaited(), lambda detail: None)
    assert "raise services.web.deploy.resources.limits.memory" in str(caught.value.hint)


@pytest.mark.parametrize(("code", "limit"), [(137, None), (1, 8 << 20)])
def test_nobody_speaks_of_memory_without_a_limit_or_a_kill(code: int, limit: int | None) -> None:
    ended = replace(replica_in("exited"), exit_code=code, inspection=Inspection(memory=limit))
    gate = Readiness(Shown(ended), "f", NoBalancer(), timeout=60, stop=threading.Event())
    with pytest.raises(FleetError, match=f"exited with code {code}; its last log lines") as caught:
        gate.wait(awaited(), lambda detail: None)
    assert "memory" not in str(caught.value.hint)


MADE = AwaitReplica(Ref("f-web-1.next", id="f-web-1", made_by="create f-web-1.next"), SERVICE)


def refusal(gate: Readiness, action: AwaitReplica) -> FleetError:
    """What a wait ends with that cannot end well."""
    with pytest.raises(FleetError) as caught:
        gate.wait(action, lambda detail: None)
    return caught.value


@pytest.mark.parametrize(("going", "lines"), [((), 10), (("create f-web-1.next",), 30)])
def test_of_a_container_that_goes_more_of_the_log_is_told_and_no_way_to_the_rest(
    going: tuple[str, ...], lines: int
) -> None:
    """There is none: 'fleetctl logs' would find nothing."""
    engine = Shown(replica_in("exited"))
    engine.log = tuple(f"line {number}" for number in range(99))
    error = refusal(Readiness(engine, "f", NoBalancer(), timeout=60, stop=threading.Event(), going=going), MADE)
    assert error.message.count("\n    line ") == lines
    assert ("fleetctl logs" in str(error.hint)) == (not going)
    assert "mend the cause, and run 'fleetctl up' again" in str(error.hint)


def test_a_failed_successor_goes_and_one_that_is_made_where_none_was_stays(tmp_path: Path) -> None:
    engine = MemoryEngine()
    for release, replicas in (("1", 1), ("2", 2)):
        services = {"web": {"image": "app", "environment": {"RELEASE": release}, "deploy": {"replicas": replicas}}}
        fleet = read_fleet({"services": services}, tmp_path)
        provide_images(engine, fleet)
        plan = make_plan(engine, fleet)
        assert bound_to_go(plan) == ({"create f-web-1.next"} if release == "2" else set())
        assert {step.id for step in plan.steps} >= {f"create f-web-{number}" for number in range(replicas, 0, -2)}
        assert not deploy(engine, fleet).failures


def test_what_ended_while_it_was_asked_is_told_to_have_ended() -> None:
    """A question that nobody is left to answer takes until the deadline."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        there = {"lan": Endpoint("lan", "lan", ipv4="127.0.0.1")}
        ended = replace(replica_in("exited"), exit_code=0)
        engine = Shown(replace(replica_in("running"), endpoints=there), ended)
        gate = Readiness(engine, "f", NoBalancer(), timeout=0.3, stop=threading.Event())
        error = refusal(gate, awaited(service=replace(SERVICE, http=HttpSettings(mute.getsockname()[1]))))
    assert "exited with code 0 and is not meant to end" in error.message


def test_a_server_that_was_ready_and_died_is_not_told_to_listen_elsewhere() -> None:
    http = HttpSettings(free_port())
    there = {"lan": Endpoint("lan", "lan", ipv4="127.0.0.1")}
    engine = Shown(replace(replica_in("running"), endpoints=there))
    gate = Readiness(engine, "f", NoBalancer(), timeout=0.5, stop=threading.Event())
    action = awaited(service=replace(SERVICE, http=http))
    error = refusal(gate, action)
    assert "is not ready: nothing listens on" in error.message
    assert "0.0.0.0" in str(error.hint)
    error = refusal(gate, replace(action, seen=True, monitor=5.0))
    assert f"did not stay ready: nothing listens on 127.0.0.1:{http.port} any more" in error.message
    assert "0.0.0.0" not in str(error.hint)
    assert "it was ready before" in str(error.hint)
