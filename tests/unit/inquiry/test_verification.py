"""Whom verify asks and what it makes of it: a fleet of servers on loopback, told of as an engine would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetctl.errors import ConfigError, FleetError
from fleetctl.inquiry.verification import VerifyOptions, Watch, at_url, target_of, through_balancers
from fleetctl.spec.model import Algorithm, Balance, Fleet, HttpSettings, Identity, Service
from fleetctl.state.distribution import Verified
from fleetctl.state.observed import Endpoint, Published, Replica, ReplicaState
from tests.fakes.round_robin import Choose, RoundRobin, in_turn, says

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
QUICK = VerifyOptions(timeout=2.0)
WORD = Identity(pattern=r"[\w-]+")


def replica(service: str, number: int, address: str, state: ReplicaState = "running") -> Replica:
    ends = {"f_lan": Endpoint("1", "f_lan", ipv4=address)} if state == "running" else {}
    name = f"f-{service}-{number}"
    return Replica(
        f"{service}{number}".ljust(64, "0"), name, service, number, "i", "i", state, "none", "", CREATED, endpoints=ends
    )


@dataclass
class Loopback:
    """A fleet whose replicas are servers on loopback: `web` behind `front`."""

    port: int
    balanced_at: int
    replicas: Sequence[Replica]
    balancer: RoundRobin
    host: str | None = None
    asked: list[str] = field(default_factory=list)

    def observe_replicas(self, fleet_name: str) -> tuple[Replica, ...]:
        self.asked.append(fleet_name)
        return tuple(self.replicas)

    def fleet(self, algorithm: Algorithm = "roundrobin", host: str | None = None) -> Fleet:
        balance = Balance("web", self.balanced_at, self.port, algorithm=algorithm, host=host)
        http = HttpSettings(1, "/who", identity=WORD)  # the balancer knows the port better
        web = Service("web", "i", replicas=len(self.replicas) - 1, http=http)
        return Fleet("f", Path(), (), {"web": web, "front": Service("front", "i", balance=(balance,)), "db": DB})

    def verify(self, fleet: Fleet | None = None, name: str | None = None, wanted: VerifyOptions = QUICK) -> Verified:
        (one,) = through_balancers(fleet or self.fleet(), self, name, wanted, Watch())
        return one


DB = Service("db", "i")


@contextmanager
def standing(balancer: Choose, *servers: Choose) -> Iterator[Loopback]:
    """The servers on one port of 127.0.0.2 and up, and the balancer before them."""
    with ExitStack() as stack:
        first = stack.enter_context(RoundRobin(servers[0], "127.0.0.2"))
        for number, choose in enumerate(servers[1:], 3):
            stack.enter_context(RoundRobin(choose, f"127.0.0.{number}", first.port))
        front = stack.enter_context(RoundRobin(balancer, "127.0.0.1"))
        web = [replica("web", number, f"127.0.0.{number + 1}") for number in range(1, len(servers) + 1)]
        yield Loopback(first.port, front.port, [replica("front", 1, "127.0.0.1"), *web], front)


def kinds(one: Verified) -> list[str]:
    return [fault.kind for fault in one.distribution.faults]


def test_a_balancer_that_gives_each_its_turn_passes() -> None:
    with standing(in_turn("a", "b", "c"), *(in_turn(name) for name in "abc")) as engine:
        one = engine.verify()
        assert one.distribution.passed, one.distribution.faults
        assert [(share.replicas, share.identities) for share in one.distribution.shares] == [
            (("f-web-1",), ("a",)),
            (("f-web-2",), ("b",)),
            (("f-web-3",), ("c",)),
        ]
        assert (one.service, one.asked, one.algorithm, one.via) == ("web", "f-front-1", "roundrobin", "balancer")
        assert one.where == f"http://127.0.0.1:{engine.balanced_at}/who"
        assert one.distribution.asked == engine.balancer.seen.requests == 100
        assert engine.balancer.seen.connections == 1
        assert engine.asked == ["f"]


def test_the_host_of_a_pool_goes_into_the_host_header() -> None:
    with standing(in_turn("a"), in_turn("a")) as engine:
        one = engine.verify(engine.fleet(host="web.example"))
        assert one.distribution.passed
        assert one.where == f"http://127.0.0.1:{engine.balanced_at}/who as web.example"
        assert b"\r\nHost: web.example\r\n" in engine.balancer.seen.first


def test_concurrent_clients_are_judged_by_counts() -> None:
    with standing(in_turn("a", "b"), in_turn("a"), in_turn("b")) as engine:
        found = engine.verify(wanted=replace(QUICK, requests=81, concurrency=4)).distribution
    assert found.passed, found.faults
    assert "each of 2 replicas gave 40 or 41 answers" in found.kept


def test_a_pinned_identity_names_both_replicas() -> None:
    """Reliability case 36."""
    with standing(in_turn("a", "a"), in_turn("a"), in_turn("a")) as engine:
        one = engine.verify()
    assert kinds(one) == ["duplicate"]
    assert one.distribution.faults[0].replicas == ("f-web-1", "f-web-2")


def test_an_identity_for_every_worker_names_the_replica() -> None:
    """Reliability case 37."""
    with standing(in_turn("a", "b", "A", "b"), in_turn("a", "A"), in_turn("b")) as engine:
        one = engine.verify()
    assert kinds(one) == ["wandering"]
    assert one.distribution.faults[0].replicas == ("f-web-1",)
    assert "every window of 2 answers came from 2 replicas" in one.distribution.kept


def test_a_worker_that_is_met_seldom_is_searched_for_once_somebody_unknown_answers() -> None:
    """It is not taken for a stranger."""
    seldom = [says("a")] * 20 + [says("A")]
    with standing(in_turn("A", "b"), lambda number: seldom[number % 21], in_turn("b")) as engine:
        one = engine.verify()
    assert kinds(one) == ["wandering"]
    assert one.distribution.faults[0].replicas == ("f-web-1",)


def test_a_replica_that_the_balancer_leaves_out_is_missing_and_a_stranger_is_foreign() -> None:
    with standing(in_turn("a", "x"), in_turn("a"), in_turn("b")) as engine:
        one = engine.verify()
    assert sorted(kinds(one)) == ["foreign", "missing"]
    assert "f-web-2 never answered" in "".join(fault.message for fault in one.distribution.faults)


def test_a_replica_that_does_not_run_does_not_answer() -> None:
    with standing(in_turn("a"), in_turn("a")) as engine:
        engine.replicas = [*engine.replicas, replica("web", 2, "", "exited")]
        one = engine.verify()
    assert kinds(one) == ["silent"]
    assert one.distribution.faults[0].message == "f-web-2 does not answer by itself: it is exited"


def test_fewer_replicas_than_the_file_asks_for_are_remarked() -> None:
    with standing(in_turn("a"), in_turn("a")) as engine:
        fleet = engine.fleet()
        fleet = replace(fleet, services={**fleet.services, "web": replace(fleet.services["web"], replicas=3)})
        one = engine.verify(fleet)
    assert one.distribution.passed
    assert "the file asks for 3 replicas of web, there are 1" in one.distribution.notes


def test_leastconn_is_judged_by_who_answers() -> None:
    with standing(in_turn("a", "a", "b"), in_turn("a"), in_turn("b")) as engine:
        one = engine.verify(engine.fleet("leastconn"))
    assert one.distribution.passed, one.distribution.faults
    assert any("leastconn promises none" in note for note in one.distribution.notes)


@pytest.mark.parametrize(("answering", "kinds_found"), [("abc", []), ("ab", ["missing"]), ("abcd", ["foreign"])])
def test_replicas_of_a_far_engine_that_publish_nothing_are_counted(answering: str, kinds_found: list[str]) -> None:
    with standing(in_turn(*answering), in_turn("a"), in_turn("b"), in_turn("c")) as engine:
        front, *web = engine.replicas
        published = Published(engine.balanced_at, host_ip="0.0.0.0", host_port=engine.balanced_at)
        engine.host, engine.replicas = "127.0.0.1", [replace(front, ports=(published,)), *web]
        one = engine.verify()
    assert kinds(one) == kinds_found
    assert one.distribution.notes[0].startswith("the replicas cannot be asked directly from here, only counted")
    assert all(share.replicas == () for share in one.distribution.shares)


def test_a_balancer_of_a_far_engine_that_publishes_nothing_cannot_be_asked() -> None:
    with standing(in_turn("a"), in_turn("a")) as engine:
        engine.host = "192.0.2.7"
        with pytest.raises(FleetError, match="f-front-1: it cannot be asked from here"):
            engine.verify()


def test_what_is_stopped_before_it_began_accuses_nobody() -> None:
    watch = Watch()
    watch.stop.set()
    with standing(in_turn("a"), in_turn("a")) as engine:
        (one,) = through_balancers(engine.fleet(), engine, None, QUICK, watch)
    assert (one.distribution.asked, one.distribution.faults) == (0, ())


@pytest.mark.parametrize("name", [None, "web", "front"])
def test_a_pool_is_named_by_its_service_or_by_its_balancer(name: str | None) -> None:
    with standing(in_turn("a"), in_turn("a")) as engine:
        assert engine.verify(name=name, wanted=replace(QUICK, requests=1)).service == "web"


def test_what_nobody_balances_cannot_be_asked_for() -> None:
    with standing(in_turn("a"), in_turn("a")) as engine:
        with pytest.raises(FleetError, match="no balancer of fleet f has db behind it") as failed:
            engine.verify(name="db")
        assert failed.value.exit_code == 1
        with pytest.raises(ConfigError, match="no service named nope"):
            engine.verify(name="nope")


def test_a_balancer_that_does_not_run_cannot_be_asked() -> None:
    with standing(in_turn("a"), in_turn("a")) as engine:
        engine.replicas = [one for one in engine.replicas if one.service == "web"]
        with pytest.raises(FleetError, match="service front has no running replica"):
            engine.verify()


# A balancer that is not ours


def test_a_url_is_judged_by_the_fleet_s_replicas_where_a_service_is_named() -> None:
    with standing(in_turn("a", "b", "b"), in_turn("a"), in_turn("b")) as engine:
        fleet = engine.fleet()
        web = replace(fleet.services["web"], http=HttpSettings(engine.port, identity=WORD))
        fleet = replace(fleet, services={"web": web})
        one = at_url(engine.balancer.url, VerifyOptions(), Watch(), fleet=fleet, engine=engine, service_name="web")
    assert one.distribution.passed, one.distribution.faults
    assert [share.replicas for share in one.distribution.shares] == [("f-web-1",), ("f-web-2",)]


def test_a_url_alone_shows_who_answers() -> None:
    uuids = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(3)]
    with RoundRobin(in_turn(*(f"My id is {one}" for one in uuids))) as balancer:
        one = at_url(
            f"{balancer.url}x?y=1", VerifyOptions(fresh=True), Watch(), fleet=None, engine=None, service_name=None
        )
        assert balancer.seen.connections == 100
        assert balancer.seen.first.startswith(b"GET /x?y=1 HTTP/1.1\r\n")
    assert one.distribution.passed
    assert sorted(share.identities[0] for share in one.distribution.shares) == uuids
    assert one.distribution.kept == ("100 answers came from 3 instances",)


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:80",
        "ftp://127.0.0.1/",
        "http://",
        "http://a:99999/",
        "http://a:0/",
        "http://[::1/",
        "http://a/\nHost: b",
        "http://a/ b",
        "http://me:secret@a/",
        "file:///etc/passwd",
        "http://ä/",
        "http://a..b/",
        f"https://{'a' * 64}/",
    ],
)
def test_what_is_no_url_to_ask_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        target_of(url)


def test_a_url_names_host_port_path_and_query() -> None:
    target = target_of("https://[::1]/a?b#c")
    assert (target.host, target.port, target.path, target.name, target.tls) == ("::1", 443, "/a?b", "[::1]", True)
    assert target_of("http://Example:8080").authority == "Example:8080"
