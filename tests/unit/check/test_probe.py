"""How far a probe gets, and how every end is told apart. Real sockets on loopback and in namespaces of their own."""

from __future__ import annotations

import errno
import json
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from fleetctl.check.probe import ask
from fleetctl.state.probes import Outcome, Probe

Answer = Callable[[socket.socket, threading.Event], None]
Serve = Callable[[Answer], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server that reads one request and then does what the test says until the test is over; gives its
    port."""
    over = threading.Event()
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
                    answer(connection, over)
                except OSError:
                    return  # the client has hung up, as it may

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return int(server.getsockname()[1])

    yield start
    over.set()
    for thread in threads:
        thread.join(10)
    for server in servers:
        server.close()


def open_here(family: int) -> socket.socket:
    return socket.socket(family, socket.SOCK_STREAM)


def probe_of(port: int, path: str | None = "/", *, timeout: float = 5.0, address: str = "127.0.0.1") -> Outcome:
    return ask(Probe("host", None, address, port, path, timeout=timeout), open_here)


def says(*parts: bytes, then_wait: bool = False) -> Answer:
    def answer(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(b"".join(parts))
        if then_wait:
            over.wait(10)

    return answer


def end(outcome: Outcome) -> tuple[str, str | None]:
    return outcome.stage, outcome.error


def test_a_whole_answer_is_done_whatever_its_status(serve: Serve) -> None:
    """With status, bytes, the first of them, the headers asked for and the own address."""
    answer = b"HTTP/1.1 302 Found\r\nServer: a/1\r\nLocation: http://localhost/\r\nContent-Length: 2\r\n\r\nhi"
    outcome = probe_of(serve(says(answer)))
    assert end(outcome) == ("done", None)
    assert (outcome.status, outcome.received, outcome.first) == (302, len(answer), answer)
    assert (outcome.location, outcome.server, outcome.source) == ("http://localhost/", "a/1", "127.0.0.1")
    assert outcome.answered
    assert outcome.connected


def test_the_host_header_is_the_one_that_is_wanted(serve: Serve) -> None:
    """By default address and port, as a browser would send."""
    heard: list[bytes] = []

    def listen(connection: socket.socket) -> None:
        heard.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 204 No\r\n\r\n")

    def once(host: str | None) -> bytes:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            asker = threading.Thread(target=ask, args=(Probe("lo", None, "127.0.0.1", port, "/a", host), open_here))
            asker.start()
            with server.accept()[0] as connection:
                listen(connection)
            asker.join()
        return heard[-1].replace(str(port).encode(), b"PORT")

    assert b"GET /a HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n" in once(None)
    assert b"Host: web.example\r\n" in once("web.example")


def test_without_a_path_a_connection_is_enough() -> None:
    """Nobody has to accept it: the kernel does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        outcome = probe_of(server.getsockname()[1], None)
    assert end(outcome) == ("done", None)
    assert outcome.received == 0


def test_nobody_listening_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert end(probe_of(port)) == ("connect", "ECONNREFUSED")


def test_a_full_accept_queue_ends_at_the_deadline_while_connecting() -> None:
    """listen(2) with a backlog of 0 leaves room for one; the next one's SYN is dropped."""
    with socket.socket() as server, socket.socket() as first:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        first.connect(server.getsockname())
        outcome = probe_of(server.getsockname()[1], timeout=0.2)
    assert end(outcome) == ("connect", "timeout")
    assert 150 < outcome.milliseconds < 2000
    assert not outcome.connected


def test_silence_and_a_body_that_never_comes_are_told_apart(serve: Serve) -> None:
    """A server that hangs, and the mark of an MTU that is too small on the way."""
    silent = probe_of(serve(says(then_wait=True)), timeout=0.3)
    assert (end(silent), silent.received) == (("answer", "timeout"), 0)
    stuck = probe_of(serve(says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", then_wait=True)), timeout=0.3)
    assert (end(stuck), stuck.status) == (("body", "timeout"), 200)


def test_half_a_header_is_no_answer_yet(serve: Serve) -> None:
    """The bytes are counted and kept."""
    outcome = probe_of(serve(says(b"HTTP/1.1 200", then_wait=True)), timeout=0.3)
    assert (end(outcome), outcome.first) == (("answer", "timeout"), b"HTTP/1.1 200")


def test_an_early_end_is_told_from_a_reset(serve: Serve) -> None:
    """Closing in good order sends FIN, breaking off sends RST."""

    def reset(connection: socket.socket, over: threading.Event) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    assert end(probe_of(serve(says()))) == ("answer", "closed")
    assert end(probe_of(serve(reset))) == ("answer", "ECONNRESET")
    assert end(probe_of(serve(says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")))) == ("body", "closed")
    assert end(probe_of(serve(says(b"HTTP/1.1 20")))) == ("answer", "closed")


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x15\x03\x01\x00\x02\x02\x46", b"+PONG\r\n"])
def test_another_protocol_is_noticed_at_its_first_bytes(serve: Serve, greeting: bytes) -> None:
    """Although its speaker keeps the connection open; what it said is kept."""
    outcome = probe_of(serve(says(greeting, then_wait=True)), timeout=5)
    assert (end(outcome), outcome.first) == (("answer", "protocol"), greeting)
    assert outcome.milliseconds < 2500


def test_a_body_without_end_counts_as_an_answer(serve: Serve) -> None:
    """Reading stops at 64 KiB, and only the first KiB is kept."""

    def endless(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    outcome = probe_of(serve(endless))
    assert end(outcome) == ("done", None)
    assert outcome.received < 200_000
    assert len(outcome.first) == 1024


def test_what_cannot_be_asked_is_an_outcome_too() -> None:
    """A name, a port that is none, a path that breaks the request, no time, a namespace that opens no socket."""

    def closed(family: int) -> socket.socket:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    assert end(probe_of(80, address="localhost")) == ("open", "EINVAL")
    assert end(probe_of(70_000)) == ("connect", "EINVAL")
    assert end(probe_of(80, "/\r\nX: y")) == ("open", "EINVAL")
    assert end(probe_of(80, timeout=0)) == ("connect", "timeout")
    assert end(ask(Probe("lo", 1, "127.0.0.1", 80), closed)) == ("open", "EPERM")


@pytest.mark.parametrize(
    ("route", "error"),
    [
        ("", "ENETUNREACH"),
        ("unreachable 198.51.100.0/24", "EHOSTUNREACH"),
        ("prohibit 198.51.100.0/24", "EACCES"),
        ("blackhole 198.51.100.0/24", "EINVAL"),
    ],
)
def test_a_route_that_leads_nowhere_names_the_kernel_s_error(route: str, error: str) -> None:
    """ip-route(8): each kind of route has an error of its own."""
    script = (
        "import json, socket; from fleetctl.check.probe import ask; from fleetctl.state.probes import Probe\n"
        "outcome = ask(Probe('host', None, '198.51.100.1', 80), lambda family: socket.socket(family))\n"
        "print(json.dumps([outcome.stage, outcome.error]))"
    )
    prepare = f'ip link set lo up && {f"ip route add {route} && " if route else ""}exec "$@"'
    command = ["unshare", "--map-root-user", "--net", "sh", "-c", prepare, "sh", sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["connect", error]
