"""The commands that look: what they print for people and for programs, and what they ask of the engine."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator

import docker
import pytest

from fleetctl.engine.endpoint import find_endpoint
from fleetctl.lock import fleet_lock
from tests.conftest import Bystanders, MakeProxy, lend
from tests.e2e.project import Json, Project, idle, server, shell, wait_for

MAC = r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*"
SERVICES = {
    "web": server(2, before="echo ready", ports=["127.0.0.1::8080"], networks=["lan"], labels={"tier": "front"}),
    "quiet": idle(1, networks=["lan"]),
}


@pytest.fixture(scope="module")
def standing(
    tmp_path_factory: pytest.TempPathFactory, client: docker.DockerClient, bystanders: Bystanders
) -> Iterator[Project]:
    """A fleet that the tests here only look at."""
    for project in lend(tmp_path_factory.mktemp("standing"), client, bystanders):
        project.write(SERVICES, networks={"lan": None})
        project.up()
        yield project


def test_ps_has_dockers_columns_and_address_and_instance(standing: Project) -> None:
    done = standing.run("ps")
    assert done.code == 0, done
    header, *rows = done.stdout.splitlines()
    assert header.split() == ["NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS", "IP", "INSTANCE"]
    assert [row.split()[0] for row in rows] == [f"{standing.name}-{name}" for name in ("quiet-1", "web-1", "web-2")]
    assert re.search(r"127\.0\.0\.1:\d+->8080/tcp", rows[1])


def test_ps_filters_by_service_and_state_and_prints_ids_alone(standing: Project) -> None:
    ids = standing.ids()
    assert standing.run("ps", "-q", "web").stdout.split() == [ids["web-1"][:12], ids["web-2"][:12]]
    assert standing.run("ps", "-q", "--no-trunc", "quiet").stdout.split() == [ids["quiet-1"]]
    assert standing.run("ps", "-q", "--filter", "service=quiet").stdout.split() == [ids["quiet-1"][:12]]
    assert standing.run("ps", "-q", "--filter", "status=exited").stdout == ""
    assert standing.run("ps", "--filter", "colour=red").code == 2


def test_ps_shows_what_does_not_run_with_a_only(fleet: Project) -> None:
    fleet.write({"web": idle(2)})
    fleet.up()
    fleet.container("web-2").kill()
    assert f"{fleet.name}-web-2" not in fleet.run("ps").stdout
    assert "Exited (137)" in fleet.run("ps", "-a").stdout
    assert fleet.run("ps", "-q", "--filter", "status=exited").stdout.split() == [fleet.ids()["web-2"][:12]]


def test_ps_says_where_what_runs_is_not_what_the_file_asks_for(fleet: Project) -> None:
    """Case 38."""
    fleet.write({"web": idle(2), "db": idle()})
    fleet.up()
    fleet.container("web-2").remove(force=True)
    done = fleet.run("ps")
    assert done.code == 0
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1, done
    assert "web" in warnings[0]
    assert "'fleetctl up'" in warnings[0]
    fleet.up()
    assert "warning" not in fleet.run("ps").stderr


def test_ps_json_is_of_the_documented_shape(standing: Project) -> None:
    document = standing.run("ps", "--format", "json").json()
    assert (document["schema"], document["fleet"]) == (1, standing.name)
    by_name = {replica["name"]: replica for replica in document["replicas"]}
    web = by_name[f"{standing.name}-web-1"]
    assert web["service"] == "web"
    assert web["number"] == 1
    assert web["id"] == standing.ids()["web-1"]
    assert (web["image"], web["state"], web["health"]) == (SERVICES["web"]["image"], "running", "none")
    assert web["restarts"] == 0
    assert re.fullmatch(TIME, web["created"])
    assert re.fullmatch(TIME, web["started"])
    assert [port["target"] for port in web["ports"]] == [8080]
    (address,) = web["networks"].values()
    assert list(web["networks"]) == ["lan"]
    assert ipaddress.ip_address(address["ipv4"])
    assert address["prefix"] == 22
    assert re.fullmatch(MAC, address["mac"])


def test_ps_asks_the_engine_as_often_for_many_replicas_as_for_few(fleet: Project, proxy: MakeProxy) -> None:
    counts = []
    for replicas in (2, 12):
        fleet.write({"web": server(replicas)})
        fleet.up()
        with proxy() as counting:
            assert fleet.run("ps", env=counting.environment).code == 0
        counts.append(len(counting.requests))
    assert counts[0] == counts[1] <= 4


def test_plan_json_is_of_the_documented_shape_and_a_plan_writes_nothing(standing: Project, proxy: MakeProxy) -> None:
    with proxy() as watched:
        done = standing.run("plan", "--scale", "web=3", "--format", "json", env=watched.environment)
    assert watched.writes == []
    document = done.json()
    assert (document["schema"], document["fleet"]) == (1, standing.name)
    assert {"action": "create", "target": f"{standing.name}-web-3", "because": "replica 3 of 3 is missing"} in (
        document["steps"]
    )
    assert standing.run("plan", "--format", "json").json()["steps"] == []


def test_a_plan_tells_of_a_run_that_is_under_way(standing: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What that one has yet to do would else look as if an earlier one had left it."""
    monkeypatch.setenv("FLEET_LOCK_DIR", str(standing.temporary))
    told = f"another run works on fleet {standing.name} (fleetctl scale, pid {os.getpid()})"
    with fleet_lock(find_endpoint(os.environ).address, standing.name, "scale"):
        done = standing.run("plan")
        document = standing.run("plan", "--format", "json").json()
    assert done.code == 0, done
    assert f"warning: {told}" in done.stderr
    assert [notice for notice in document["notices"] if notice.startswith(told)]
    assert "another run" not in standing.run("plan").stderr


