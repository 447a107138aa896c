"""The engine's host, asked through a helper container: as much as root sees there, for nobody, over TCP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest

from fleetctl.engine import labels
from fleetctl.engine.docker_host import DockerHost
from fleetctl.engine.helper import CAPABILITIES
from fleetctl.state.network import Namespace
from fleetctl.state.probes import Probe, Question
from fleetctl.vantage.base import Answer, Request
from fleetctl.vantage.codec import decode_answer, encode
from fleetctl.vantage.helper import Helper
from fleetctl.vantage.local import Local
from fleetctl.vantage.registry import open_vantage
from tests.conftest import free_pool
from tests.e2e.helper_containers import helpers_of, own_run
from tests.e2e.project import wait_for
from tests.e2e.test_remote_engine import engine_at, environment
from tests.fakes.tiny_image import TEST_LABEL, tiny_image
from tests.held_networks import remove_network

CAPABILITY_NUMBERS = {"DAC_READ_SEARCH": 2, "NET_ADMIN": 12, "SYS_PTRACE": 19, "SYS_ADMIN": 21}
"""Of capabilities(7), linux/capability.h."""
SERVE = "echo it is up > /tmp/index.html; exec httpd -f -p 8080 -h /tmp"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into another user's namespaces")


class Pair:
    """Two servers in a network of their own: one of root's, one of another user's without any capability."""

    def __init__(self, client: docker.DockerClient) -> None:
        self.client = client
        self.name = f"t-vantage-{uuid.uuid4().hex[:8]}"
        marks = {TEST_LABEL: self.name}
        self.network = client.networks.create(self.name, labels=marks, ipam=free_pool(client))
        self.containers = [
            client.containers.create(
                tiny_image(client),
                ["sh", "-c", SERVE],
                name=f"{self.name}-{number}",
                network=self.network.id,
                labels=marks,
                user=user,
                cap_drop=drop,
            )
            for number, (user, drop) in enumerate((("0", []), ("10001", ["ALL"])))
        ]
        for container in self.containers:
            container.start()
        self.pids = tuple(self.inspect(container)["State"]["Pid"] for container in self.containers)
        self.addresses = tuple(
            self.inspect(container)["NetworkSettings"]["Networks"][self.name]["IPAddress"]
            for container in self.containers
        )
        wait_for("both answer", lambda: all(map(self.answers, self.addresses)))

    def inspect(self, container: Any) -> dict[str, Any]:
        return dict(self.client.api.inspect_container(container.id))

    def answers(self, address: str) -> bool:
        return Local().ask(Request(probes=(Probe("host", None, address, 8080),))).outcomes[0].answered

    def remove(self) -> None:
        for container in self.containers:
            container.remove(force=True)
        remove_network(self.client.api, str(self.network.id))


@pytest.fixture(scope="module")
def pair(client: docker.DockerClient) -> Iterator[Pair]:
    made = Pair(client)
    yield made
    made.remove()


@pytest.fixture
def engine() -> Iterator[DockerHost]:
    yield from own_run()


def request_of(pair: Pair) -> Request:
    """Something of everything."""
    (first, second), (address, other) = pair.pids, pair.addresses
    return Request(
        pids=pair.pids,
        deep=True,
        filters=(None, second),
        questions=(Question(first, f"{pair.name}-1"),),
        probes=(
            Probe("lo", second, "127.0.0.1", 8080),
            Probe("client", first, other, 8080),
            Probe("client", second, address, 81),
        ),
        traced=(Probe("host", None, address, 82),),
    )


def steady(namespace: Namespace) -> Namespace:
    """Without what every packet changes."""
    interfaces = tuple(replace(interface, counters=None) for interface in namespace.interfaces or ())
    settings = {key: value for key, value in (namespace.settings or {}).items() if not key.endswith("_count")}
    return replace(namespace, interfaces=interfaces, settings=settings, neighbours=None, statistics=None, pressure=None)


def ask_as_nobody(request: Request, docker_host: str) -> tuple[Mapping[str, Any], Answer]:
    """The place that was taken, and its answer."""
    command = [sys.executable, "-m", "tests.fakes.asked_as_nobody"]
    env = {**os.environ, **environment(docker_host), "HOME": "/nonexistent"}
    done = subprocess.run(command, input=encode(request), capture_output=True, env=env, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    heading, answer = done.stdout.splitlines()
    return json.loads(heading), decode_answer(answer)


def test_nobody_sees_over_tcp_what_root_sees_on_the_engine_s_host(pair: Pair) -> None:
    """Interfaces, veth pairs, routes, listeners with their processes, names, filters' reach, probes from inside."""
    request = request_of(pair)
    with engine_at("127.0.0.1") as address:
        place, far = ask_as_nobody(request, address)
    near = Local().ask(request)
    assert (place["name"], place["uid"]) == ("helper container", 65534)
    assert place["reasons"] == ["the engine is on another host, or in a virtual machine"]
    for pid in pair.pids:
        assert steady(far.namespaces[pid]) == steady(near.namespaces[pid])
        assert not far.namespaces[pid].unknown
        listeners = far.namespaces[pid].listeners
        assert listeners is not None
        (http,) = [listener for listener in listeners if listener.port == 8080]
        assert [process.name for process in http.processes] == ["httpd"]
    assert [found.addresses for found in far.resolutions] == [(pair.addresses[1],)]
    ends = [(outcome.stage, outcome.error) for outcome in far.outcomes]
    assert ends == [("done", None), ("done", None), ("connect", "ECONNREFUSED")]
    assert far.outcomes[1].source == pair.addresses[0]


