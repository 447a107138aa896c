"""What a balancer says of its servers, in stats, ps and diagnose."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import docker
import pytest

from fleetctl.check.http import fetch
from tests.conftest import Bystanders, lend
from tests.e2e.balanced import admin_socket
from tests.e2e.project import Json, Project, idle, server, shell, wait_for
from tests.e2e.test_balancer_image import CONTEXT, base_reference
from tests.e2e.test_terminal import terminal


@pytest.fixture(scope="module")
def standing(
    tmp_path_factory: pytest.TempPathFactory, client: docker.DockerClient, bystanders: Bystanders
) -> Iterator[Project]:
    """Two replicas behind a balancer, and a service that nobody balances; every test leaves it as it was."""
    for project in lend(tmp_path_factory.mktemp("stats"), client, bystanders):
        balancer = {
            "image": f"fleetctl-test/balancer:{project.name}",
            "build": {"context": "balancer", "args": {"BASE": base_reference()}},
            "stop_grace_period": "1s",
            "x-fleet": {"balance": {"service": "web", "port": 8000}},
        }
        shutil.copytree(CONTEXT, project.directory / "balancer")
        project.write({"web": server(2), "alone": idle(), "balancer": balancer})
        project.up()
        yield project


def servers(project: Project) -> dict[str | None, Json]:
    """What stats says of each server, by its replica; one whose container is gone has none."""
    (balancer,) = project.run("stats", "--format", "json").json()["balancers"]
    return {one["replica"]: one for pool in balancer["pools"] for one in pool["servers"]}


def is_well(one: Json) -> bool:
    return bool(one["healthy"]) and one["check"] == "L7OK"


def order(project: Project, command: str) -> None:
    """Have the balancer do something behind fleetctl's back."""
    session = ["docker", "exec", "-i", project.container("balancer-1").id, "socat", "-", "UNIX-CONNECT:/tmp/admin.sock"]
    said = subprocess.run(session, input=f"{command}\n", capture_output=True, text=True, check=True).stdout
    assert not said.strip(), said


@contextmanager
def drained(project: Project, short_name: str) -> Iterator[None]:
    place = f"web:8000/{servers(project)[f'{project.name}-{short_name}']['server']}"
    order(project, f"set server {place} state drain")
    try:
        yield
    finally:
        order(project, f"set server {place} state ready")


def test_every_request_is_counted_where_it_went_and_as_its_client_saw_it(standing: Project) -> None:
    (network,) = standing.container("balancer-1").attrs["NetworkSettings"]["Networks"].values()
    before = servers(standing)
    for _ in range(6):
        assert fetch(str(network["IPAddress"]), 8000, "/", timeout=5).status == 200
    after = servers(standing)
    assert {name: one["requests"] - before[name]["requests"] for name, one in after.items()} == {
        f"{standing.name}-web-1": 3,
        f"{standing.name}-web-2": 3,
    }
    assert {(one["admission"], one["healthy"], one["check"]) for one in after.values()} == {("ready", True, "L7OK")}
    done = standing.run("stats", "web")
    assert done.code == 0, done
    title, head, *rows, total = done.stdout.splitlines()
    assert title == f"{standing.name}-balancer-1 balances web:8000 (roundrobin)"
    assert head.split() == ["REPLICA", "ADDRESS", "STATE", "SESSIONS", "REQUESTS", "FAILED", "RETRIED"]
    assert [row.split("  ")[0] for row in rows] == [f"{standing.name}-web-1", f"{standing.name}-web-2"]
    assert all("ready, up (L7OK)" in row for row in rows)
    assert total.split() == [
        "all",
        "as",
        "clients",
        "saw",
        "it",
        "0",
        str(sum(int(row.split()[-3]) for row in rows)),
        "0",
        "0",
    ]


