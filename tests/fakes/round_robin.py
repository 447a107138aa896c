"""A balancer and all of its servers in one process: answers over HTTP/1.1 as whoever's turn it is."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

Choose = Callable[[int], bytes]
"""The number of a request, from 0 -> the whole answer; an empty one closes the connection without a word."""


def says(text: str, status: str = "200 OK") -> bytes:
    """An answer that keeps the connection open."""
    body = text.encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def in_turn(*texts: str) -> Choose:
    """Each in its turn."""
    answers = [says(text) for text in texts]
    return lambda number: answers[number % len(answers)]


@dataclass
class Seen:
    """What the server was asked."""

    requests: int = 0
    connections: int = 0
    first: bytes = b""
    """The first request as it came."""


class RoundRobin:
    """Listens on loopback, on a free port unless one is given; use it as a context manager. It keeps connections as
    long as its client."""

    def __init__(self, choose: Choose, address: str = "127.0.0.1", port: int = 0) -> None:
        self.choose = choose
        self.seen = Seen()
        self.lock = threading.Lock()
        self.server = socket.create_server((address, port), backlog=128)
        self.port = int(self.server.getsockname()[1])
        self.url = f"http://{address}:{self.port}/"
        self.threads = [threading.Thread(target=self.accept)]

    def __enter__(self) -> RoundRobin:
        self.threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown(socket.SHUT_RDWR)  # wakes the one that accepts
        for thread in self.threads:
            thread.join(10)
        self.server.close()

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            self.seen.connections += 1
            self.threads.append(threading.Thread(target=self.serve, args=(connection,)))
            self.threads[-1].start()

    def serve(self, connection: socket.socket) -> None:
        """Answer request after request until the client closes."""
        with connection:
            try:
                while request := self.read(connection):
                    with self.lock:
                        self.seen.first = self.seen.first or request
                        number = self.seen.requests
                        self.seen.requests += 1
                    answer = self.choose(number)
                    connection.sendall(answer)
                    if not answer or b"\r\nConnection: close\r\n" in request + answer:
                        return
            except OSError:
                return  # the client has hung up, as it may

    def read(self, connection: socket.socket) -> bytes:
        """One request's header; empty when the client has closed."""
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            data = connection.recv(65536)
            if not data:
                return b""
            request += data
        return request
