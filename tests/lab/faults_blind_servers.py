"""Faults that the authors of the diagnosis did not choose: servers, containers, the engine."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.e2e.project import wait_for
from tests.lab.fault import fault
from tests.lab.fleet import ASKER, HERE, LAN, PORT, SUBJECT, SUBJECT_PORT, Fleet, changed
from tests.lab.laboratory import HOST_ADDRESS
from tests.lab.questions import FROM_ASKER, LOCALLY, THE_SUBJECT, TO_SUBJECT


@contextlib.contextmanager
def odd(fleet: Fleet, mode: str, *options: str, network: str = LAN) -> Iterator[None]:
    """The subject with a server that misbehaves on the wire, for as long as the block lasts."""
    fleet.lab.docker("rm", "--force", "--volumes", SUBJECT, check=False)
    mount = f"{HERE / 'odd_app.py'}:/odd_app.py:ro"
    command = ("python3", "/odd_app.py", mode)
    try:
        fleet.run(SUBJECT, "--network", network, "--volume", mount, *options, image=fleet.base, command=command)
        wait_for("the odd server listens", partial(fleet.subject_listens, PORT))
        yield
    finally:
        fleet.run_subject()


def proxies(fleet: Fleet) -> list[str]:
    """The pids of this engine's docker-proxy for the subject's published port."""
    found = fleet.lab.host("pgrep", "-f", f"docker-proxy .*-host-port {SUBJECT_PORT} ").split()
    here = Path(f"/run/netns/{fleet.lab.host_namespace}").stat().st_ino
    own = [pid for pid in found if Path(f"/proc/{pid}/ns/net").stat().st_ino == here]
    assert own, "there is no docker-proxy"
    return own


@fault("b40", "The server takes the request and resets", THE_SUBJECT, "http")
def resets(fleet: Fleet) -> Iterator[None]:
    with odd(fleet, "reset"):
        yield


@fault("b41", "The server closes without a byte, as one that waits for the PROXY protocol", THE_SUBJECT, "http")
def closes_empty(fleet: Fleet) -> Iterator[None]:
    with odd(fleet, "empty"):
        yield


@fault("b42", "The server closes after one byte", THE_SUBJECT, "http")
def closes_after_a_byte(fleet: Fleet) -> Iterator[None]:
    with odd(fleet, "one-byte"):
        yield


@fault("b43", "The body ends before its Content-Length", THE_SUBJECT, "http")
def cut_short(fleet: Fleet) -> Iterator[None]:
    with odd(fleet, "cut"):
        yield


@fault("b44", "The rest of the body never comes", THE_SUBJECT, "http")
def stalls(fleet: Fleet) -> Iterator[None]:
    with odd(fleet, "stall"):
        yield


@fault("b45", "It redirects to itself for ever", THE_SUBJECT, "http", reachable=None)
def redirects_to_itself(fleet: Fleet) -> Iterator[None]:
    with odd(fleet, "loop"):
        yield


@fault("b46", "Half a second for each byte", THE_SUBJECT, "http", reachable=None)
def trickles(fleet: Fleet) -> Iterator[None]:
    with odd(fleet, "trickle"):
        yield


@fault("b47", "It greets with SSH", THE_SUBJECT, "http/not-http")
def greets_with_ssh(fleet: Fleet) -> Iterator[None]:
    with odd(fleet, "ssh"):
        yield


@fault("b48", "It speaks HTTP/2 only", THE_SUBJECT, "http/not-http")
def http2_only(fleet: Fleet) -> Iterator[None]:
    with odd(fleet, "http2"):
        yield


@fault("b49", "It listens on [::] for IPv6 alone", THE_SUBJECT, "socket")
def ipv6_only(fleet: Fleet) -> Iterator[None]:
    with odd(fleet, "v6only"):
        yield


@fault("b50", "It serves one interface, lo, though bound to every address", THE_SUBJECT, "socket")
def bound_to_a_device(fleet: Fleet) -> Iterator[None]:
    with odd(fleet, "device", "--env", "DEVICE=lo", "--cap-add", "NET_RAW"):
        yield


@fault("b51", "Three of four worker processes are stopped", THE_SUBJECT, "accept-queue", reachable=None)
def workers_stopped(fleet: Fleet) -> Iterator[None]:
    with odd(fleet, "reuseport"):
        main = fleet.lab.pid(SUBJECT)
        children = Path(f"/proc/{main}/task/{main}/children")
        workers = wait_for("it has three children", lambda: three(children))
        for worker in workers:
            fleet.lab.host("kill", "-STOP", worker)
        yield


def three(children: Path) -> list[str]:
    there = children.read_text().split()
    return there if len(there) == 3 else []


@fault("b52", "No thread is left for a connection (pids limit)", THE_SUBJECT, "accept-queue|http|container")
def no_threads(fleet: Fleet) -> Iterator[None]:
    with odd(fleet, "threads"):
        fleet.lab.docker("update", "--pids-limit", "1", SUBJECT)
        yield


@fault("b53", "The queue is full and answers with a reset", THE_SUBJECT, "accept-queue/accept-queue-full")
def full_queue_resets(fleet: Fleet) -> Iterator[None]:
    with fleet.subject("--sysctl", "net.ipv4.tcp_abort_on_overflow=1", MODE="never-accept"):
        clients = (f"import signal, socket; waiting = [socket.create_connection(('{fleet.address(SUBJECT)}', {PORT}))"
                   " for _ in range(2)]; print('ready', flush=True); signal.pause()")  # fmt: skip
        with fleet.lab.running(f"/run/netns/{fleet.lab.host_namespace}", "python3", "-c", clients, ready="ready"):
            yield


@fault("b54", "Frozen behind the engine's back", THE_SUBJECT, "container|accept-queue")
def frozen(fleet: Fleet) -> Iterator[None]:
    container = fleet.lab.inspect(SUBJECT)["Id"]
    state = f"/sys/fs/cgroup/freezer/{fleet.lab.name}/{container}/freezer.state"
    fleet.lab.host("sh", "-c", f"echo FROZEN > {state}")
    try:
        yield
    finally:
        fleet.lab.host("sh", "-c", f"echo THAWED > {state}")


@fault("b55", "It shares the namespace of a container that was restarted since", THE_SUBJECT, "address|link|container")
def orphaned_namespace(fleet: Fleet) -> Iterator[None]:
    with fleet.container("keeper", "--network", LAN), fleet.subject(network="container:keeper"):
        fleet.lab.docker("restart", "--time", "0", "keeper")
        yield


@fault("b56", "It shares a namespace, and its port is another's of the same namespace", "keeper:8080", "socket|http",
       healthy=THE_SUBJECT)  # fmt: skip
def loopback_in_a_shared_namespace(fleet: Fleet) -> Iterator[None]:
    with (
        fleet.container("keeper", "--network", LAN),
        fleet.subject(network="container:keeper", ADDRESS="127.0.0.1"),
    ):
        yield


@fault("b57", "The client that asks is paused", FROM_ASKER, "client|container", healthy=TO_SUBJECT)
def paused_client(fleet: Fleet) -> Iterator[None]:
    with fleet.container(ASKER, "--network", LAN):
        fleet.lab.docker("pause", ASKER)
        yield
        fleet.lab.docker("unpause", ASKER)


@fault("b58", "docker-proxy was killed", LOCALLY, "publish", healthy=TO_SUBJECT)
def proxy_killed(fleet: Fleet) -> Iterator[None]:
    with fleet.subject("--publish", f"{SUBJECT_PORT}:{PORT}"):
        fleet.lab.host("kill", "-KILL", *proxies(fleet))
        yield


@fault("b59", "Published over UDP only", LOCALLY, "publish", healthy=TO_SUBJECT)
def published_over_udp(fleet: Fleet) -> Iterator[None]:
    with fleet.subject("--publish", f"{SUBJECT_PORT}:{PORT}/udp"):
        yield


@fault("b60", "Published at an address that is not the one asked", f"http://198.18.0.9:{SUBJECT_PORT}/", "publish",
       healthy=TO_SUBJECT)  # fmt: skip
def published_at_another_address(fleet: Fleet) -> Iterator[None]:
    with (
        changed(fleet.lab.host, "ip addr add 198.18.0.9/24 dev uplink", "ip addr del 198.18.0.9/24 dev uplink"),
        fleet.subject("--publish", f"{HOST_ADDRESS}:{SUBJECT_PORT}:{PORT}"),
    ):
        yield


@fault("b61", "A process of the host answers at the published port's other address", LOCALLY, "publish",
       healthy=TO_SUBJECT)  # fmt: skip
def stranger_at_the_port(fleet: Fleet) -> Iterator[None]:
    stranger = (f"import signal, socket; s = socket.create_server(('127.0.0.1', {SUBJECT_PORT}));"
                "print('ready', flush=True); held = []\nwhile True: held.append(s.accept())")  # fmt: skip
    with (
        fleet.subject("--publish", f"{HOST_ADDRESS}:{SUBJECT_PORT}:{PORT}"),
        fleet.lab.running(f"/run/netns/{fleet.lab.host_namespace}", "python3", "-c", stranger, ready="ready"),
    ):
        yield


@fault("b62", "The server knows no IPv6, the client asks by it", "http://[fd42:b11d::77]:8080/", "socket",
       healthy=TO_SUBJECT)  # fmt: skip
def no_ipv6_server(fleet: Fleet) -> Iterator[None]:
    with (
        fleet.network("six", "--ipv6", "--subnet", "fd42:b11d::/64"),
        fleet.subject("--ip6", "fd42:b11d::77", network="six"),
    ):
        yield


@fault("b63", "Multicast is not flooded, so IPv6 finds no neighbour", "http://[fd42:b11d::77]:8080/", "link|neighbour",
       healthy=TO_SUBJECT)  # fmt: skip
def no_multicast(fleet: Fleet) -> Iterator[None]:
    with (
        fleet.network("six", "--ipv6", "--subnet", "fd42:b11d::/64"),
        odd(fleet, "v6only", "--ip6", "fd42:b11d::77", network="six"),
    ):
        fleet.lab.host("bridge", "link", "set", "dev", fleet.veth(SUBJECT), "mcast_flood", "off")
        yield


@fault("b64", "The server is bound to an address that it never had", THE_SUBJECT, "socket/bound-to-one-address")
def bound_to_a_foreign_address(fleet: Fleet) -> Iterator[None]:
    with fleet.subject("--sysctl", "net.ipv4.ip_nonlocal_bind=1", ADDRESS="192.0.2.80"):
        yield


@fault("b76", "A debugger holds the server's process", THE_SUBJECT, "accept-queue/process-stopped")
def held_by_a_debugger(fleet: Fleet) -> Iterator[None]:
    # PTRACE_SEIZE and PTRACE_INTERRUPT (ptrace(2)); the tracer's end lets it run on.
    hold = ("import ctypes, signal, sys; c = ctypes.CDLL(None, use_errno=True); pid = int(sys.argv[1]);"
            "assert c.ptrace(0x4206, pid, 0, 0) == 0 and c.ptrace(0x4207, pid, 0, 0) == 0;"
            "print('ready', flush=True); signal.pause()")  # fmt: skip
    command = (sys.executable, "-c", hold, str(fleet.lab.pid(SUBJECT)))
    with fleet.lab.running(f"/run/netns/{fleet.lab.host_namespace}", *command, ready="ready"):
        yield


@fault("b77", "A server of one thread waits for a client that says nothing", THE_SUBJECT, "accept-queue|http")
def held_by_a_client(fleet: Fleet) -> Iterator[None]:
    with odd(fleet, "single"):
        client = (f"import signal, socket; held = socket.create_connection(('{fleet.address(SUBJECT)}', {PORT}));"
                  "print('ready', flush=True); signal.pause()")  # fmt: skip
        with fleet.lab.running(f"/run/netns/{fleet.lab.host_namespace}", "python3", "-c", client, ready="ready"):
            yield


@fault("b78", "Every other answer is an error", THE_SUBJECT, "http", reachable=None)
def every_other(fleet: Fleet) -> Iterator[None]:
    with odd(fleet, "every-other"):
        yield


@fault("b88", "docker-proxy is stopped", LOCALLY, "publish", healthy=THE_SUBJECT)
def proxy_stopped(fleet: Fleet) -> Iterator[None]:
    with contextlib.ExitStack() as healing, fleet.subject("--publish", f"{SUBJECT_PORT}:{PORT}"):
        pids = proxies(fleet)
        fleet.lab.host("kill", "-STOP", *pids)
        healing.callback(fleet.lab.host, "kill", "-CONT", *pids, check=False)
        yield
        fleet.lab.host("kill", "-CONT", *pids)
