"""inspect-network on real replicas: it says what the host's own tools say, in every format, of any container."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import docker
import pytest

from tests.conftest import Bystanders, lend
from tests.e2e.project import PATIENCE, Json, Project, idle, server, shell, wait_for
from tests.e2e.test_terminal import terminal

LOOPBACK = "echo hi > /tmp/index.html; httpd -f -p 127.0.0.1:8080 -h /tmp & wait"
SERVICES = {
    "web": server(2, ports=["127.0.0.1::8080"], networks=["lan"]),
    "deaf": idle(1, command=shell(LOOPBACK), networks=["lan", "back"]),
    "quiet": idle(1, networks=["back"]),
}
HTTP: Json = {"x-fleet": {"http": {"port": 8080}}}
NETWORKS = {"lan": None, "back": None}
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into another user's namespaces")


@pytest.fixture(scope="module")
def standing(
    tmp_path_factory: pytest.TempPathFactory, client: docker.DockerClient, bystanders: Bystanders
) -> Iterator[Project]:
    """A fleet that the tests here only look at: two replicas that answer, one that listens on its loopback only, one
    that does not listen."""
    for project in lend(tmp_path_factory.mktemp("wired"), client, bystanders):
        project.write(SERVICES, networks=NETWORKS)
        project.up()
        await_sockets(project)
        # Asked for only now: up would wait for its answer in vain.
        project.write({**SERVICES, "deaf": {**SERVICES["deaf"], **HTTP}}, networks=NETWORKS)
        yield project


def await_sockets(project: Project) -> None:
    expected = {"deaf-1": ["127.0.0.1"], "web-1": ["*"], "web-2": ["*"]}
    wait_for("every server listens", lambda: listening(project) == expected)


def listening(project: Project) -> dict[str, list[str]]:
    """Which replicas listen on 8080 as busybox's own netstat sees it."""
    found = {}
    for name, container in project.ids().items():
        output = project.client.containers.get(container).exec_run(["netstat", "-ltn"]).output
        assert isinstance(output, bytes)
        places = re.findall(r"(\S+):8080 ", output.decode())
        found[name] = ["*" if place in ("0.0.0.0", "::") else place for place in places]
    return {name: places for name, places in found.items() if places}


def looked_at(project: Project, *args: str) -> Json:
    done = project.run("inspect-network", "--format", "json", *args)
    assert done.code == 0, done
    found: Json = done.json()
    return found


def attachments(document: Json, network: str = "lan") -> dict[str, Json]:
    """By service and number."""
    (wanted,) = (one for one in document["networks"] if one["name"].endswith(f"_{network}"))
    return {one["replica"].split("-", 2)[2]: one for one in wanted["attachments"]}


def inside(pid: int, *command: str) -> Any:
    told = subprocess.run(["nsenter", "--net", f"--target={pid}", *command], capture_output=True, check=True).stdout
    return json.loads(told)


def test_sockets_reach_and_answers_are_what_the_containers_say(standing: Project) -> None:
    found = attachments(looked_at(standing))
    told = {
        name: [one["reach"] for one in each["namespace"]["listeners"] if one["port"] == 8080]
        for name, each in found.items()
    }
    assert told == {"web-1": ["all interfaces"], "web-2": ["all interfaces"], "deaf-1": ["loopback only"]}
    assert {name: (each["http"] or {}).get("status") for name, each in found.items()} == {
        **dict.fromkeys(("web-1", "web-2"), 200),
        "deaf-1": None,
    }
    assert "refused" in found["deaf-1"]["http"]["error"]
    processes = [one["name"] for one in found["web-1"]["namespace"]["listeners"][0]["processes"]]
    assert processes in (["httpd"], ["busybox"])


def test_routes_neighbours_and_counters_are_what_ip_says(standing: Project) -> None:
    web = attachments(looked_at(standing))["web-1"]
    routes = {
        (one["destination"], one["gateway"], one["interface"])
        for one in web["namespace"]["routes"]
        if one["table"] == 254
    }
    expected = inside(web["pid"], "ip", "-j", "-4", "route")
    known = {
        ("0.0.0.0/0" if one["dst"] == "default" else one["dst"], one.get("gateway"), one["dev"]) for one in expected
    }
    assert known <= routes
    (link,) = (one for one in inside(web["pid"], "ip", "-j", "-s", "link") if one["ifname"] == web["interface"]["name"])
    counters = web["interface"]["counters"]
    assert 0 < counters["rx_packets"] <= link["stats64"]["rx"]["packets"]
    assert 0 < counters["tx_bytes"] <= link["stats64"]["tx"]["bytes"]
    assert web["namespace"]["resolver"]["nameservers"] == ["127.0.0.11"]
    assert {f"{standing.name}-web-1", "web", web["container_id"][:12]} == set(web["names"])


def test_a_published_port_is_backed_by_the_rule_and_proxy_that_the_host_has(standing: Project) -> None:
    (published,) = attachments(looked_at(standing))["web-1"]["published"]
    rules = subprocess.run(["iptables-save", "-t", "nat"], capture_output=True, check=True, text=True).stdout
    assert published["rule"] in rules.splitlines()
    assert f"--dport {published['published']} " in published["rule"]
    assert Path(f"/proc/{published['proxy']['pid']}/comm").read_text().strip() == published["proxy"]["name"]


def test_a_tree_shows_all_of_it_and_a_terminal_gets_one(standing: Project) -> None:
    plain = standing.run("inspect-network", "--format", "tree")
    assert plain.code == 0, plain
    for fact in ("tcp 127.0.0.1:8080 loopback only", "tcp 0.0.0.0:8080 all interfaces", "HTTP 200", "nothing listens"):
        assert fact in plain.stdout.replace("[::]", "0.0.0.0")
    with terminal(standing, "inspect-network") as seen:
        assert seen.end() == 0
    assert "├──" in seen.written
    assert "REPLICA" not in seen.written
    assert "REPLICA" in standing.run("inspect-network").stdout


