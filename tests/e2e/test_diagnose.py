"""diagnose on real replicas: silent about what is well, right about what is not, and never a hand on the host."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import docker
import pytest

from tests.conftest import Bystanders, lend
from tests.e2e.project import Done, Json, Project, idle, server, shell, wait_for
from tests.e2e.test_balancer_image import CONTEXT, base_reference

HTTP: Json = {"x-fleet": {"http": {"port": 8080}}}
BROKEN = {
    "paused": ("container", "paused", "fleetctl start paused"),
    "stopped": ("container", "stopped", "fleetctl start stopped"),
    "deaf": ("socket", "bound-to-loopback", None),
    "elsewhere": ("socket", "wrong-port", None),
}
"""Hop, cause and first command by service."""
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into another user's namespaces")


@pytest.fixture(scope="module")
def healthy(
    tmp_path_factory: pytest.TempPathFactory, client: docker.DockerClient, bystanders: Bystanders
) -> Iterator[Project]:
    """A fleet with which all is well; the tests here only look at it."""
    for project in lend(tmp_path_factory.mktemp("healthy"), client, bystanders):
        project.write({"web": server(2, ports=["127.0.0.1::8080"])})
        project.up()
        yield project


@pytest.fixture(scope="module")
def broken(
    tmp_path_factory: pytest.TempPathFactory, client: docker.DockerClient, bystanders: Bystanders
) -> Iterator[Project]:
    """A fleet in which every service is broken in another way; the tests here only look at it."""
    serve = "httpd -f -p {} -h /tmp & wait"
    services = {
        "paused": idle(command=shell(serve.format(8080))),
        "stopped": idle(command=shell(serve.format(8080))),
        "deaf": idle(command=shell(serve.format("127.0.0.1:8080"))),
        "elsewhere": idle(command=shell(serve.format(8000))),
    }
    for project in lend(tmp_path_factory.mktemp("broken"), client, bystanders):
        project.write(services)
        project.up()
        for name in ("deaf", "elsewhere"):
            await_socket(project.container(f"{name}-1"), 8080 if name == "deaf" else 8000)
        # Asked for only now: up would wait for their answers in vain.
        project.write({name: {**keys, **HTTP} for name, keys in services.items()})
        project.container("paused-1").pause()
        project.container("stopped-1").stop(timeout=5)
        yield project
        project.container("paused-1").unpause()


def await_socket(container: object, port: int) -> None:
    """Until a process of the container listens on the TCP port."""
    pid = container.attrs["State"]["Pid"]  # type: ignore[attr-defined]  # docker-py's container
    tables = [Path(f"/proc/{pid}/net/{name}") for name in ("tcp", "tcp6")]
    listening = re.compile(rf":{port:04X} [0-9A-F]+:0000 0A")
    wait_for(f"port {port}", lambda: any(listening.search(table.read_text()) for table in tables))


def diagnosed(project: Project, *args: str, code: int = 0) -> Json:
    done = project.run("diagnose", "--format", "json", *args)
    assert done.code == code, done
    found: Json = done.json()
    return found


def test_a_healthy_fleet_gets_one_line_each_and_exit_0(healthy: Project) -> None:
    done = healthy.run("diagnose")
    assert done.code == 0, done
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["✓", f"{healthy.name}-web-1:8080"],
        ["✓", f"{healthy.name}-web-2:8080"],
    ]
    assert all(re.search(r"  answers by \d ways, at most \d+ ms$", line) for line in lines)
    assert done.stderr == ""


def test_a_healthy_fleet_is_asked_from_every_side_and_nothing_is_found(healthy: Project) -> None:
    document = diagnosed(healthy)
    assert (document["reachable"], document["cause"], document["vantage"]) == (True, None, "this host")
    for verdict in document["verdicts"]:
        assert verdict["findings"] == []
        assert verdict["unknown"] == []
        assert {way["vantage"] for way in verdict["ways"]} == {"lo", "own", "host", "client", "published"}
        assert {way["status"] for way in verdict["ways"]} == {200}


def test_a_target_may_be_written_in_every_form(healthy: Project) -> None:
    (port,) = healthy.container("web-1").ports["8080/tcp"]
    (network,) = healthy.container("web-1").attrs["NetworkSettings"]["Networks"].values()
    forms = (
        *("web-1", f"{healthy.name}-web-1:8080", f"{network['IPAddress']}:8080", f"127.0.0.1:{port['HostPort']}"),
        *(f"http://127.0.0.1:{port['HostPort']}/", healthy.ids()["web-1"][:12]),
    )
    for verdict in diagnosed(healthy, *forms)["verdicts"]:
        assert verdict["container"] == f"{healthy.name}-web-1"
        assert verdict["reachable"] is True, verdict


def test_from_one_replica_to_another_only_that_way_is_asked(healthy: Project) -> None:
    (verdict,) = diagnosed(healthy, "--from", "web-2", "--to", "web-1")["verdicts"]
    assert verdict["reachable"] is True
    others = [way for way in verdict["ways"] if way["vantage"] not in ("lo", "own")]
    assert [way["from"] for way in others] == [f"{healthy.name}-web-2"]
    assert "name" in {proof["hop"] for proof in verdict["proofs"]}


@pytest.mark.parametrize("service", BROKEN)
def test_what_is_broken_is_named_with_hop_cause_and_cure(broken: Project, service: str) -> None:
    hop, cause, command = BROKEN[service]
    document = diagnosed(broken, f"{service}-1", code=4)
    assert (document["reachable"], document["hop"], document["cause"]) == (False, hop, cause)
    (verdict,) = document["verdicts"]
    assert verdict["where"] == f"{broken.name}-{service}-1"
    assert verdict["evidence"]
    assert verdict["cure"]
    assert [one["cause"] for one in verdict["findings"]] == [cause]
    if command is not None:
        assert document["commands"] == [command.format(f"{broken.name}-{service}-1")]


def test_a_broken_fleet_is_told_service_by_service_and_ends_with_4(broken: Project) -> None:
    done = broken.run("diagnose")
    assert done.code == 4, done
    assert "4 of 4 targets do not answer as they should" in done.stderr
    headlines = [line for line in done.stdout.splitlines() if line.startswith("✗")]
    assert len(headlines) == 4
    for service, (_, cause, _) in BROKEN.items():
        (line,) = (one for one in headlines if one.startswith(f"✗ {broken.name}-{service}-1:"))
        assert f"  {cause} at {broken.name}-{service}-1: " in line
    assert "$ fleetctl start paused" in done.stdout


def test_a_container_of_no_fleet_is_diagnosed_by_name_without_a_fleet_yaml(fleet: Project) -> None:
    name = f"{fleet.name}-stranger"
    container = fleet.stranger(name, command=["sh", "-c", "httpd -f -p 8000 -h /tmp"])
    container.reload()
    await_socket(container, 8000)
    document = diagnosed(fleet, name)
    (verdict,) = document["verdicts"]
    assert (verdict["container"], verdict["port"], verdict["reachable"]) == (name, 8000, True)
    wrong = diagnosed(fleet, f"{name}:8001", code=4)
    assert (wrong["hop"], wrong["cause"]) == ("socket", "wrong-port")
    assert diagnosed(fleet, f"{fleet.name}-nobody", code=4)["cause"] == "no-such-container"


def test_the_cure_of_a_stopped_replica_brings_it_back_behind_its_balancer_and_docker_start_alone_is_told_of(
    fleet: Project,
) -> None:
    image = f"fleetctl-test/balancer:{fleet.name}"
    build = {"context": "balancer", "args": {"BASE": base_reference()}}
    shutil.copytree(CONTEXT, fleet.directory / "balancer")
    balancer = {"image": image, "build": build, "x-fleet": {"balance": {"service": "web"}}}
    fleet.write({"web": server(2), "balancer": balancer})
    fleet.up()
    assert fleet.run("stop", "web").code == 0
    fleet.container("web-1").start()
    wait_for("web-1 answers", lambda: fleet.run("diagnose", "web-1").code == 0)
    started = diagnosed(fleet, "web-1")
    (found,) = started["verdicts"][0]["findings"]
    assert (found["level"], found["cause"], found["commands"]) == ("warning", "out-of-rotation", ["fleetctl up"])
    stopped = diagnosed(fleet, "web-2", code=4)
    assert (stopped["cause"], stopped["commands"]) == ("stopped", ["fleetctl start web"])
    for command in (stopped["commands"], started["commands"]):
        assert fleet.run(*command[0].split()[1:]).code == 0
    assert [verdict["findings"] for verdict in diagnosed(fleet)["verdicts"]] == [[], [], []]


def test_a_job_that_has_done_its_work_is_no_fault_of_the_fleet(fleet: Project) -> None:
    fleet.write({"web": server(1), "job": {**idle(), "command": ["true"], "restart": "no"}})
    fleet.up()
    wait_for("the job's end", lambda: fleet.states()["job-1"] == "exited")
    document = diagnosed(fleet)
    assert document["reachable"] is True
    assert document["cause"] is None


NONSENSE = (
    ["a b"],
    [":80"],
    ["web-1:99999"],
    ["ftp://web-1"],
    ["web\x1b[31m"],
    ["--from", "web-1"],
    ["--from", "nobody", "--to", "web-1"],
)


def test_nonsense_ends_with_2_and_says_what_can_be_written(healthy: Project) -> None:
    ends = side_by_side(healthy, *(["diagnose", *args] for args in NONSENSE))
    assert [done.code for done in ends] == [2] * len(NONSENSE), ends
    assert [done.stdout for done in ends] == [""] * len(NONSENSE)
    assert all("hint:" in done.stderr or "Usage:" in done.stderr for done in ends), ends


def test_without_targets_and_without_a_fleet_yaml_it_ends_with_2(fleet: Project) -> None:
    done = fleet.run("diagnose")
    assert done.code == 2, done
    assert "fleet.yaml" in done.stderr


def test_a_dead_engine_ends_with_3(healthy: Project) -> None:
    done = healthy.run("diagnose", "web-1", env={"DOCKER_HOST": "unix:///nope/docker.sock"})
    assert done.code == 3, done
    assert "unix:///nope/docker.sock" in done.stderr


def side_by_side(project: Project, *commands: list[str]) -> list[Done]:
    started = [project.popen(*command) for command in commands]
    return [project.finish(one) for one in started]


def test_nothing_on_the_host_or_in_a_container_is_changed(healthy: Project, broken: Project) -> None:
    """What the engine takes away and puts back for networks of others is waited for."""
    before = [settled_state(one) for one in (healthy, broken)]
    assert all(one[place] for one in before for place in ("links", "rules", "settings"))
    diagnosed(healthy)
    diagnosed(broken, code=4)
    diagnosed(broken, "--from", "elsewhere-1", "--to", "deaf-1", code=4)
    for project, expected in zip((healthy, broken), before, strict=True):
        after = settled_state(project, expected)
        for place, facts in expected.items():
            assert after[place] == facts, place


def settled_state(project: Project, expected: dict[str, list[str]] | None = None) -> dict[str, list[str]]:
    """One that is as `expected`, or as the one before it; after some time the last there was."""
    latest = state(project)
    for _ in range(20):
        former, latest = expected or latest, state(project)
        if latest == former:
            break
    return latest


def state(project: Project) -> dict[str, list[str]]:
    """Links, rules and settings of the host that concern the fleet or everybody, and all of each container's. What
    names somebody else's bridge or address may change meanwhile: others work on this host, too."""
    own = set(project.veths())
    (network,) = project.networks()
    subnet = network["IPAM"]["Config"][0]["Subnet"].rpartition(".")[0] + "."
    found = {
        "links": [line for line in lines("ip", "-o", "-d", "link") if own & set(re.split(r"[ :@]+", line))],
        "rules": [
            line
            for line in lines("iptables-save")
            if any(name in line for name in (*own, subnet)) or not re.search(r"\d\.\d|\b(br-|veth)", line)
        ],
        "settings": settings(own),
    }
    for name in project.states():
        container = project.container(name)
        found[f"{name}: engine"] = [str({**container.attrs["State"], "Health": None})]
        if pid := container.attrs["State"]["Pid"]:
            inside = ("nsenter", f"--target={pid}", "--net")
            for facts in (["ip", "-o", "address"], ["ip", "-d", "link"], ["ip", "route"], ["iptables-save"]):
                found[f"{name}: {' '.join(facts)}"] = lines(*inside, *facts)
            found[f"{name}: settings"] = settings(None, *inside)
    return found


