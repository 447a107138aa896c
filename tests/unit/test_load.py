"""The load tells apart every way in which a request can fail, and neither loses a request nor hides a second try."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.harness.load import Mix, load
from bench.harness.outcomes import Outcome, Outcomes

IDENTITY = str(uuid.uuid4())
BLOCK = 2.0
"""Seconds after which a server that never answers lets its connection go."""


class Scripted(socketserver.StreamRequestHandler):
    """Does with each request what its path says; keeps connections open unless that is the point."""

    requests: Counter[str]
    over: threading.Event

    def handle(self) -> None:
        number = 0
        while line := self.rfile.readline():
            length, number = 0, number + 1
            while (header := self.rfile.readline()).strip():
                name, _, value = header.decode().partition(":")
                length = int(value) if name.lower() == "content-length" else length
            body = self.rfile.read(length)
            method, path, _ = line.decode().split()
            self.requests[method] += 1
            if not self.act(path, body, number):
                return

    def act(self, path: str, body: bytes, number: int) -> bool:
        """Whether the connection stays open."""
        match path:
            case "/" | "/echo":
                self.answer(body)
            case "/503":
                self.answer(body, b"503 Sick")
            case "/wrong":
                self.answer(b"", identity="nobody")
            case "/unasked":  # what HAProxy says before it closes an idle connection of its own accord
                self.answer(body, after=b"HTTP/1.1 408 Request Time-out\r\nContent-Length: 0\r\n\r\n")
                return False
            case "/nonsense":
                self.wfile.write(b"220 mail.example ESMTP\r\n\r\n")
                return False
            case "/cut":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + IDENTITY.encode())
                return False
            case "/until-the-end":
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n" + IDENTITY.encode() + b"\n" + body)
                return False
            case "/reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                return False
            case "/once":  # a close that crosses the second request on its way
                if number > 1:
                    return False
                self.answer(body)
            case "/last":
                self.answer(body, more=b"Connection: close\r\n")
                return False
            case "/silent":
                self.over.wait(BLOCK)
                return False
        return True

    def answer(
        self,
        body: bytes,
        status: bytes = b"200 OK",
        *,
        more: bytes = b"",
        after: bytes = b"",
        identity: str = IDENTITY,
    ) -> None:
        content = identity.encode() + b"\n" + body
        head = b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n" % (status, more, len(content))
        self.wfile.write(head + content + after)


class Server(socketserver.ThreadingTCPServer):
    request_queue_size = 128
    daemon_threads = False

    def handle_error(self, request: object, client_address: object) -> None:
        """The client has gone: nothing to tell."""


@contextmanager
def served() -> Iterator[tuple[int, Counter[str]]]:
    """Its port, and the requests it has read, by method."""
    requests: Counter[str] = Counter()
    over = threading.Event()
    handler = type("Handler", (Scripted,), {"requests": requests, "over": over})
    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1], requests
        finally:
            over.set()
            server.shutdown()
            thread.join()


def asked(path: str, count: int = 20, *, posts: float = 0.0, fresh: float = 0.0, timeout: float = 5.0) -> Outcomes:
    """What comes of so many requests for one path."""
    mix = Mix(fresh=fresh, posts=posts, slow=0.0, path=path, post_path=path)
    with served() as (port, _), load("127.0.0.1", port, rate=500, count=count, mix=mix, timeout=timeout) as running:
        running.wait()
    return running.result


def test_every_request_of_a_mixed_load_has_its_outcome_and_its_identity() -> None:
    with served() as (port, requests), load("127.0.0.1", port, rate=400, count=200, mix=Mix(slow=0)) as running:
        result = running.wait()
    assert (len(result.all), result.failed, result.resent) == (200, [], 0)
    assert requests == Counter(one.method for one in result.all)
    assert min(requests.values()) > 20
    assert {one.kept for one in result.all} == {True, False}
    assert {identity: count for identity, (_, _, count) in result.identities.items()} == {IDENTITY: 200}


def test_requests_are_sent_when_they_are_due_though_none_has_been_answered() -> None:
    with served() as (port, requests):
        mix = Mix(path="/silent", posts=0, slow=0)
        with load("127.0.0.1", port, rate=100, count=50, mix=mix, timeout=0.8) as running:
            result = running.wait()
    assert requests["GET"] == 50
    assert result.failures == {"GET timeout": 50}
    dues = sorted(one.start for one in result.all)
    assert dues[-1] - dues[0] == pytest.approx(49 / 100)


@pytest.mark.parametrize(
    ("path", "failure"),
    [
        ("/503", "status 503"),
        ("/wrong", "wrong body"),
        ("/cut", "cut short"),
        ("/reset", "reset"),
        ("/nonsense", "malformed"),
        ("/silent", "timeout"),
    ],
)
@pytest.mark.parametrize("fresh", [0.0, 1.0])
def test_whatever_is_no_complete_and_right_answer_has_failed(path: str, failure: str, fresh: float) -> None:
    result = asked(path, fresh=fresh, timeout=0.5)
    assert result.failures == {f"GET {failure}": 20}
    assert result.resent == 0


def test_nobody_listening_is_told_from_a_connection_that_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with load("127.0.0.1", port, rate=200, count=5) as running:
        running.wait()
    assert {one.failure for one in running.result.failed} == {"refused"}
    assert len(running.result.failed) == 5


def test_a_get_whose_idle_connection_was_closed_meanwhile_is_sent_again_and_that_is_counted() -> None:
    result = asked("/once", 40)
    assert result.failed == []
    assert result.resent > 0


def test_a_post_whose_idle_connection_was_closed_meanwhile_has_failed() -> None:
    result = asked("/once", 40, posts=1.0)
    assert result.failures.keys() == {"POST reset"}
    assert result.resent == 0


def test_a_get_on_a_new_connection_is_never_sent_again() -> None:
    mix = Mix(path="/reset", posts=0, slow=0)
    with served() as (port, requests), load("127.0.0.1", port, rate=200, count=10, mix=mix) as running:
        running.wait()
    assert requests["GET"] == 10


@pytest.mark.parametrize("path", ["/last", "/until-the-end"])
def test_an_answer_that_ends_its_connection_is_no_failure_whatever_the_method(path: str) -> None:
    result = asked(path, posts=0.5)
    assert (result.failed, result.resent) == ([], 0)


def test_a_connection_that_was_seen_to_end_while_idle_is_left_and_nothing_is_sent_twice() -> None:
    mix = Mix(fresh=0, posts=1, slow=0, post_path="/unasked")
    with served() as (port, requests), load("127.0.0.1", port, rate=50, count=10, mix=mix) as running:
        result = running.wait()
    assert requests["POST"] == 10
    assert (result.failed, result.resent) == ([], 0)


def test_a_load_without_a_count_goes_on_until_its_block_ends_and_then_waits_for_what_is_under_way() -> None:
    with served() as (port, requests), load("127.0.0.1", port, rate=200, mix=Mix(slow=0)) as running:
        before = len(running.wait(20).all)
        assert before >= 20
        assert len(running.wait(20).all) >= before + 20
    assert len(running.result.all) == requests.total()


def test_a_wait_that_takes_too_long_says_so() -> None:
    mix = Mix(path="/silent", posts=0, slow=0)
    with (
        served() as (port, _),
        load("127.0.0.1", port, rate=10, mix=mix, timeout=0.3) as running,
        pytest.raises(TimeoutError, match=r"requests have ended within 0\.1 s"),
    ):
        running.wait(100, seconds=0.1)


def outcome(start: float, latency: float = 0.01, *, identity: str | None = "a", failure: str | None = None) -> Outcome:
    return Outcome(start, latency, 0.0, "GET", "/", 200, failure, identity, kept=True)


def test_outcomes_tell_percentiles_and_who_answered_when() -> None:
    began = time.monotonic()
    ended = [outcome(began + n, latency=n / 100, identity="a" if n < 60 else "b") for n in range(1, 100)]
    outcomes = Outcomes([*ended, outcome(began + 100, 15.0, identity=None, failure="timeout")])
    assert outcomes.percentile(0.5) == 0.5
    assert outcomes.percentile(0.99) == 0.99
    first, last, count = outcomes.identities["b"]
    assert (round(first - began, 1), round(last - began, 2), count) == (60.6, 99.99, 40)
    assert outcomes.between(began, began + 60).identities.keys() == {"a"}
    assert str(outcomes) == "100 requests, 1 failed (1 of GET timeout), median 500.0 ms, 2 instances"


def test_outcomes_of_which_none_was_answered_have_no_percentile() -> None:
    outcomes = Outcomes([outcome(0.0, failure="refused", identity=None)])
    assert str(outcomes) == "1 requests, 1 failed (1 of GET refused), 0 instances"
    with pytest.raises(ValueError, match="no request was answered"):
        outcomes.percentile(0.5)
