"""This host asks for itself: probes from namespaces of their own, side by side, and nothing left unanswered."""

from __future__ import annotations

import select
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetctl.state.probes import Probe, Question
from fleetctl.vantage.base import Request
from fleetctl.vantage.local import Local

GONE = 2**22 + 1
"""Above the largest process id that Linux gives (proc_sys_kernel(5), pid_max)."""


@pytest.fixture
def apart() -> Iterator[int]:
    """A process in a network namespace of its own, whose loopback is up."""
    script = "ip link set lo up && echo ready && exec cat"
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 10)[0]
        assert process.stdout.readline() == b"ready\n"
        yield process.pid
        process.terminate()


@pytest.fixture
def port() -> Iterator[int]:
    """A port of the host's loopback on which connections come about and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield int(server.getsockname()[1])


def test_a_probe_starts_in_the_namespace_of_its_process(apart: int, port: int) -> None:
    """The same loopback address is another one there."""
    probes = (Probe("lo", None, "127.0.0.1", port, None), Probe("lo", apart, "127.0.0.1", port, None))
    here, there = Local().ask(Request(probes=probes)).outcomes
    assert (here.stage, here.error) == ("done", None)
    assert (there.stage, there.error) == ("connect", "ECONNREFUSED")


def test_probes_run_side_by_side_and_are_answered_in_order(port: int) -> None:
    """Sixteen that are kept waiting take as long as one."""
    probes = tuple(Probe(str(number), None, "127.0.0.1", port, timeout=0.5) for number in range(16))
    began = time.monotonic()
    outcomes = Local().ask(Request(probes=probes)).outcomes
    assert time.monotonic() - began < 4
    assert [outcome.probe.vantage for outcome in outcomes] == [probe.vantage for probe in probes]
    assert {(outcome.stage, outcome.error) for outcome in outcomes} == {("answer", "timeout")}


def test_a_process_that_is_gone_has_an_answer_in_every_part() -> None:
    """Nothing is raised, and every part says so."""
    probe = Probe("lo", GONE, "127.0.0.1", 80)
    request = Request((GONE,), True, (GONE, None), (Question(GONE, "localhost"),), (probe,), (probe,))
    answer = Local().ask(request)
    assert answer.namespaces[GONE].unknown["interfaces"] == f"process {GONE} is gone"
    assert set(answer.filters) == {GONE, None}
    assert "gone" in answer.filters[GONE].unknown["iptables"]
    assert answer.resolutions[0].error == "ESRCH"
    assert (answer.outcomes[0].stage, answer.outcomes[0].error) == ("open", "ESRCH")
    assert answer.traced[0].outcome.error == "ESRCH"


def test_a_traced_probe_ends_like_any_other(port: int) -> None:
    probe = Probe("lo", None, "127.0.0.1", port, None)
    (traced,) = Local().ask(Request(traced=(probe,))).traced
    assert (traced.outcome.probe, traced.outcome.stage) == (probe, "done")


def test_the_namespaces_of_host_and_process_are_told_apart(apart: int) -> None:
    answer = Local().ask(Request(pids=(apart,)))
    there, here = answer.namespaces[apart].interfaces, answer.host.interfaces
    assert there is not None
    assert here is not None
    assert [interface.name for interface in there] == ["lo"]
    assert "lo" in {interface.name for interface in here}
    assert {interface.mac for interface in here} > {interface.mac for interface in there}


def test_the_caller_stays_where_it_was(apart: int) -> None:
    """setns(2) moves a thread, and never this one."""
    before = Path("/proc/thread-self/ns/net").readlink()
    Local().ask(Request((apart,), probes=(Probe("lo", apart, "127.0.0.1", 9, None),), filters=(apart,)))
    assert Path("/proc/thread-self/ns/net").readlink() == before
