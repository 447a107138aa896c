"""Fleets that cannot come up as they are written: what is in the way is named, and nothing else is touched
(reliability cases 9, 10, 13, 15, 17, 18, 20, 21, 24, 39, 40, 43, 44)."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable

import docker.errors
import pytest

from tests.conftest import MakeProxy
from tests.e2e.project import Project, idle, server, shell
from tests.fakes.faultproxy import Answer, Fault, Request

FreePort = Callable[[], int]
FreeSubnet = Callable[[int], str]


def test_a_strangers_network_of_our_name_is_exit_1_and_left_alone(fleet: Project) -> None:
    """Case 9."""
    theirs = fleet.client.networks.create(f"{fleet.name}_default", labels=fleet.stranger_labels)
    fleet.write({"web": idle()})
    done = fleet.up(code=1)
    assert f"a network named {fleet.name}_default ({str(theirs.id)[:12]}) exists, not made by fleetctl" in done.stderr
    assert fleet.run("down").code == 0
    theirs.reload()


def test_a_network_that_doubles_ours_by_name_is_named_and_outlives_our_own(fleet: Project) -> None:
    """Case 9: ids are used, and only ours is removed. The engine itself cannot start a container while two networks
    have its network's name."""
    fleet.write({"web": server(2)})
    fleet.up()
    ours = fleet.networks()[0]["Id"]
    try:
        fleet.client.networks.create(f"{fleet.name}_default", labels=fleet.stranger_labels)
        doubled = True
    except docker.errors.APIError:  # engines from 25.0 on do not let two networks have one name
        doubled = False
    fleet.assert_converged()
    done = fleet.up("--scale", "web=3", code=1 if doubled else 0)
    assert ("is ambiguous" in done.stderr) == doubled
    assert ("rename or remove theirs" in done.stderr) == doubled
    fleet.down()
    named = {network["Id"] for network in fleet.client.api.networks(names=[f"{fleet.name}_default"])} - fleet.held
    assert len(named) == doubled
    assert ours not in named


def test_two_networks_of_ours_that_two_runs_made_become_one(fleet: Project, free_subnet: FreeSubnet) -> None:
    """Case 9: the network that nobody uses goes."""
    fleet.write({"web": server(2)})
    fleet.up()
    ours = fleet.networks()[0]
    twin = {**ours["Labels"]}
    pool = docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet=free_subnet(28))])
    fleet.client.api.create_network(f"{fleet.name}_twin", labels=twin, ipam=pool)
    fleet.up()
    assert [network["Id"] for network in fleet.networks()] == [ours["Id"]]


def test_a_strangers_container_of_our_name_is_exit_1_and_left_alone(fleet: Project) -> None:
    """Case 10."""
    theirs = fleet.stranger(f"{fleet.name}-web-1")
    fleet.write({"web": idle(2)})
    done = fleet.up(code=1)
    assert f"a container named {fleet.name}-web-1 ({theirs.id[:12]}) exists already" in done.stderr
    assert "was not made by fleetctl" in done.stderr
    assert fleet.run("down").code == 0
    theirs.reload()
    assert theirs.status == "running"


def test_down_names_a_strangers_container_on_our_network_and_ends_when_it_has_gone(fleet: Project) -> None:
    """Case 13."""
    fleet.write({"web": idle(2)})
    fleet.up()
    network = fleet.networks()[0]["Id"]
    theirs = fleet.stranger(f"stranger-of-{fleet.name}", network=network)
    done = fleet.run("down")
    assert done.code == 1, done
    assert f"still attached: stranger-of-{fleet.name}" in done.stderr
    assert fleet.left() == [f"network {fleet.name}_default"]
    theirs.reload()
    assert theirs.status == "running"
    fleet.client.api.disconnect_container_from_network(theirs.id, network)
    fleet.down()


