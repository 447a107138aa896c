from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from fleetctl.net import trace
from fleetctl.net.trace import traced
from fleetctl.state.filters import TracePoint
from tests.e2e.bridged import CLIENT, PORT, SERVER, Bridged, bridged, question
from tests.e2e.project import wait_for


@pytest.fixture
def lab() -> Iterator[Bridged]:
    yield from bridged()


def way(lab: Bridged, address: str = SERVER, port: int = PORT) -> tuple[str | None, tuple[TracePoint, ...]]:
    said, seen = lab.within("client", lambda: traced(lambda: question(address, port)))
    assert seen.unknown is None
    return said, seen.points


def shown(points: tuple[TracePoint, ...]) -> list[str]:
    return [f"{point.event} {point.interface or point.reason}" for point in points]


TO_SERVER = ["tx eth0", "rx vc", "tx vs", "rx eth0"]
BACK = ["tx eth0", "rx vs", "tx vc", "rx eth0"]


def test_a_healthy_probe_goes_there_and_back_and_loses_nothing(lab: Bridged) -> None:
    said, points = way(lab)
    assert said is None
    assert shown(points)[:8] == TO_SERVER + BACK
    assert not [point for point in points if point.event == "drop"]


def test_the_first_contact_is_seen_although_arp_sends_it(lab: Bridged) -> None:
    for place in ("client", "server", "host"):
        lab.run(place, "ip neigh flush all")
    said, points = way(lab)
    assert said is None
    assert shown(points)[:8] == TO_SERVER + BACK


@dataclass(frozen=True)
class Fault:
    commands: list[tuple[str, str]]
    expected: list[str]
    port: int = PORT


