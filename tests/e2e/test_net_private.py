"""What is read deeply of a namespace that a test has made and filled is what was put into it (needs root)."""

from __future__ import annotations

import os
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from fleetctl.net.namespaces import inside
from fleetctl.state.network import Namespace, PolicyRule, Route
from tests.e2e.deep_scene import deep, run

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into other namespaces")


@pytest.fixture
def private() -> Iterator[tuple[str, int]]:
    """A network namespace of our own with lo up: its name for ip-netns(8), and the pid of a process in it."""
    name = f"deep-{uuid.uuid4().hex[:8]}"
    run("ip", "netns", "add", name)
    try:
        command = ["nsenter", f"--net=/run/netns/{name}", "sleep", "infinity"]
        with subprocess.Popen(command) as resident:
            try:
                while run("ip", "netns", "pids", name).split() != [str(resident.pid)]:
                    assert resident.poll() is None
                ip(name, "link set lo up")
                yield name, resident.pid
            finally:
                resident.kill()
    finally:
        run("ip", "netns", "delete", name)


def ip(namespace: str, arguments: str) -> None:
    run("ip", "-n", namespace, *arguments.split())


def test_blackholes_and_rules_and_permanent_neighbours_are_seen(private: tuple[str, int]) -> None:
    name, pid = private
    ip(name, "link add va type veth peer name vb")
    ip(name, "address add 10.1.0.1/24 dev va")
    ip(name, "link set va up")
    ip(name, "link set vb up arp off")
    ip(name, "route add blackhole 10.9.0.0/16")
    ip(name, "route add unreachable 10.8.0.0/16 metric 5 table 100")
    ip(name, "route add 10.7.0.0/16 nexthop via 10.1.0.7 weight 1 nexthop via 10.1.0.8 weight 2")
    ip(name, "-6 route add prohibit fd99::/64")
    ip(name, "rule add not from 10.1.0.0/24 to 10.2.0.0/16 fwmark 0x5/0xff iif va priority 77 lookup 100")
    ip(name, "rule add ipproto tcp dport 80-90 priority 78 prohibit")
    ip(name, "-6 rule add from fd98::/64 priority 79 table main suppress_prefixlength 0")
    ip(name, "neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev va nud permanent")
    seen = deep(pid)

    routes = {route.destination: route for route in seen.routes or ()}
    assert routes["10.9.0.0/16"].kind == "blackhole"
    assert routes["10.8.0.0/16"] == Route("10.8.0.0/16", "unreachable", metric=5, table=100)
    assert (routes["10.7.0.0/16"].gateway, routes["10.7.0.0/16"].interface) == ("10.1.0.7", "va")
    assert routes["fd99::/64"].kind == "prohibit"
    by_ip = {
        PolicyRule(int(priority), text.strip(), ipv6=family == "-6")
        for family in ("-4", "-6")
        for line in run("ip", "-n", name, family, "rule").splitlines()
        for priority, _, text in (line.partition(":"),)
    }
    assert set(seen.policy or ()) == by_ip
    assert {77, 78, 79} <= {rule.priority for rule in seen.policy or ()}
    (permanent,) = (each for each in seen.neighbours or () if each.address == "10.1.0.9")
    assert (permanent.mac, permanent.interface, permanent.state) == ("02:00:00:00:00:09", "va", "permanent")
    links = {link.name: link for link in seen.interfaces or ()}
    assert (links["va"].arp, links["vb"].arp, links["va"].carrier, links["va"].xdp) == (True, False, True, False)


def test_what_a_bridge_does_with_its_ports_is_seen(private: tuple[str, int]) -> None:
    name, pid = private
    ip(name, "link add br0 type bridge stp_state 1")
    for port in ("p", "q"):
        ip(name, f"link add {port} type veth peer name {port}x")
        ip(name, f"link set {port} master br0 up")
        ip(name, f"link set {port}x up")
    run("bridge", "-n", name, "link", "set", "dev", "p", "isolated", "on", "learning", "off", "flood", "off")
    run("bridge", "-n", name, "link", "set", "dev", "q", "hairpin", "on")
    seen = deep(pid)

    links = {link.name: link for link in seen.interfaces or ()}
    bridge, p, q = links["br0"], links["p"].port, links["q"].port
    assert (bridge.kind, bridge.stp, bridge.vlan_filtering, bridge.up) == ("bridge", True, False, False)
    assert p
    assert q
    assert (p.isolated, p.learning, p.flood, p.hairpin) == (True, False, False, False)
    assert (q.isolated, q.learning, q.flood, q.hairpin) == (False, True, True, True)
    assert any(entry.own and entry.bridge_ifindex == bridge.ifindex for entry in seen.forwarding or ())


