"""What is said about the wiring of real containers is what the host's own tools say (needs root, as `ip` does here)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import docker
import pytest

from fleetctl.state.network import Attachment, Topology, WiredNetwork
from fleetctl.vantage.engine_only import EngineOnly
from fleetctl.vantage.local import Local
from tests.e2e.open_files import open_files
from tests.e2e.scene import Scene, staged
from tests.fakes.observed_wiring import engine_facts, wiring

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into another user's network namespaces")
UNWIRED = {"5-stopped": "exited", "6-created": "created"}


class Wired(Scene):
    """Two networks, lan and back, and seven containers in the states a fleet can be in."""

    def build(self) -> None:
        lan, back = self.network("lan"), self.network("back")
        self.start("1-plain", lan)
        self.start("2-paused", lan).pause()
        back.connect(self.start("3-both", lan))
        # An interface that comes back gets another name: this one is not on lan by eth0 any more.
        returned = self.start("4-back", lan)
        back.connect(returned)
        lan.disconnect(returned)
        back.disconnect(returned)
        back.connect(returned)
        lan.connect(returned)
        stopped = self.start("5-stopped", lan)
        stopped.kill()
        stopped.wait()
        self.create("6-created", lan)
        lan.disconnect(self.start("7-alone", lan))

    def observe(self) -> Topology:
        return wiring(*engine_facts(self.client, self.label), Local())


@pytest.fixture(scope="module")
def scene(client: docker.DockerClient) -> Iterator[Wired]:
    yield from staged(Wired, client)


def of_network(topology: Topology, name: str) -> WiredNetwork:
    return next(network for network in topology.networks if network.name.endswith(f"-{name}"))


def of_replica(network: WiredNetwork, name: str) -> Attachment:
    return next(attachment for attachment in network.attachments if attachment.replica.endswith(f"-{name}"))


def host_links() -> dict[int, dict[str, Any]]:
    """`ip` on the host: its interfaces by ifindex."""
    listed = subprocess.run(["ip", "-j", "-d", "link"], capture_output=True, check=True).stdout
    return {link["ifindex"]: link for link in json.loads(listed)}


def links_inside(pid: int | None) -> dict[str, dict[str, Any]]:
    """`ip` in the namespace of a process: its interfaces by MAC."""
    command = ["nsenter", "--net", "--target", str(pid), "ip", "-j", "-d", "addr"]
    listed = subprocess.run(command, capture_output=True, check=True).stdout
    return {link["address"]: link for link in json.loads(listed)}


def cidrs(link: dict[str, Any]) -> tuple[str, ...]:
    return tuple(f"{address['local']}/{address['prefixlen']}" for address in link["addr_info"])


@pytest.mark.parametrize(
    ("network_name", "replica_name"),
    [
        ("lan", "1-plain"),
        ("lan", "2-paused"),
        ("lan", "3-both"),
        ("back", "3-both"),
        ("lan", "4-back"),
        ("back", "4-back"),
    ],
)
def test_a_replica_is_wired_as_the_hosts_tools_say(scene: Wired, network_name: str, replica_name: str) -> None:
    network = of_network(scene.observe(), network_name)
    attachment = of_replica(network, replica_name)

    inner, veth, bridge = attachment.interface, attachment.veth, network.bridge
    assert inner
    assert veth
    assert bridge
    assert attachment.engine_mac
    assert not attachment.unknown
    inside, host = links_inside(attachment.pid)[attachment.engine_mac], host_links()
    outside = host[inside["link_index"]]
    assert (inner.name, inner.ifindex, inner.mac, inner.mtu, inner.state, inner.addresses) == (
        inside["ifname"],
        inside["ifindex"],
        inside["address"],
        inside["mtu"],
        inside["operstate"].lower(),
        cidrs(inside),
    )
    assert (veth.name, veth.ifindex, veth.mac, veth.state) == (
        outside["ifname"],
        outside["ifindex"],
        outside["address"],
        outside["operstate"].lower(),
    )
    assert attachment.port_state == outside["linkinfo"]["info_slave_data"]["state"] == "forwarding"
    assert attachment.engine_ipv4 in inner.addresses
    seen = host[bridge.ifindex]
    assert outside["master"] == bridge.name == seen["ifname"]
    assert (bridge.mac, bridge.mtu, bridge.state) == (seen["address"], seen["mtu"], seen["operstate"].lower())
    assert [gateway for _, gateway in network.subnets] == [attachment.gateway]


def test_a_containers_own_files_name_the_same_veth(scene: Wired) -> None:
    attachment = of_replica(of_network(scene.observe(), "lan"), "1-plain")
    container = scene.client.containers.get(attachment.container_id)
    told = container.exec_run(["cat", "/sys/class/net/eth0/iflink", "/sys/class/net/eth0/ifindex"]).output
    assert isinstance(told, bytes)
    assert attachment.veth
    assert attachment.interface
    assert [attachment.veth.ifindex, attachment.interface.ifindex] == [int(number) for number in told.split()]


def test_no_two_attachments_share_a_veth(scene: Wired) -> None:
    veths = [
        attachment.veth.ifindex
        for network in scene.observe().networks
        for attachment in network.attachments
        if attachment.veth
    ]
    assert len(veths) == len(set(veths)) == 6


def test_stopped_and_created_replicas_appear_with_the_reason_for_having_no_wiring(scene: Wired) -> None:
    network = of_network(scene.observe(), "lan")
    for name, state in UNWIRED.items():
        attachment = of_replica(network, name)
        assert (attachment.state, attachment.pid) == (state, None)
        assert (attachment.interface, attachment.veth, attachment.port_state) == (None, None, None)
        assert attachment.unknown["veth"] == f"it is {state}, so it has no network namespace"


def test_a_replica_that_was_disconnected_is_shown_as_in_no_network(scene: Wired) -> None:
    (alone,) = scene.observe().unattached
    assert alone.replica.endswith("-7-alone")
    assert alone.unknown["interface"] == "it is in no network"


def test_a_veth_taken_off_its_bridge_is_still_paired_and_the_port_says_so(scene: Wired) -> None:
    network = of_network(scene.observe(), "lan")
    veth, bridge = of_replica(network, "1-plain").veth, network.bridge
    assert veth
    assert bridge
    subprocess.run(["ip", "link", "set", veth.name, "nomaster"], check=True)
    try:
        attachment = of_replica(of_network(scene.observe(), "lan"), "1-plain")
    finally:
        subprocess.run(["ip", "link", "set", veth.name, "master", bridge.name], check=True)
    assert attachment.veth
    assert (attachment.veth.ifindex, attachment.port_state) == (veth.ifindex, None)
    assert attachment.unknown == {"port": f"{veth.name} is plugged into no bridge"}


def test_a_process_that_died_or_is_not_the_replicas_is_not_taken_for_it(scene: Wired) -> None:
    networks, replicas = engine_facts(scene.client, scene.label)
    plain, _, both = (replica for replica in replicas if replica.name.endswith(("1-plain", "2-paused", "3-both")))
    with subprocess.Popen(["true"]) as dead:
        pass
    changed = [replace(plain, pid=dead.pid), replace(both, pid=os.getpid())]
    lan = of_network(wiring(networks, changed, Local()), "lan")

    gone, stranger = of_replica(lan, "1-plain"), of_replica(lan, "3-both")
    assert gone.unknown["interface"] == f"process {dead.pid} is gone"
    assert "none of its interfaces has the engine's MAC" in stranger.unknown["interface"]
    assert (gone.veth, stranger.veth) == (None, None)


def test_looking_leaves_the_caller_in_its_namespace_and_no_file_open(scene: Wired) -> None:
    namespace = os.readlink("/proc/thread-self/ns/net")  # noqa: PTH115
    facts = engine_facts(scene.client, scene.label)
    before = open_files()
    for _ in range(3):
        wiring(*facts, Local())
    assert os.readlink("/proc/thread-self/ns/net") == namespace  # noqa: PTH115
    assert open_files() <= before


def test_an_ordinary_user_sees_veths_and_ports_and_the_reason_for_the_rest(scene: Wired) -> None:
    command = [sys.executable, "-m", "tests.fakes.observed_wiring", scene.label]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    known = scene.observe()

    for network in told["networks"]:
        name = network["name"].rpartition("-")[2]
        assert network["bridge"] is not None
        for seen in network["attachments"]:
            attachment = of_replica(of_network(known, name), seen["replica"].removeprefix(f"{scene.name}-"))
            assert seen["interface"] is None
            if attachment.veth is None:
                assert seen["veth"] is None
                continue
            assert "run as root" in seen["unknown"]["interface"]
            assert (seen["veth"]["name"], seen["veth"]["ifindex"]) == (attachment.veth.name, attachment.veth.ifindex)
            assert seen["port"]["state"] == "forwarding"


def test_of_an_engine_elsewhere_only_its_own_facts_are_told(scene: Wired) -> None:
    facts = engine_facts(scene.client, scene.label)
    network = of_network(wiring(*facts, EngineOnly(("nobody may look",))), "lan")
    attachment = of_replica(network, "1-plain")
    assert (network.bridge, attachment.interface, attachment.veth) == (None, None, None)
    assert attachment.engine_ipv4
    assert attachment.engine_mac
    assert set(network.unknown.values()) == {"nobody may look"}
