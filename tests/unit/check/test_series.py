"""Asking many times: who answered, over which connections, and every way a request can fail. Real sockets."""

from __future__ import annotations

import socket
import threading

import pytest

from fleetctl.check.http import BODY_LIMIT
from fleetctl.check.series import GIVE_UP, Target, ask_series
from fleetctl.spec.model import Identity
from fleetctl.state.distribution import Series
from tests.fakes.round_robin import RoundRobin, in_turn, says

WORD = Identity(pattern=r"\w+")


def ask(balancer: RoundRobin, requests: int, *, concurrency: int = 1, fresh: bool = False) -> Series:
    target = Target("127.0.0.1", balancer.port, identity=WORD, fresh=fresh)
    return ask_series(target, requests, concurrency=concurrency)


def failures(series: Series) -> list[str | None]:
    return [answer.failure for answer in series.answers]


def test_identities_come_in_the_order_of_the_requests_over_one_connection() -> None:
    with RoundRobin(in_turn("a", "b", "c")) as balancer:
        series = ask(balancer, 7)
    assert [answer.identity for answer in series.answers] == ["a", "b", "c", "a", "b", "c", "a"]
    assert failures(series) == [None] * 7
    assert balancer.seen.connections == 1
    assert all(answer.milliseconds > 0 for answer in series.answers)
    assert (series.concurrency, series.wanted) == (1, 7)


def test_fresh_connections_are_one_for_each_request() -> None:
    with RoundRobin(in_turn("a", "b")) as balancer:
        series = ask(balancer, 5, fresh=True)
    assert failures(series) == [None] * 5
    assert balancer.seen.connections == 5
    assert b"\r\nConnection: close\r\n" in balancer.seen.first


def test_several_clients_ask_as_often_as_was_wanted_in_all() -> None:
    with RoundRobin(in_turn("a", "b", "c", "d")) as balancer:
        series = ask(balancer, 202, concurrency=8)
    counts = {name: sum(answer.identity == name for answer in series.answers) for name in "abcd"}
    assert counts == {"a": 51, "b": 51, "c": 50, "d": 50}
    assert balancer.seen.connections == series.concurrency == 8
    assert balancer.seen.requests == 202


def test_the_host_header_names_whom_the_balancer_is_to_ask() -> None:
    with RoundRobin(in_turn("a")) as balancer:
        ask_series(Target("127.0.0.1", balancer.port, "/x?y=1", name="web.example"), 1)
        assert balancer.seen.first.startswith(b"GET /x?y=1 HTTP/1.1\r\nHost: web.example\r\n")


def test_a_kept_connection_that_the_server_has_closed_is_no_failure() -> None:
    """A server that closes after each answer, and does not say so."""
    with RoundRobin(lambda number: b"" if number % 2 else says("a")) as balancer:
        series = ask(balancer, 4)
    assert failures(series) == [None] * 4
    assert balancer.seen.connections == 4


def test_a_new_connection_that_is_closed_without_an_answer_is_a_failure() -> None:
    with RoundRobin(lambda number: b"") as balancer:
        series = ask(balancer, 2)
    assert failures(series) == ["closed without an answer"] * 2


def test_an_answer_that_breaks_off_is_a_failure_of_its_own_kind() -> None:
    with RoundRobin(lambda number: b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\na") as balancer:
        assert failures(ask(balancer, 1)) == ["closed amid an answer"]


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (says("x", "503 Service Unavailable"), "HTTP 503"),
        (says("x", "404 Not Found"), "HTTP 404"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not valid HTTP"),
        (says("x" * (BODY_LIMIT + 1)), f"a body longer than {BODY_LIMIT} bytes"),
    ],
)
def test_what_is_no_success_is_counted_by_its_kind(answer: bytes, failure: str) -> None:
    with RoundRobin(lambda number: answer if number == 1 else says("a")) as balancer:
        series = ask(balancer, 3)
    assert failures(series) == [None, failure, None]
    assert [answer.identity for answer in series.answers] == ["a", None, "a"]


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    """Reliability case 42."""
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 1\r\n\r\na"
    with RoundRobin(lambda number: moved) as balancer:
        series = ask(balancer, 2)
    assert [(answer.identity, answer.failure) for answer in series.answers] == [("a", None)] * 2
    assert balancer.seen.requests == 2


def test_an_answer_that_names_nobody_is_no_failure() -> None:
    with RoundRobin(in_turn("--")) as balancer:
        series = ask(balancer, 1)
    assert (series.answers[0].identity, series.answers[0].failure) == (None, None)


def test_silence_ends_at_the_deadline() -> None:
    released = threading.Event()

    def silent(number: int) -> bytes:
        released.wait(10)
        return b""

    with RoundRobin(silent) as balancer:
        series = ask_series(Target("127.0.0.1", balancer.port, timeout=0.1), 2)
        released.set()
    assert failures(series) == ["timeout", "timeout"]


def test_after_many_failures_in_a_row_nothing_more_is_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    series = ask_series(Target("127.0.0.1", port), 1000)
    assert failures(series) == ["connection refused"] * GIVE_UP
    assert series.wanted == 1000


def test_it_stops_when_it_is_told_to_and_keeps_what_came() -> None:
    stop = threading.Event()
    told: list[int] = []

    def tell(ended: int) -> None:
        told.append(ended)
        if ended == 5:
            stop.set()

    with RoundRobin(in_turn("a", "b")) as balancer:
        series = ask_series(Target("127.0.0.1", balancer.port, identity=WORD), 1000, stop=stop, told=tell)
    assert told == [1, 2, 3, 4, 5]
    assert [answer.identity for answer in series.answers] == ["a", "b", "a", "b", "a"]


def test_a_server_without_a_trusted_certificate_is_not_believed() -> None:
    """One that does not even speak TLS."""
    with RoundRobin(in_turn("a")) as balancer:
        series = ask_series(Target("127.0.0.1", balancer.port, tls=True, timeout=0.2), 1)
    assert series.answers[0].failure is not None
