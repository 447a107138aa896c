"""No server is asked more often at once than its queue takes, and what the queue turned away all the while is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import docker
import pytest

from fleetctl.diagnosis.scene import Verdict
from fleetctl.engine.docker_host import DockerHost
from fleetctl.engine.endpoint import Endpoint
from fleetctl.inquiry.cases import Case
from fleetctl.inquiry.inquiry import Inquiry
from fleetctl.inquiry.rounds import FEW, Sending, in_rounds, room_for
from fleetctl.inquiry.targets import Meant, Wanted
from fleetctl.inquiry.world import World
from fleetctl.state.network import Listener, Namespace
from fleetctl.state.observed import Replica
from fleetctl.state.probes import Outcome, Probe
from fleetctl.vantage.base import Answer, Request
from tests.fakes.made_up_scene import healthy, scene

SEEN = scene(healthy())
WEB, WEB_2 = SEEN.containers


@pytest.mark.parametrize(("backlog", "room"), [(0, 1), (1, 1), (2, 1), (5, 4), (128, 127)])
def test_a_server_is_asked_by_fewer_at_once_than_its_queue_takes(backlog: int, room: int) -> None:
    assert room_for(Namespace(listeners=(Listener("tcp", "0.0.0.0", 80, backlog=backlog),)), 80) == room


def test_the_smallest_queue_of_a_port_counts_and_those_of_other_ports_do_not() -> None:
    queues = (("tcp", 80, 128), ("tcp", 80, 9), ("tcp", 81, 2), ("udp", 80, 0))
    listeners = tuple(Listener(protocol, "::", port, backlog=backlog) for protocol, port, backlog in queues)
    assert room_for(Namespace(listeners=listeners), 80) == 8


def test_where_the_queue_is_not_known_a_few_ask_at_once() -> None:
    assert room_for(Namespace(), 80) == FEW


def test_a_port_without_a_server_has_no_queue_to_fill() -> None:
    assert room_for(Namespace(listeners=()), 80) is None


def test_in_each_round_a_server_gets_as_many_probes_as_it_has_room_for_in_their_order() -> None:
    web, busy = (Case(Meant(Wanted(one.name, one.name), one, 8080), None) for one in (WEB, WEB_2))
    narrow = Namespace(listeners=(Listener("tcp", "::", 8080, backlog=3),))
    probes = [Probe("host", None, "10.9.0.2", 8080, path=f"/{number}") for number in range(5)]
    sendings: list[Sending] = [(case, 0, probe) for probe in probes for case in (web, busy)]
    rounds = in_rounds(sendings, {**SEEN.namespaces, WEB_2.pid or 0: narrow})
    assert [[(case is web, probe.path) for case, _, probe in one] for one in rounds] == [
        [(True, "/0"), (False, "/0"), (True, "/1"), (False, "/1"), (True, "/2"), (True, "/3"), (True, "/4")],
        [(False, "/2"), (False, "/3")],
        [(False, "/4")],
    ]


def test_there_is_one_round_where_there_is_nothing_to_ask() -> None:
    assert in_rounds([], {}) == [[]]


class Crowded:
    """A Vantage to a server whose queue turns a client away just while it is asked for the first time."""

    name = "a test"
    reasons: tuple[str, ...] = ()

    def __init__(self, *, counts: bool) -> None:
        self.counts = counts
        self.silent = True

    def ask(self, request: Request) -> Answer:
        outcomes = tuple(self.outcome(probe) for probe in request.probes)
        turned_away = 8 if self.counts and not self.silent else 7
        inside = replace(SEEN.inside(WEB), statistics={"TcpExt.ListenOverflows": turned_away})
        return Answer(SEEN.host, {**SEEN.namespaces, WEB.pid or 0: inside}, outcomes=outcomes)

    def outcome(self, probe: Probe) -> Outcome:
        if probe.vantage == "client" and self.silent:
            self.silent = False
            return Outcome(probe, "connect", "timeout")
        return Outcome(probe, "done", status=200, received=90, milliseconds=2.0)


class Unchanged(DockerHost):
    """An engine whose containers are as they were; it is never spoken to."""

    def inspect(self, replicas: Iterable[Replica]) -> tuple[Replica, ...]:
        return tuple(replicas)


def verdict_on_web(*, counts: bool) -> Verdict:
    """Asked by a client that was named."""
    client = docker.APIClient(base_url="tcp://192.0.2.7:2375", version="1.41")
    try:
        engine = Unchanged(client, Endpoint("tcp://192.0.2.7:2375", "a test"))
        world = World(None, SEEN.containers, SEEN.networks)
        case = Case(Meant(Wanted("web-1", "web-1"), WEB, 8080, address="10.9.0.2"), None)
        (verdict,) = Inquiry(engine, Crowded(counts=counts), world, WEB_2, from_named=True).run([case])
    finally:
        client.close()
    return verdict


def test_silence_while_the_queue_turned_somebody_away_is_no_loss_of_packets() -> None:
    assert verdict_on_web(counts=True).reachable is True


def test_silence_while_the_queue_turned_nobody_away_is_one() -> None:
    (first,) = verdict_on_web(counts=False).findings
    assert first.cause == "lost-packets"