def test_sockets_on_loopback_one_address_every_address_and_udp_are_seen(private: tuple[str, int]) -> None:
    name, pid = private
    ip(name, "address add 10.5.0.1/32 dev lo")

    def listen(opened: ExitStack) -> None:
        for family, kind, address in (
            (socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1"),
            (socket.AF_INET, socket.SOCK_STREAM, "10.5.0.1"),
            (socket.AF_INET6, socket.SOCK_STREAM, "::"),
            (socket.AF_INET6, socket.SOCK_STREAM, "::ffff:127.0.0.2"),
            (socket.AF_INET, socket.SOCK_DGRAM, "127.0.0.1"),
        ):
            made = opened.enter_context(socket.socket(family, kind))
            if address == "::":
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind((address, 4000))
            if kind == socket.SOCK_STREAM:
                made.listen(3)
        # Connected to somebody: it waits for nobody else.
        opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).connect(("127.0.0.1", 4000))
        client = opened.enter_context(socket.socket())
        client.connect(("127.0.0.1", 4000))

    with ExitStack() as opened:
        inside(pid, lambda: listen(opened))
        seen = deep(pid).listeners or ()
    assert [(each.protocol, each.address, each.reach, each.queued, each.backlog, each.v6_only) for each in seen] == [
        ("tcp", "10.5.0.1", "one address", 0, 3, False),
        ("tcp", "127.0.0.1", "loopback only", 1, 3, False),
        ("tcp", "127.0.0.2", "loopback only", 0, 3, False),
        ("tcp", "::", "all interfaces", 0, 3, True),
        ("udp", "127.0.0.1", "loopback only", 0, 0, False),
    ]
    assert {holder.pid for each in seen for holder in each.processes} == {os.getpid()}, "found although it is elsewhere"


def test_what_tc_drops_or_delays_is_seen_and_its_defaults_are_not(private: tuple[str, int]) -> None:
    name, pid = private
    assert deep(pid).filters == ()
    for command in (
        "qdisc add dev lo clsact",
        "qdisc replace dev lo root handle 1: tbf rate 1mbit burst 32kbit latency 400ms",
        "filter add dev lo ingress protocol ip pref 7 u32 match ip dst 10.9.9.9/32 flowid 1:1",
    ):
        run("tc", "-n", name, *command.split())
    assert set(deep(pid).filters or ()) == {
        "qdisc tbf 1: dev lo root",
        "qdisc clsact ffff: dev lo ingress",
        "filter dev lo ingress protocol 0x0800 pref 7 u32",
    }


def test_work_runs_inside_and_leaves_the_caller_outside(private: tuple[str, int]) -> None:
    _, pid = private
    here = os.readlink("/proc/thread-self/ns/net")  # noqa: PTH115
    listed = inside(pid, lambda: run("ip", "-o", "link"))
    assert [line.split(": ")[1] for line in listed.splitlines()] == ["lo"]
    assert inside(None, lambda: os.readlink("/proc/thread-self/ns/net")) == here  # noqa: PTH115
    assert os.readlink("/proc/thread-self/ns/net") == here  # noqa: PTH115
    with pytest.raises(ZeroDivisionError):
        inside(pid, lambda: 1 // 0)
    with subprocess.Popen(["true"]) as dead:
        pass
    with pytest.raises(ProcessLookupError):
        inside(dead.pid, lambda: None)


def test_a_dead_process_leaves_a_reason_for_every_field() -> None:
    with subprocess.Popen(["true"]) as dead:
        pass
    seen = deep(dead.pid)
    assert set(seen.unknown.values()) == {f"process {dead.pid} is gone"}
    assert seen == Namespace(unknown=seen.unknown)
