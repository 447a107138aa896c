"""`fleetctl up` launches a fleet, does no more than is asked for, and keeps its hands off what it should keep."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import docker
import pytest

from tests.conftest import Bystanders, MakeProxy
from tests.e2e.project import Project, idle, server, shell

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_up_starts_every_replica_and_shows_address_veth_and_identity(fleet: Project) -> None:
    fleet.write({"web": server(3), "quiet": idle()})
    done = fleet.up()

    assert fleet.states() == {"quiet-1": "running", "web-1": "running", "web-2": "running", "web-3": "running"}
    rows = [line.split() for line in done.stdout.splitlines() if f"{fleet.name}-web-" in line]
    networks = [entry["NetworkSettings"]["Networks"] for entry in fleet.containers(service="web")]
    assert {row[1] for row in rows} == {entry[f"{fleet.name}_default"]["IPAddress"] for entry in networks}
    assert {row[2] for row in rows} < set(fleet.veths())
    assert len({row[3] for row in rows}) == 3
    assert all(UUID.fullmatch(row[3]) for row in rows)
    fleet.assert_converged()
    fleet.down()


def test_up_has_asked_every_replica_over_http_before_it_ends(fleet: Project) -> None:
    fleet.write({"web": server(2, before="sleep 1")})
    done = fleet.up()
    assert len(UUID.findall(done.stdout)) == 2, done


def test_a_second_up_writes_nothing(fleet: Project, proxy: MakeProxy) -> None:
    fleet.write({"web": server(2, volumes=["data:/data"]), "quiet": idle()}, volumes={"data": None})
    fleet.up()
    before = fleet.ids()
    with proxy() as watched:
        done = fleet.up(env=watched.environment)
    assert [str(request) for request in watched.writes] == []
    assert "nothing to do" in done.stderr
    assert fleet.ids() == before


def test_scaling_keeps_the_numbers_and_the_containers_that_stay(fleet: Project) -> None:
    fleet.write({"web": server(3)})
    fleet.up()
    three = fleet.ids()

    fleet.up("--scale", "web=1")
    assert fleet.ids() == {"web-1": three["web-1"]}
    done = fleet.run("scale", "web=2")
    assert done.code == 0, done
    assert fleet.ids().keys() == {"web-1", "web-2"}
    assert fleet.ids()["web-1"] == three["web-1"]
    fleet.up()
    assert fleet.states() == {"web-1": "running", "web-2": "running", "web-3": "running"}
    fleet.up("--scale", "web=0")
    assert fleet.states() == {}


def test_scaling_down_takes_outdated_replicas_before_high_numbers(fleet: Project) -> None:
    fleet.write({"web": idle(3, environment={"GREETING": "old"})})
    fleet.up()
    fleet.write({"web": idle(3, environment={"GREETING": "new"})})
    fleet.container("web-3").remove(force=True)
    fleet.up("--no-recreate")  # 1 and 2 stay old, 3 is made anew
    assert fleet.run("scale", "web=1").code == 0
    assert fleet.states() == {"web-3": "running"}


def test_changing_replicas_depends_on_and_update_policy_recreates_nothing(fleet: Project) -> None:
    fleet.write({"web": idle(1), "db": idle(1)})
    fleet.up()
    before = fleet.ids()
    web = idle(depends_on=["db"])
    web["deploy"] = {"replicas": 2, "update_config": {"parallelism": 2}}
    fleet.write({"web": web, "db": idle(1)})
    fleet.up()
    after = fleet.ids()
    assert after.keys() == {"web-1", "web-2", "db-1"}
    assert after.items() >= before.items()


def test_force_recreate_replaces_all_and_no_recreate_none(fleet: Project) -> None:
    fleet.write({"web": idle(2)})
    fleet.up()
    first = fleet.ids()
    fleet.up("--force-recreate", "--timeout", "1")
    second = fleet.ids()
    assert second.keys() == first.keys()
    assert not set(second.values()) & set(first.values())
    fleet.write({"web": idle(2, environment={"NEW": "1"})})
    fleet.up("--no-recreate")
    assert fleet.ids() == second


def test_orphans_are_named_and_removed_by_flag_only(fleet: Project) -> None:
    fleet.write({"web": idle(), "old": idle()})
    fleet.up()
    fleet.write({"web": idle()})
    done = fleet.up()
    assert f"{fleet.name}-old-1: no such service in the file any more" in done.stderr
    assert fleet.states() == {"old-1": "running", "web-1": "running"}
    fleet.up("--remove-orphans")
    assert fleet.states() == {"web-1": "running"}


def test_up_of_a_service_brings_what_it_depends_on_unless_told_not_to(fleet: Project) -> None:
    fleet.write({"web": idle(depends_on=["db"]), "db": idle(), "other": idle()})
    fleet.up("--no-deps", "web")
    assert fleet.states() == {"web-1": "running"}
    fleet.up("web")
    assert fleet.states() == {"db-1": "running", "web-1": "running"}


def test_a_service_with_a_profile_runs_when_the_profile_is_named_and_is_no_orphan_else(fleet: Project) -> None:
    fleet.write({"web": idle(), "debug": idle(profiles=["tools"])})
    fleet.up()
    assert fleet.states() == {"web-1": "running"}
    fleet.up("--profile", "tools")
    assert fleet.states() == {"debug-1": "running", "web-1": "running"}
    done = fleet.up("--remove-orphans")
    assert "debug" not in done.stderr
    assert fleet.states() == {"debug-1": "running", "web-1": "running"}
    fleet.down()


def test_a_dependency_is_healthy_before_its_dependent_starts(fleet: Project) -> None:
    health = {"test": ["CMD", "test", "-f", "/tmp/up"], "interval": "0.3s", "retries": 50}
    db = idle(command=shell("sleep 1; touch /tmp/up; sleep 9999 & wait"), healthcheck=health)
    fleet.write({"web": idle(2, depends_on={"db": {"condition": "service_healthy"}}), "db": db})
    fleet.up()
    # It cannot be healthy before its sleep is over; without waiting the others would start at once.
    healthy = datetime.fromisoformat(engine_time(fleet, "db-1")) + timedelta(seconds=1)
    for name in ("web-1", "web-2"):
        assert datetime.fromisoformat(engine_time(fleet, name)) > healthy


def engine_time(fleet: Project, name: str) -> str:
    """When a container was started, in UTC to the microsecond; such texts sort as times do."""
    started = fleet.client.api.inspect_container(fleet.ids()[name])["State"]["StartedAt"]
    return re.sub(r"\.(\d{1,6})\d*", r".\1", str(started))


def test_a_one_shot_service_completes_before_its_dependent_and_is_not_run_again(fleet: Project) -> None:
    job = idle(command=["sh", "-c", "sleep 1; echo migrated"], restart="no")
    web = server(1, depends_on={"job": {"condition": "service_completed_successfully"}})
    fleet.write({"web": web, "job": job})
    fleet.up()
    assert fleet.states() == {"job-1": "exited", "web-1": "running"}
    ended = fleet.client.api.inspect_container(fleet.ids()["job-1"])["State"]["FinishedAt"]
    assert engine_time(fleet, "web-1") > ended
    fleet.assert_converged()
    before = engine_time(fleet, "job-1")
    fleet.up()
    assert engine_time(fleet, "job-1") == before


def test_a_one_shot_service_that_fails_keeps_its_dependent_from_starting(fleet: Project) -> None:
    job = idle(command=["sh", "-c", "echo no such table; exit 7"], restart="no")
    fleet.write({"web": idle(depends_on={"job": {"condition": "service_completed_successfully"}}), "job": job})
    done = fleet.up(code=1)
    assert "exited with code 7" in done.stderr
    assert "no such table" in done.stderr
    assert fleet.states().get("web-1") != "running"


def test_a_replica_that_the_kernel_kills_for_want_of_memory_is_told_so(fleet: Project) -> None:
    """The engine misses a kill that comes with the start; a health check runs when it watches."""
    greedy = "while [ ! -e /tmp/asked ]; do sleep 0.1; done; greed=0123456789; while :; do greed=$greed$greed; done"
    health = {"test": ["CMD-SHELL", "touch /tmp/asked; false"], "interval": "0.3s"}
    limits = {"resources": {"limits": {"memory": "32m"}}}
    fleet.write({"web": idle(command=shell(greedy), restart="no", healthcheck=health, deploy=limits)})
    done = fleet.up(code=1)
    assert "exited with code 137: the kernel killed it for want of memory, its limit is 32 MiB" in done.stderr
    assert "raise services.web.deploy.resources.limits.memory" in done.stderr


def test_many_fleets_may_come_up_at_once_and_get_subnets_of_their_own(
    fleet: Project, client: docker.DockerClient, bystanders: Bystanders, tmp_path: Path
) -> None:
    others = [Project(tmp_path, client) for _ in range(6)]
    try:
        fleet.write({"web": idle()})
        with ThreadPoolExecutor(len(others)) as pool:
            runs = list(pool.map(lambda other: other.run("-p", other.name, "up"), others))
        assert [run.code for run in runs] == [0] * len(others), "\n".join(map(str, runs))
        subnets = [other.networks()[0]["IPAM"]["Config"][0]["Subnet"] for other in others]
        assert len(set(subnets)) == len(others)
    finally:
        for other in others:
            other.remove_everything()


def test_the_file_may_come_from_stdin_and_results_go_to_stdout_progress_to_stderr(fleet: Project) -> None:
    fleet.write({"web": server(1)})
    text = (fleet.directory / "fleet.yaml").read_text()
    (fleet.directory / "fleet.yaml").unlink()
    done = fleet.run("-f", "-", "up", stdin=text)
    assert done.code == 0, done
    assert f"created {fleet.name}-web-1" in done.stderr
    assert "created" not in done.stdout
    assert f"{fleet.name}-web-1" in done.stdout


def test_a_dry_run_says_what_up_would_do_and_writes_nothing(fleet: Project, proxy: MakeProxy) -> None:
    fleet.write({"web": idle(2)})
    with proxy() as watched:
        done = fleet.run("up", "--dry-run", env=watched.environment)
        assert done.code == 0, done
        assert f"{fleet.name}-web-2" in done.stdout
        assert fleet.run("plan", "--exit-code", env=watched.environment).code == 1
    assert [str(request) for request in watched.writes] == []
    assert fleet.left() == []


@pytest.mark.parametrize("where", ["elsewhere", "below"])
def test_down_needs_the_name_or_a_file_in_a_directory_above(fleet: Project, where: str) -> None:
    fleet.write({"web": idle()})
    fleet.up()
    below = fleet.directory / "a" / "b"
    below.mkdir(parents=True)
    if where == "elsewhere":
        (fleet.directory / "fleet.yaml").unlink()
    process = fleet.popen(*(["-p", fleet.name] if where == "elsewhere" else []), "down", cwd=below)
    assert fleet.finish(process).code == 0
    assert fleet.left() == []