def test_ps_says_who_is_in_rotation_and_warns_of_one_that_an_interrupted_run_left_out(standing: Project) -> None:
    names = {
        one["name"].removeprefix(f"{standing.name}-"): one
        for one in standing.run("ps", "--format", "json").json()["replicas"]
    }
    assert {name: one["rotation"] for name, one in names.items()} == {
        "alone-1": None,
        "balancer-1": None,
        "web-1": "ready",
        "web-2": "ready",
    }
    with drained(standing, "web-1"):
        done = standing.run("ps")
        assert servers(standing)[f"{standing.name}-web-1"]["admission"] == "drain"
        assert "draining, up (L7OK)" in standing.run("stats").stdout
    assert {
        line.split()[0].removeprefix(f"{standing.name}-"): line.split()[-1] for line in done.stdout.splitlines()
    } == {
        "NAME": "ROTATION",
        "alone-1": "-",
        "balancer-1": "-",
        "web-1": "draining",
        "web-2": "ready",
    }
    assert (
        f"{standing.name}-web-1: an interrupted run left it out of rotation at {standing.name}-balancer-1"
        in done.stderr
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into another user's namespaces")
def test_a_stranger_at_the_address_of_a_replica_that_is_gone_is_told_of_until_up_mends_it(standing: Project) -> None:
    gone = standing.container("web-2")
    ((network, endpoint),) = gone.attrs["NetworkSettings"]["Networks"].items()
    gone.remove(force=True)
    place = standing.client.api.create_endpoint_config(ipv4_address=endpoint["IPAddress"])
    stranger = standing.stranger(
        f"{standing.name}-guest",
        network=network,
        networking_config={network: place},
        command=shell("echo guest > /tmp/index.html; httpd -f -p 8080 -h /tmp & wait"),
    )
    try:
        wait_for("the stranger answers", lambda: fetch(endpoint["IPAddress"], 8080, "/", timeout=1).status)
        wait_for("it is taken for the replica", lambda: is_well(servers(standing)[None]))
        shown = standing.run("stats").stdout
        done = standing.run("diagnose", "balancer", "--format", "json")
    finally:
        stranger.remove(force=True)
    assert "(no container)" in shown
    assert done.code == 4
    (first, *_) = done.json()["verdicts"][0]["findings"]
    assert (first["cause"], first["where"]) == ("stale-server", "web-2")
    assert "its container is gone" in first["evidence"][0]["fact"]
    assert f"is the address of {standing.name}-guest now" in first["evidence"][1]["fact"]
    standing.up()
    assert set(servers(standing)) == {f"{standing.name}-web-1", f"{standing.name}-web-2"}


def test_watch_draws_it_anew_until_ctrl_c(standing: Project) -> None:
    with terminal(standing, "stats", "--watch") as seen:
        seen.wait_for("Ctrl-C ends")
        with drained(standing, "web-2"):
            seen.wait_for("draining, up (L7OK)")
        seen.process.send_signal(signal.SIGINT)
        assert seen.end() == 130


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into another user's namespaces")
def test_diagnose_finds_nothing_wrong_with_a_balancer_and_then_its_servers(standing: Project) -> None:
    done = standing.run("diagnose")
    assert (done.code, "✗" in done.stdout, "!" in done.stdout) == (0, False, False), done
    for name in ("web-1", "web-2"):
        standing.container(name).pause()
    try:
        wait_for("both are down", lambda: not any(one["healthy"] for one in servers(standing).values()))
        (verdict,) = standing.run("diagnose", "balancer", "--format", "json").json()["verdicts"]
    finally:
        for name in ("web-1", "web-2"):
            standing.container(name).unpause()
    (first, *_) = verdict["findings"]
    assert (first["hop"], first["cause"]) == ("http", "no-server-ready")
    assert "web-1 is down" in first["evidence"][0]["fact"]
    assert first["commands"] == ["fleetctl diagnose web"]
    wait_for("both are up", lambda: all(one["healthy"] for one in servers(standing).values()))


def test_without_a_balancer_that_tells_the_error_says_how_to_have_one(standing: Project) -> None:
    alone = standing.run("stats", "alone")
    assert alone.code == 1
    assert "no balancer of fleet" in alone.stderr
    assert "x-fleet: {balance: {service: alone}}" in alone.stderr
    piped = standing.run("stats", "--watch")
    assert piped.code == 2
    assert "--watch draws a table on a terminal" in piped.stderr
    standing.container("balancer-1").pause()
    try:
        paused = standing.run("stats")
    finally:
        standing.container("balancer-1").unpause()
    assert (paused.code, paused.stdout) == (1, "")
    assert f"balancer {standing.name}-balancer-1 is paused" in paused.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may reach into a container's files from outside")
def test_a_balancer_whose_admin_socket_is_gone_is_told_of_and_ps_goes_on(standing: Project) -> None:
    """The last one: the balancer stays so."""
    pid = standing.container("balancer-1").attrs["State"]["Pid"]
    admin_socket(pid).unlink()
    done = standing.run("stats")
    assert (done.code, done.stdout) == (1, "")
    assert f"balancer {standing.name}-balancer-1 does not say who is in rotation" in done.stderr
    listed = standing.run("ps")
    assert listed.code == 0
    assert f"balancer {standing.name}-balancer-1 does not say who is in rotation" in listed.stderr
    assert {line.split()[-1] for line in listed.stdout.splitlines()[1:]} == {"-"}