def test_a_host_port_that_a_process_has_is_exit_1_and_leaves_nothing_created(
    fleet: Project, free_port: FreePort
) -> None:
    """Case 15."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        fleet.write({"web": server(1, ports=[f"127.0.0.1:{port}:8080"])})
        done = fleet.up(code=1)
    assert f"host port {port} is taken by process " in done.stderr
    assert fleet.states() == {}
    fleet.up()


def test_a_host_port_that_a_container_has_is_exit_1_and_names_it(
    fleet: Project, another_fleet: Project, free_port: FreePort
) -> None:
    """Case 15."""
    port = free_port()
    for one in (fleet, another_fleet):
        one.write({"web": server(1, ports=[f"127.0.0.1:{port}:8080"])})
    another_fleet.up()
    done = fleet.up(code=1)
    assert f"host port {port} is taken by container {another_fleet.name}-web-1" in done.stderr
    assert fleet.states() == {}


def test_replicas_share_a_range_of_host_ports(fleet: Project, free_port: FreePort) -> None:
    low = free_port()
    fleet.write({"web": server(3, ports=[f"127.0.0.1:{low}-{low + 20}:8080"])})
    fleet.up()
    published = {fleet.run("port", "--index", str(number), "web", "8080").stdout for number in (1, 2, 3)}
    assert len(published) == 3


def test_a_subnet_too_small_is_exit_5_before_anything_is_made(
    fleet: Project, free_subnet: FreeSubnet, proxy: MakeProxy
) -> None:
    """Case 17."""
    subnet = free_subnet(29)
    network = {"ipam": {"config": [{"subnet": subnet}]}}
    fleet.write({"web": idle(8)}, networks={"default": network})
    with proxy() as watched:
        done = fleet.up(code=5, env=watched.environment)
    assert f"network default ({subnet}) has 5 addresses for 8 replicas" in done.stderr
    assert watched.writes == []
    fleet.write({"web": idle(5)}, networks={"default": network})
    fleet.up()


def test_an_address_range_without_a_free_subnet_is_exit_5(fleet: Project, free_subnet: FreeSubnet) -> None:
    """Case 18, in our own range."""
    block = free_subnet(28)
    pool = docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet=block)])
    fleet.client.networks.create(f"taken-{fleet.name}", labels=fleet.stranger_labels, ipam=pool)
    fleet.write({"web": idle()}, **{"x-fleet": {"addresses": {"block": block, "prefix": 28}}})
    done = fleet.up(code=5)
    assert f"no free /28 subnet is left in {block}" in done.stderr
    assert fleet.left() == []


@pytest.mark.parametrize(
    "words",
    [
        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
        "all predefined address pools have been fully subnetted",
        "Pool overlaps with other one on this address space",
    ],
)
def test_an_engine_without_addresses_is_exit_5(fleet: Project, proxy: MakeProxy, words: str) -> None:
    """Case 18: what engines say when their pools are used up, and when a race for a subnet is lost for good."""

    def exhausted(request: Request) -> Fault | None:
        return Answer(403, f'{{"message": "{words}"}}'.encode()) if request.path == "/networks/create" else None

    fleet.write({"web": idle()})
    with proxy(exhausted) as watched:
        done = fleet.up(code=5, env=watched.environment)
    assert words in done.stderr
    assert fleet.left() == []


def test_a_subnet_that_another_network_is_about_to_get_is_left_to_it(
    fleet: Project, free_subnet: FreeSubnet, proxy: MakeProxy
) -> None:
    """While the engine makes a network, which takes seconds on a busy host, its subnet is gone and no list shows it."""
    block = free_subnet(24)
    first, second, *_ = ipaddress.ip_network(block).subnets(new_prefix=28)
    refusals = iter([Answer(403, b'{"message": "Pool overlaps with other one on this address space"}')])

    def taken(request: Request) -> Fault | None:
        return next(refusals, None) if request.path == "/networks/create" else None

    fleet.write({"web": idle()}, **{"x-fleet": {"addresses": {"block": block, "prefix": 28}}})
    assert str(first) in fleet.run("plan").stdout
    with proxy(taken) as racing:
        fleet.up(env=racing.environment)
    assert fleet.networks()[0]["IPAM"]["Config"][0]["Subnet"] == str(second)


@pytest.mark.parametrize("policy", ["missing", "never"])
def test_a_missing_image_is_exit_1_and_the_error_says_how_to_get_it(fleet: Project, policy: str) -> None:
    """Case 20. Nothing listens on port 1, so no registry is asked."""
    fleet.write({"web": idle(image="localhost:1/nobody/nothing:1.0", pull_policy=policy)})
    done = fleet.up(code=1)
    assert "localhost:1/nobody/nothing:1.0" in done.stderr
    assert "docker load" in done.stderr
    assert fleet.left() == []


def test_a_crash_loop_is_exit_1_after_few_restarts_with_the_last_words(fleet: Project) -> None:
    """Case 21."""
    fleet.write({"web": idle(command=["sh", "-c", "echo no such database; exit 1"], restart="always")})
    began = time.monotonic()
    done = fleet.up(code=1)
    assert time.monotonic() - began < 50
    assert f"{fleet.name}-web-1 exits again and again (code 1)" in done.stderr
    assert "no such database" in done.stderr
    restarts = fleet.client.api.inspect_container(fleet.ids()["web-1"])["RestartCount"] if fleet.ids() else 0
    assert restarts < 10


def test_a_slow_start_is_waited_for_as_long_as_the_deadline_allows(fleet: Project) -> None:
    """Case 24, with a start of 4 s against deadlines of 2 and 20 s."""
    fleet.write({"web": server(1, before="sleep 4")})
    done = fleet.up("--wait-timeout", "2", code=1)
    assert "is not ready" in done.stderr
    assert "(waited 2 s)" in done.stderr
    fleet.write({"web": server(1, before="sleep 4", environment={"AGAIN": "1"})})
    fleet.up("--wait-timeout", "20")


def test_a_stock_image_that_needs_more_than_the_baseline_gives_is_told_the_line_that_opts_out(fleet: Project) -> None:
    script = shell("mkdir /etc/cache || exit 1")
    fleet.write({"web": idle(command=script, user="0:0")})
    done = fleet.up(code=1)
    assert "restricted baseline" in done.stderr
    assert "Read-only file system" in done.stderr
    assert "baseline: compatible" in done.stderr


BOMB = "x: &a [1,2]\nservices: {}\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n" + "".join(
    f"c{n}: &c{n} [{','.join([f'*{name}'] * 9)}]\n" for n, name in enumerate(["b", "c0", "c1", "c2", "c3", "c4", "c5"])
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(BOMB, "fleet.yaml:", id="39-bomb"),
        pytest.param("services: " + "[" * 3000, "fleet.yaml:2:", id="39-depth"),
        pytest.param("services:\n  web: {image: a}\n  web: {image: b}\n", "fleet.yaml:4:3", id="40-duplicate-key"),
        pytest.param("services:\n  web: {image: a, on: yes}\n", "fleet.yaml:3:", id="40-norway"),
        pytest.param("services:\n  web: {image: a, ports: [22:22.5]}\n", "fleet.yaml:3:", id="40-port"),
        pytest.param("services:\n  web: {image: a, env_file: ../../../etc/shadow}\n", "fleet.yaml:3:", id="43-escape"),
        pytest.param("services:\n  web: {image: a, privileged: true}\n", "fleet.yaml:3:", id="44-privileged"),
        pytest.param("services:\n  web: {image: a, network_mode: host}\n", "fleet.yaml:3:", id="44-host-network"),
        pytest.param(
            "services:\n  web: {image: a, volumes: ['/var/run/docker.sock:/s']}\n", "fleet.yaml:3:", id="44-socket"
        ),
    ],
)
def test_a_bad_file_is_exit_2_with_its_place_before_the_engine_is_asked(fleet: Project, text: str, told: str) -> None:
    """Cases 39, 40, 43 and 44; what each mistake is told as is tested with the reader of the file."""
    fleet.write_text(text)
    done = fleet.run("up", env={"DOCKER_HOST": "unix:///nope"})
    assert done.code == 2, done
    assert told in done.stderr, done
    assert done.stdout == ""
    assert done.seconds < 10
