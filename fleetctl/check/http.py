"""Asks one server over HTTP/1.1 with hard limits on time and size; redirects are never followed."""

from __future__ import annotations

import errno
import socket
import time

import h11

from fleetctl.state.probes import Reply

BODY_LIMIT = 64 * 1024
"""Bytes of a body that are read; a longer one is an error."""
HEADER_LIMIT = 32 * 1024
CHUNK = 16 * 1024


def fetch(host: str, port: int, path: str = "/", *, timeout: float = 5.0, limit: int = BODY_LIMIT) -> Reply:
    """GET the path from an address. `timeout` bounds the whole exchange in seconds, `limit` the body in bytes.
    Never raises: what goes wrong is the reply's `error`."""
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{port}{path}"
    started = time.monotonic()
    deadline = started + timeout
    status: int | None = None
    try:
        with socket.create_connection((host, port), timeout=timeout) as connection:
            connection.sendall(request(shown, port, path))
            status, body, error = read_reply(connection, deadline, limit)
    except TimeoutError:
        return Reply(url, status, error=f"no complete answer within {timeout:g} s")
    except h11.ProtocolError as problem:
        return Reply(url, status, error=f"not a valid HTTP answer: {problem}")
    except OSError as problem:
        return Reply(url, status, error=describe(problem), refused=problem.errno == errno.ECONNREFUSED)
    return Reply(url, status, milliseconds=(time.monotonic() - started) * 1000, body=body, error=error)


def request(host: str, port: int, path: str) -> bytes:
    """The bytes of a GET request (RFC 9112) that asks for the connection to be closed."""
    connection = h11.Connection(h11.CLIENT)
    headers = [("Host", f"{host}:{port}"), ("User-Agent", "fleetctl"), ("Accept", "*/*"), ("Connection", "close")]
    start = connection.send(h11.Request(method="GET", target=path, headers=headers))
    end = connection.send(h11.EndOfMessage())
    return (start or b"") + (end or b"")


def read_reply(connection: socket.socket, deadline: float, limit: int) -> tuple[int, bytes, str | None]:
    """Status, body up to the limit, and an error for a body beyond it."""
    parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADER_LIMIT)
    parser.send(h11.Request(method="GET", target="/", headers=[("Host", "-")]))
    parser.send(h11.EndOfMessage())
    status, body = 0, bytearray()
    while True:
        event = parser.next_event()
        if event is h11.NEED_DATA:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError
            connection.settimeout(remaining)
            parser.receive_data(connection.recv(CHUNK))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > limit:
                return status, bytes(body[:limit]), f"the body is longer than {limit} bytes"
        elif isinstance(event, h11.EndOfMessage):
            return status, bytes(body), None
        elif isinstance(event, h11.ConnectionClosed):
            raise ConnectionResetError(errno.ECONNRESET, "Connection closed without an answer")


def describe(problem: OSError) -> str:
    """The system's words, without numbers."""
    text = problem.strerror or str(problem) or type(problem).__name__
    return text[:1].lower() + text[1:]