COUNTING = re.compile(r"nf_conntrack_count|\.stable_secret|\.nf_log\.|route\.flush|rpc|unix\.")
"""Settings that count what goes on, or cannot be read."""


def settings(own: set[str] | None, *inside: str) -> list[str]:
    """Every setting of the kernel under net; on the host not those of others' interfaces."""
    every = [line for line in lines(*inside, "sysctl", "-a", "-r", r"^net\.") if not COUNTING.search(line)]
    if own is None:
        return every
    # Whoever lists a folder while others' interfaces go from it may miss one that stays: ours are read by their names.
    rest = [line for line in every if not re.match(r"net\.ipv[46]\.(conf|neigh)\.", line)]
    tables = [Path("/proc/sys/net", *table) for table in product(("ipv4", "ipv6"), ("conf", "neigh"))]
    names = sorted({"all", "default", "lo", *own})
    files = [file for table in tables for name in names for file in sorted((table / name).glob("*"))]
    return [*rest, *(f"{file} = {file.read_text()}" for file in files if not COUNTING.search(f".{file.name}"))]


def lines(*command: str) -> list[str]:
    """What a command prints, without comments, the counters of rules and the clocks of bridges."""
    told = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    text = re.sub(r"\[\d+:\d+\]|^#.*|\b\w+_timer +[\d.]+", "", told, flags=re.MULTILINE)
    return [line for line in text.splitlines() if line.strip()]
