"""Asking one server: limits on time and size, and every way an answer can be wrong. Real sockets on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from fleetctl.check.http import BODY_LIMIT, fetch

Answer = Callable[[socket.socket], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], int]]:
    """Start a server that reads one request and then does what the test says; gives its port."""
    servers: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(answer: Answer) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def run() -> None:
            connection, _ = server.accept()
            with connection:
                try:
                    connection.recv(65536)
                    answer(connection)
                except OSError:
                    return  # the client has hung up, as it may

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return int(server.getsockname()[1])

    yield start
    for thread in threads:
        thread.join(10)
    for server in servers:
        server.close()


def says(*parts: bytes) -> Answer:
    return lambda connection: connection.sendall(b"".join(parts))


def test_an_answer_comes_with_status_body_and_time(serve: Callable[[Answer], int]) -> None:
    """The plain case."""
    reply = fetch("127.0.0.1", serve(says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")))
    assert (reply.status, reply.body, reply.error, reply.answered) == (200, b"hello", None, True)
    assert reply.milliseconds is not None


def test_a_server_error_is_an_answer_that_does_not_count(serve: Callable[[Answer], int]) -> None:
    """Status 503 is shown, and not taken for success."""
    reply = fetch("127.0.0.1", serve(says(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")))
    assert (reply.status, reply.error, reply.answered) == (503, None, False)


def test_a_redirect_is_never_followed(serve: Callable[[Answer], int]) -> None:
    """The target would be another host's business (reliability case 42)."""
    location = b"Location: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n"
    reply = fetch("127.0.0.1", serve(says(b"HTTP/1.1 302 Found\r\n", location)))
    assert (reply.status, reply.body) == (302, b"")


def test_a_body_without_end_is_cut_at_the_limit(serve: Callable[[Answer], int]) -> None:
    """Memory stays bounded whatever a container sends."""

    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    reply = fetch("127.0.0.1", serve(endless))
    assert len(reply.body) == BODY_LIMIT
    assert reply.error == f"the body is longer than {BODY_LIMIT} bytes"


def test_headers_without_end_are_refused(serve: Callable[[Answer], int]) -> None:
    """A header of a megabyte is no HTTP answer."""
    reply = fetch("127.0.0.1", serve(says(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 1_000_000)))
    assert reply.error is not None
    assert reply.error.startswith("not a valid HTTP answer")


def test_drip_by_drip_ends_at_the_deadline(serve: Callable[[Answer], int]) -> None:
    """The limit is on the whole exchange, not on each read."""
    done = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not done.wait(0.02):
            connection.sendall(b"x")

    reply = fetch("127.0.0.1", serve(drip), timeout=0.3)
    done.set()
    assert reply.error == "no complete answer within 0.3 s"


def test_silence_ends_at_the_deadline(serve: Callable[[Answer], int]) -> None:
    """A server that accepts and never answers."""
    done = threading.Event()

    def keep_silent(connection: socket.socket) -> None:
        done.wait(10)

    reply = fetch("127.0.0.1", serve(keep_silent), timeout=0.2)
    done.set()
    assert reply.error == "no complete answer within 0.2 s"


def test_what_is_not_http_is_said_so(serve: Callable[[Answer], int]) -> None:
    """For example an SSH banner."""
    reply = fetch("127.0.0.1", serve(says(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")))
    assert reply.error is not None
    assert reply.error.startswith("not a valid HTTP answer")


def test_a_connection_closed_without_a_word_is_an_error(serve: Callable[[Answer], int]) -> None:
    """As docker-proxy does over a dead server."""
    reply = fetch("127.0.0.1", serve(lambda connection: None))
    assert reply.error == "connection closed without an answer"


@pytest.mark.parametrize("sent", [b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"])
def test_an_answer_that_breaks_off_is_told_so(serve: Callable[[Answer], int], sent: bytes) -> None:
    assert fetch("127.0.0.1", serve(says(sent))).error == "connection closed amid an answer"


def test_nobody_listening_is_told_apart() -> None:
    """`refused` lets readiness say that the server has not come up yet."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    reply = fetch("127.0.0.1", port)
    assert (reply.refused, reply.error) == (True, "connection refused")