def test_every_veth_pair_of_the_host_is_found_through_the_helper(pair: Pair, engine: DockerHost) -> None:
    """The inner interface names its other end, which names the namespace and the inner one, and is on the bridge."""
    answer = Helper(engine).ask(Request(pids=pair.pids))
    outer = {interface.ifindex: interface for interface in answer.host.interfaces or ()}
    for pid, address in zip(pair.pids, pair.addresses, strict=True):
        namespace = answer.namespaces[pid]
        (inner,) = [
            one for one in namespace.interfaces or () if any(cidr.startswith(address) for cidr in one.addresses)
        ]
        veth = outer[inner.peer_ifindex or 0]
        assert (veth.peer_ifindex, veth.peer_nsid) == (inner.ifindex, namespace.nsid)
        assert outer[veth.bridge_ifindex or 0].name == f"br-{str(pair.network.id)[:12]}"


def test_rules_and_the_way_of_packets_are_known_through_the_helper(pair: Pair, engine: DockerHost) -> None:
    """As far as the same questions are answered on the host itself."""
    request = Request(filters=(None,), traced=(Probe("host", None, pair.addresses[0], 82),))
    far, near = Helper(engine).ask(request), Local().ask(request)
    assert far.filters[None].rules
    assert "nft" not in far.filters[None].unknown
    assert far.traced[0].trace == near.traced[0].trace
    assert far.traced[0].trace.points[-1].event == "rx", "the refusal comes back"


def slow_request(pair: Pair) -> Request:
    """It keeps a helper waiting: for an address of the network that nobody has."""
    block, _, last = pair.addresses[0].rpartition(".")
    return Request(probes=(Probe("host", None, f"{block}.{int(last) + 9}", 80, timeout=2.5),))


def running(client: docker.DockerClient, run: str) -> dict[str, Any]:
    """Inspection of the run's helper, once its program is at work."""

    def look() -> dict[str, Any] | None:
        for entry in helpers_of(client, run):
            with suppress(docker.errors.NotFound, OSError):
                found = dict(client.api.inspect_container(entry["Id"]))
                pid = found["State"]["Pid"]
                if pid and b"fleetctl.vantage.agent" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return found
        return None

    return dict(wait_for("a helper runs", look))


def test_the_helper_has_what_it_needs_and_nothing_more(
    client: docker.DockerClient, pair: Pair, engine: DockerHost
) -> None:
    """As the engine and the kernel say while it runs; no fleet takes it for its own."""
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(Helper(engine).ask, slow_request(pair))
        found = running(client, engine.run)
        status = Path(f"/proc/{found['State']['Pid']}/status").read_text()
        assert asked.result().outcomes[0].error in ("timeout", "EHOSTUNREACH")
    host = found["HostConfig"]
    assert host["Privileged"] is False
    assert (host["CapDrop"], sorted(host["CapAdd"])) == (["ALL"], sorted(CAPABILITIES))
    assert (host["ReadonlyRootfs"], host["AutoRemove"]) == (True, True)
    assert "no-new-privileges=true" in host["SecurityOpt"]
    assert (host["NetworkMode"], host["PidMode"]) == ("host", "host")
    assert host["Memory"] == host["MemorySwap"] == 256 << 20
    assert host["PidsLimit"] == 128
    assert [(mount["Source"], mount["RW"]) for mount in found["Mounts"]] == [("/sys/fs/cgroup", False)]
    assert not [key for key in found["Config"]["Labels"] if key in (labels.FLEET, labels.SERVICE, labels.BUILT_FOR)]
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    expected = sum(1 << CAPABILITY_NUMBERS[name] for name in CAPABILITIES)
    assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == expected
    assert fields["NoNewPrivs"] == "1"
    wait_for("the helper is gone", lambda: not helpers_of(client, engine.run))


def test_nothing_is_left_when_whoever_asks_is_killed(client: docker.DockerClient, pair: Pair) -> None:
    """The helper ends by itself, and removes itself."""
    script = (
        "import os, sys; from fleetctl.engine.registry import open_engine; from fleetctl.vantage.helper import Helper\n"
        "from fleetctl.vantage.codec import decode_request\n"
        "engine = open_engine(os.environ); print(engine.run, flush=True)\n"
        "Helper(engine).ask(decode_request(sys.stdin.buffer.readline()))"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as asker:
        assert asker.stdin is not None
        assert asker.stdout is not None
        run = asker.stdout.readline().decode().strip()
        asker.stdin.write(encode(slow_request(pair)))
        asker.stdin.close()
        running(client, run)
        asker.send_signal(signal.SIGKILL)
    wait_for("the helper is gone", lambda: not helpers_of(client, run), seconds=30)


def test_root_on_the_engine_s_host_needs_no_helper(client: docker.DockerClient, pair: Pair, engine: DockerHost) -> None:
    """And makes none."""
    vantage = open_vantage(engine)
    assert (vantage.name, vantage.reasons) == ("this host", ())
    assert vantage.ask(Request(pids=pair.pids)).namespaces[pair.pids[0]].interfaces
    assert helpers_of(client, engine.run) == []