def test_curl_json_is_of_the_documented_shape(standing: Project) -> None:
    done = standing.run("curl", "--format", "json")
    assert done.code == 0, done
    document = done.json()
    assert (document["schema"], document["fleet"]) == (1, standing.name)
    assert [reply["replica"] for reply in document["replies"]] == [f"{standing.name}-web-{n}" for n in (1, 2)]
    for reply in document["replies"]:
        assert re.fullmatch(r"http://[\d.]+:8080/", reply["url"])
        assert (reply["status"], reply["error"]) == (200, None)
        assert reply["line"] == reply["identity"]
        assert 0 < reply["milliseconds"] < 5000


def test_curl_exits_4_and_names_the_replica_whose_answer_is_an_error(standing: Project) -> None:
    done = standing.run("curl", "--path", "/nothing")
    assert done.code == 4
    assert f"{standing.name}-web-1: HTTP 404" in done.stderr


def test_curl_exits_4_and_names_the_replica_that_does_not_answer(fleet: Project) -> None:
    fleet.write({"web": server(2)})
    fleet.up()
    fleet.container("web-2").pause()
    done = fleet.run("curl", "--timeout", "3")
    assert done.code == 4
    assert f"1 of 2 replicas did not answer as they should: {fleet.name}-web-2: " in done.stderr
    fleet.container("web-2").unpause()
    fleet.container("web-2").kill()
    done = fleet.run("curl")
    assert done.code == 4
    assert f"{fleet.name}-web-2: it is exited" in done.stderr


def test_curl_exits_4_and_names_both_when_two_replicas_give_one_identity(fleet: Project) -> None:
    """Case 36, as `curl` sees it."""
    same = "00000000-0000-4000-8000-000000000001"
    script = shell(f"echo {same} > /tmp/index.html; httpd -f -p 8080 -h /tmp & wait")
    fleet.write({"web": server(2, command=script)})
    done = fleet.up(code=4)
    assert fleet.states() == {"web-1": "running", "web-2": "running"}
    done = fleet.run("curl")
    assert done.code == 4
    for name, other in (("web-1", "web-2"), ("web-2", "web-1")):
        assert f"{fleet.name}-{name}: its identity {same} is given by {fleet.name}-{other} too" in done.stderr


def test_identity_is_read_as_the_file_says(fleet: Project) -> None:
    script = shell(
        'echo "{\\"who\\": {\\"am\\": \\"$(hostname)\\"}}" > /tmp/index.html; httpd -f -p 8080 -h /tmp & wait'
    )
    fleet.write({"web": {**server(1, command=script), "x-fleet": identified(pointer="/who/am")}})
    fleet.up()
    asked = fleet.run("curl", "--format", "json").json()["replies"][0]
    assert asked["identity"] == fleet.ids()["web-1"][:12]


def identified(**how: str) -> Json:
    return {"http": {"port": 8080, "identity": how}}


def test_logs_are_prefixed_and_cut_as_asked(standing: Project) -> None:
    done = standing.run("logs", "web")
    lines = sorted(line for line in done.stdout.splitlines())
    assert lines == [f"{standing.name}-web-{number} | ready" for number in (1, 2)]
    assert standing.run("logs", "--no-log-prefix", "-n", "1", "web-1").stdout == "ready\n"
    assert standing.run("logs", "-n", "0", "web").stdout == ""
    assert re.match(rf"{TIME} ready", standing.run("logs", "-t", "--no-log-prefix", "web-2").stdout)
    assert standing.run("logs", "--since", "2099-01-01T00:00:00Z").stdout == ""
    assert standing.run("logs", "nobody").code == 2


