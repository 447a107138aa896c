"""Asks one server over HTTP/1.1 with hard limits on time and size; redirects are never followed."""

from __future__ import annotations

import errno
import socket
import time
from dataclasses import dataclass, field

import h11

from fleetctl.state.probes import Reply, authority_of

BODY_LIMIT = 64 * 1024
"""Bytes of a body that are read; a longer one is an error."""
HEADER_LIMIT = 32 * 1024
CHUNK = 16 * 1024
FIRST = 1024
"""How many of an answer's first bytes are kept as they came."""


@dataclass(slots=True)
class Exchange:
    """What has come of an answer so far; it is still there when the exchange breaks off."""

    sent: bool = False
    received: int = 0
    first: bytes = b""
    ended: bool = False
    """Whether the other side has ended the connection."""
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    cut: bool = False
    """Whether the body was longer than the limit, and reading stopped there."""

    def take(self, data: bytes) -> None:
        """Note what was received. Raises h11.RemoteProtocolError for what cannot become HTTP, such as the greeting of
        another protocol: its speaker would wait for ours until the deadline."""
        self.received += len(data)
        self.first += data[: FIRST - len(self.first)]
        self.ended = not data
        if not b"HTTP/".startswith(self.first[:5]):
            raise h11.RemoteProtocolError("it begins with something else than HTTP/")


def fetch(host: str, port: int, path: str = "/", *, timeout: float = 5.0, limit: int = BODY_LIMIT) -> Reply:
    """GET the path from an address. `timeout` bounds the whole exchange in seconds, `limit` the body in bytes.
    Never raises: what goes wrong is the reply's `error`."""
    authority = authority_of(host, port)
    url = f"http://{authority}{path}"
    started = time.monotonic()
    deadline = started + timeout
    answer = Exchange()
    try:
        with socket.create_connection((host, port), timeout=timeout) as connection:
            converse(connection, request(authority, path), deadline, answer, limit)
    except TimeoutError:
        return Reply(url, answer.status, error=f"no complete answer within {timeout:g} s")
    except h11.ProtocolError as problem:
        broken = f"connection closed {'amid' if answer.received else 'without'} an answer" if answer.ended else None
        return Reply(url, answer.status, error=broken or f"not a valid HTTP answer: {problem}")
    except OSError as problem:
        return Reply(url, answer.status, error=describe(problem), refused=problem.errno == errno.ECONNREFUSED)
    error = f"the body is longer than {limit} bytes" if answer.cut else None
    milliseconds = (time.monotonic() - started) * 1000
    return Reply(url, answer.status, milliseconds=milliseconds, body=bytes(answer.body), error=error)


def request(authority: str, path: str) -> bytes:
    """The bytes of a GET request (RFC 9112) that asks for the connection to be closed. Raises h11.LocalProtocolError
    for what no request may contain."""
    connection = h11.Connection(h11.CLIENT)
    headers = [("Host", authority), ("User-Agent", "fleetctl"), ("Accept", "*/*"), ("Connection", "close")]
    start = connection.send(h11.Request(method="GET", target=path, headers=headers))
    end = connection.send(h11.EndOfMessage())
    return (start or b"") + (end or b"")


def converse(connection: socket.socket, asked: bytes, deadline: float, answer: Exchange, limit: int) -> None:
    """Send the request and read the answer into `answer`. `deadline` is a reading of the monotonic clock. Raises
    TimeoutError without an errno at the deadline, h11.RemoteProtocolError, and OSError."""
    connection.settimeout(remaining(deadline))
    connection.sendall(asked)
    answer.sent = True
    parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADER_LIMIT)
    parser.send(h11.Request(method="GET", target="/", headers=[("Host", "-")]))
    parser.send(h11.EndOfMessage())
    while True:
        event = parser.next_event()
        if event is h11.NEED_DATA:
            connection.settimeout(remaining(deadline))
            data = connection.recv(CHUNK)
            answer.take(data)
            parser.receive_data(data)
        elif isinstance(event, h11.Response):
            answer.status = event.status_code
            answer.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
        elif isinstance(event, h11.Data):
            answer.body += event.data
            if len(answer.body) > limit:
                del answer.body[limit:]
                answer.cut = True
                return
        elif isinstance(event, h11.EndOfMessage):
            return
        elif isinstance(event, h11.ConnectionClosed):
            raise ConnectionResetError(errno.ECONNRESET, "Connection closed without an answer")


def remaining(deadline: float) -> float:
    """Seconds until the deadline; raises TimeoutError when it has passed."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def describe(problem: OSError) -> str:
    """The system's words, without numbers."""
    text = problem.strerror or str(problem) or type(problem).__name__
    return text[:1].lower() + text[1:]
