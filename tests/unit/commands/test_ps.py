"""What `ps` says on stderr of a fleet that is not as the file wants it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetctl.commands.ps import find_drift, tell_drift
from fleetctl.spec.model import Dependency, Fleet, Service
from fleetctl.state.observed import Replica, ReplicaState

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
PREPARE = Service("prepare", "i")
WEB = Service("web", "i", depends_on={"prepare": Dependency("service_completed_successfully")})
FLEET = Fleet("f", Path(), (), {"prepare": PREPARE, "web": WEB})


def replica(service: str, number: int = 1, state: ReplicaState = "running", exit_code: int | None = None) -> Replica:
    name = f"f-{service}-{number}"
    made = Replica(name, name, service, number, "i", "i", "running", "none", "", CREATED, exit_code=exit_code)
    return replace(made, state=state)


def told(capsys: pytest.CaptureFixture[str], fleet: Fleet, *there: Replica, run: str | None = None) -> list[str]:
    tell_drift(find_drift(fleet, there, ()), run)
    return capsys.readouterr().err.splitlines()


def test_a_job_that_has_done_its_work_is_no_drift(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, FLEET, replica("prepare", 1, "exited", 0), replica("web")) == []


@pytest.mark.parametrize(("state", "exit_code"), [("exited", 3), ("created", None), ("paused", None)])
def test_a_job_that_has_not_done_its_work_is_drift(
    capsys: pytest.CaptureFixture[str], state: ReplicaState, exit_code: int | None
) -> None:
    (line,) = told(capsys, FLEET, replica("prepare", 1, state, exit_code), replica("web"))
    assert line == "warning: prepare: the file asks for 1 replica, 0 running; 'fleetctl up' makes it so"


def test_a_server_that_ended_well_is_drift_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    done = replica("prepare", 1, "exited", 0)
    (line,) = told(capsys, FLEET, done, replica("web", 1, "exited", 0))
    assert line == "warning: web: the file asks for 1 replica, 0 running; 'fleetctl up' makes it so"


def test_of_several_jobs_those_that_are_done_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    fleet = replace(FLEET, services={"prepare": replace(PREPARE, replicas=3), "web": WEB})
    there = [replica("prepare", 1, "exited", 0), replica("prepare", 2), replica("prepare", 3, "exited", 1)]
    (line,) = told(capsys, fleet, *there, replica("web"))
    assert line == "warning: prepare: the file asks for 3 replicas, 1 running, 1 done; 'fleetctl up' makes it so"


def test_a_run_that_is_under_way_is_told_before_the_drift_that_may_be_its_doing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, _ = told(capsys, FLEET, replica("web"), run="another run works on fleet f (fleetctl up, pid 9)")
    assert first.startswith("warning: another run works on fleet f (fleetctl up, pid 9)")
    done = replica("prepare", 1, "exited", 0)
    assert told(capsys, FLEET, done, replica("web"), run="another run works on fleet f") == []