def test_logs_follow_until_every_replica_has_ended_to_the_last_byte(fleet: Project) -> None:
    fleet.write({"job": idle(2, command=["sh", "-c", "echo one; sleep 1; printf two"], restart="no")})
    process = fleet.popen("up")
    wait_for("both are there", lambda: len(fleet.states()) == 2)
    fleet.finish(process)
    done = fleet.run("logs", "-f", "--no-log-prefix")
    assert done.code == 0, done
    assert sorted(done.stdout.split()) == ["one", "one", "two", "two"]


def test_top_shows_the_processes_of_each_replica(standing: Project) -> None:
    done = standing.run("top", "web")
    assert done.stdout.count("httpd -f -p 8080 -h /tmp") >= 2
    document = standing.run("top", "web-1", "--format", "json").json()
    (replica,) = document["replicas"]
    assert any("httpd" in process["command"] for process in replica["processes"]), document


def test_exec_passes_streams_and_exit_code(standing: Project) -> None:
    assert standing.run("exec", "-T", "web", "sh", "-c", "exit 7").code == 7
    assert standing.run("exec", "web", "cat", stdin="through and through\n").stdout == "through and through\n"
    done = standing.run("exec", "--index", "2", "web", "sh", "-c", "hostname; echo bad >&2")
    assert done.stdout.strip() == standing.ids()["web-2"][:12]
    assert done.stderr == "bad\n"
    assert standing.run("exec", "-e", "A=b", "-w", "/tmp", "-u", "1:1", "web", "sh", "-c", "echo $A; id -u").stdout == (
        "b\n1\n"
    )
    assert standing.run("exec", "--index", "9", "web", "true").code == 2
    assert standing.run("exec", "web", "no-such-program").code in (126, 127)


def test_exec_brings_a_megabyte_through_unchanged(standing: Project) -> None:
    text = "0123456789abcdef" * 65536
    assert standing.run("exec", "web", "cat", stdin=text).stdout == text


def test_port_prints_where_a_port_is_published(standing: Project) -> None:
    printed = {standing.run("port", "--index", str(number), "web", "8080").stdout for number in (1, 2)}
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+\n", line) for line in printed)
    assert len(printed) == 2
    assert standing.run("port", "web", "9999").code == 1
    assert standing.run("port", "nobody", "80").code == 2


def test_inspect_network_json_is_of_the_documented_shape(standing: Project) -> None:
    document = standing.run("inspect-network", "--format", "json").json()
    assert (document["schema"], document["fleet"]) == (1, standing.name)
    (network,) = document["networks"]
    assert network["name"] == f"{standing.name}_lan"
    assert network["driver"] == "bridge"
    assert network["subnets"][0].keys() >= {"subnet", "gateway"}
    assert network["bridge"].keys() >= {"name", "ifindex", "mac", "mtu", "state"}
    assert len(network["attachments"]) == 3
    for attachment in network["attachments"]:
        assert attachment["replica"].startswith(f"{standing.name}-")
        assert attachment["container_id"] in standing.ids().values()
        assert attachment["interface"].keys() >= {"name", "ifindex", "mac", "mtu", "state", "addresses"}
        assert attachment["veth"].keys() >= {"name", "ifindex", "mac", "state"}
        assert attachment["veth"]["name"] in standing.veths()
        assert attachment["port"]["state"] == "forwarding"
        assert attachment["service"] in attachment["aliases"]


def test_a_replica_is_found_by_its_services_name_from_another(standing: Project) -> None:
    done = standing.run("exec", "quiet", "wget", "-q", "-O", "-", "http://web:8080/")
    assert re.fullmatch(r"[0-9a-f-]{36}\n", done.stdout), done


def test_config_checks_quietly_and_prints_a_file_that_means_the_same(standing: Project) -> None:
    quiet = standing.run("config", "-q", env={"DOCKER_HOST": "unix:///nope"})
    assert (quiet.code, quiet.stdout) == (0, "")
    printed = standing.run("config").stdout
    again = standing.run("-f", "-", "plan", "--exit-code", stdin=printed)
    assert again.code == 0, again


def test_doctor_finds_everything_here(standing: Project) -> None:
    done = standing.run("doctor", "--format", "json")
    assert done.code == 0, done
    subjects = [finding["subject"] for finding in done.json()["findings"] if finding["verdict"] == "ok"]
    assert sorted(subjects) == sorted(["python", "engine", "network view", "file", f"image {SERVICES['web']['image']}"])
    assert standing.run("doctor", env={"DOCKER_HOST": "unix:///nope"}).code == 3