TO_BRIDGE = ["tx eth0", "rx vc"]
FILTERED = "drop NETFILTER_DROP"
FAULTS = {
    "client-output": Fault([("client", "iptables -A OUTPUT -p tcp -j DROP")], [FILTERED]),
    "client-blackhole": Fault([("client", f"ip route add blackhole {SERVER}/32")], []),
    "host-raw": Fault([("host", "iptables -t raw -A PREROUTING -p tcp -j DROP")], [*TO_BRIDGE, FILTERED]),
    "host-forward": Fault([("host", "iptables -A FORWARD -p tcp -j DROP")], [*TO_BRIDGE, FILTERED]),
    "host-policy": Fault([("host", "iptables -P FORWARD DROP")], [*TO_BRIDGE, FILTERED]),
    "bridge-family": Fault([("host", "ebtables -A FORWARD -j DROP")], [*TO_BRIDGE, FILTERED]),
    "bridge-down": Fault([("host", "ip link set br0 down")], [*TO_BRIDGE, "drop BRIDGE_INGRESS_STP_STATE"]),
    "veth-down": Fault([("host", "ip link set vs down")], [*TO_BRIDGE, "drop NO_TX_TARGET"]),
    "detached": Fault([("host", "ip link set vs nomaster")], [*TO_BRIDGE, "drop NO_TX_TARGET"]),
    "isolated": Fault(
        [("host", "bridge link set dev vc isolated on"), ("host", "bridge link set dev vs isolated on")],
        [*TO_BRIDGE, "drop NOT_SPECIFIED"],
    ),
    "inner-down": Fault([("server", "ip link set eth0 down")], [*TO_BRIDGE, "drop NO_TX_TARGET"]),
    "server-input": Fault([("server", "iptables -A INPUT -p tcp -j DROP")], [*TO_SERVER, FILTERED]),
    "server-legacy": Fault([("server", "iptables-legacy -w 30 -A INPUT -p tcp -j DROP")], [*TO_SERVER, FILTERED]),
    "server-output": Fault([("server", "iptables -A OUTPUT -p tcp -j DROP")], [*TO_SERVER, FILTERED]),
    "server-reject": Fault([("server", "iptables -A INPUT -p tcp -j REJECT")], [*TO_SERVER, "tx eth0", FILTERED]),
    "server-address": Fault([("server", "ip address flush dev eth0")], [*TO_SERVER, "drop IP_INNOROUTES"]),
    "reverse-path": Fault(
        [("server", "sysctl -qw net.ipv4.conf.all.rp_filter=1"), ("server", f"ip route add {CLIENT}/32 dev lo")],
        [*TO_SERVER, "drop IP_RPFILTER"],
    ),
    "wrong-mac": Fault(
        [("client", f"ip neigh replace {SERVER} lladdr 02:00:00:00:00:99 dev eth0 nud permanent")],
        [*TO_SERVER, "drop OTHERHOST"],
    ),
    "no-listener": Fault([], [*TO_SERVER, "tx eth0", "drop NO_SOCKET"], port=PORT + 1),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_trace_ends_where_the_packet_was_lost_and_says_why(lab: Bridged, fault: Fault) -> None:
    for place, command in fault.commands:
        lab.run(place, command)
    said, points = way(lab, port=fault.port)
    assert said is not None
    assert shown(points)[: len(fault.expected)] == fault.expected
    assert all(point.location for point in points if point.event == "drop")


def test_a_way_without_an_answer_has_no_losses_but_ends_at_the_server(lab: Bridged) -> None:
    lab.run("server", f"ip route add blackhole {CLIENT}/32")
    said, points = way(lab)
    assert said == "timed out"
    assert shown(points) == TO_SERVER


def test_threads_that_the_work_starts_are_traced_too(lab: Bridged) -> None:
    _, seen = traced(lambda: lab.ask())
    assert shown(seen.points)[:4] == TO_SERVER


def test_what_other_threads_send_meanwhile_is_not_in_the_trace(lab: Bridged) -> None:
    over = threading.Event()

    def noise() -> None:
        while not over.is_set():
            question("127.0.0.1", PORT)

    others = threading.Thread(target=lambda: lab.within("host", noise))
    others.start()
    try:
        _, points = way(lab)
    finally:
        over.set()
        others.join()
    assert {point.interface or point for point in points} == {"eth0", "vc", "vs"}


def test_what_the_work_raises_reaches_the_caller_and_nothing_stays_behind() -> None:
    def fails() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        traced(fails)
    assert own_instances(os.getpid()) == []


_MOUNTS = """
from pathlib import Path
from fleetctl.net.trace import traced
mounts = Path("/proc/self/mountinfo").read_text
before = mounts()
during, seen = traced(mounts)
print(before == during == mounts(), seen.unknown)
"""


def test_tracing_mounts_nothing() -> None:
    """In a mount namespace of its own, where other tests mount nothing meanwhile."""
    command = ["unshare", "--mount", sys.executable, "-c", _MOUNTS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "True None\n"


# Every mount of tracefs shows the same instances, those of other tests as well.
_MOUNTED = """
import os
from fleetctl.net.trace import traced
there = lambda: f"fleetctl-{os.getpid()}" in os.listdir("/sys/kernel/tracing/instances")
said, seen = traced(there)
print(said, seen.unknown, there())
"""


def test_where_somebody_has_mounted_tracefs_that_mount_is_used() -> None:
    script = 'mount -t tracefs mine /sys/kernel/tracing && exec "$0" -c "$1"'
    command = ["unshare", "--mount", "sh", "-c", script, sys.executable, _MOUNTED]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "True None False\n"


_KILLED = """
import os, signal
from fleetctl.net.trace import traced
traced(lambda: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_what_a_killed_run_left_is_removed_by_the_next() -> None:
    pid = wait_for("a killed run leaves an instance that no other test's run removes first", killed_run)
    assert own_instances(pid) == []


def killed_run() -> int | None:
    """Have a run killed, and be the next one. Its process's id, or None where some other test was the next."""
    killed = subprocess.Popen([sys.executable, "-c", _KILLED])
    assert killed.wait() == -9
    left = own_instances(killed.pid)
    traced(lambda: None)
    return killed.pid if left == [f"fleetctl-{killed.pid}"] else None


_UNPRIVILEGED = """
import os
from fleetctl.net.trace import traced
os.setuid(65534)
print(traced(lambda: "worked"))
"""


def test_without_privilege_the_work_is_done_and_the_trace_says_why_it_is_empty() -> None:
    done = subprocess.run([sys.executable, "-c", _UNPRIVILEGED], capture_output=True, text=True, check=True)
    assert "'worked'" in done.stdout
    assert "points=()" in done.stdout
    assert "run as root" in done.stdout


def own_instances(pid: int) -> list[str]:
    with trace._instances() as instances:
        return [name for name in names(instances) if name == f"fleetctl-{pid}"]


def names(directory: int) -> list[str]:
    return os.listdir(directory)