def test_drawings_are_what_their_readers_take(standing: Project) -> None:
    svg = standing.run("inspect-network", "--format", "svg")
    root = ElementTree.fromstring(svg.stdout)  # noqa: S314  # our own text
    assert sum((one.get("class") or "").startswith("card ") for one in root.iter()) == 5
    dot = standing.run("inspect-network", "--format", "dot").stdout
    assert dot.startswith("graph wiring {")
    assert standing.run("inspect-network", "--format", "mermaid").stdout.startswith("flowchart LR\n")


def test_the_host_and_the_inside_are_what_ip_says(standing: Project) -> None:
    host = standing.run("inspect-network", "--host").stdout
    default = json.loads(subprocess.run(["ip", "-j", "-4", "route"], capture_output=True, check=True).stdout)
    for veth in standing.veths():
        assert veth in host
    for route in default:
        if route["dst"] == "default":
            assert f"default via {route['gateway']} dev {route['dev']}" in host
    assert "ipv4.ip_forward = 1" in host
    assert "MASQUERADE" in host
    told = standing.run("inspect-network", "--inside", "deaf-1").stdout
    pid = attachments(looked_at(standing))["deaf-1"]["pid"]
    for link in inside(pid, "ip", "-j", "addr"):
        assert f"{link['ifname']} ({link['ifindex']})" in told
        assert all(f"{one['local']}/{one['prefixlen']}" in told for one in link["addr_info"])
    assert standing.run("inspect-network", "--inside", "web").code == 2


def test_a_network_or_container_is_shown_by_name_without_any_file(
    standing: Project, tmp_path: Path, bystanders: Bystanders
) -> None:
    """Strangers, too, and nothing of them is changed: the bystanders are looked at again when the session ends."""
    names = (str(bystanders.nobodys.name), f"{standing.name}_back")
    done = standing.finish(standing.popen("inspect-network", *names, "--format", "json", cwd=tmp_path))
    assert done.code == 0, done
    document = done.json()
    assert document["fleet"] is None
    found = {network["name"]: [one["replica"] for one in network["attachments"]] for network in document["networks"]}
    assert found[bystanders.network.name] == [bystanders.nobodys.name]
    assert sorted(found[f"{standing.name}_back"]) == [f"{standing.name}-deaf-1", f"{standing.name}-quiet-1"]
    assert attachments(document, "back")["quiet-1"]["veth"]["name"] in standing.veths()


def test_all_shows_every_network_and_container_of_the_engine(standing: Project, bystanders: Bystanders) -> None:
    document = looked_at(standing, "--all")
    names = {network["name"] for network in document["networks"]}
    assert {"bridge", "host", "none", bystanders.network.name, f"{standing.name}_lan"} <= names
    assert bystanders.nobodys.name in {
        one["replica"] for network in document["networks"] for one in network["attachments"]
    }


@pytest.mark.parametrize(
    "args",
    [
        "no-such-thing",
        "--all x",
        "--inside web-1 --host",
        "--host --format svg",
        "--watch --format json",
        "--watch --host",
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_hint(standing: Project, args: str) -> None:
    done = standing.run("inspect-network", *args.split())
    assert done.code == 2, done
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")


@contextmanager
def watched(project: Project, *args: str) -> Iterator[tuple[subprocess.Popen[str], Callable[[str], str]]]:
    """--watch as a program reads it, and a function that waits for a line with a text in it."""
    process = project.popen("inspect-network", "--watch", *args)
    assert process.stdout is not None
    output = process.stdout
    written = ""

    def wait_for_line(text: str) -> str:
        nonlocal written
        deadline = time.monotonic() + PATIENCE
        while not (found := [line for line in written.splitlines() if text in line]):
            ready, _, _ = select.select([output], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no {text!r} in {written!r}"
            chunk = os.read(output.fileno(), 65536).decode()
            assert chunk, f"it has ended: {written!r}"
            written += chunk
        return found[-1]

    yield process, wait_for_line
    process.kill()


def test_watch_tells_what_engine_and_kernel_change_and_ends_at_ctrl_c(fleet: Project) -> None:
    fleet.write({"web": server(2)})
    fleet.up()
    with watched(fleet) as (process, wait_for_line):
        wait_for_line(f"{fleet.name}-web-2")
        fleet.container("web-1").pause()
        assert f"{fleet.name}-web-1 state: running → paused" in wait_for_line("→ paused")
        pid = fleet.container("web-2").attrs["State"]["Pid"]
        inner = ["nsenter", "--net", f"--target={pid}", "ip", "addr", "add", "10.9.9.9/32", "dev", "eth0"]
        subprocess.run(inner, check=True)
        assert f"{fleet.name}-web-2 addresses in" in wait_for_line("10.9.9.9/32")
        fleet.container("web-1").unpause()
        wait_for_line("paused → running")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr is not None
        assert process.stderr.read().strip() == "interrupted"


def test_watch_redraws_in_place_on_a_terminal_and_marks_what_changed(fleet: Project) -> None:
    fleet.write({"web": server(1)})
    fleet.up()
    with terminal(fleet, "inspect-network", "--watch") as seen:
        seen.wait_for("Ctrl-C ends")
        assert "changed" not in seen.written
        fleet.container("web-1").pause()
        seen.wait_for("changed: state: running → paused")
        fleet.container("web-1").unpause()
        seen.wait_for("changed: state: paused → running")
        assert seen.written.count("\x1b[H") >= 3
        seen.process.send_signal(signal.SIGINT)
        assert seen.end() == 130
