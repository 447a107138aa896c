"""A Unix socket before the engine's: counts the requests that pass, and spoils those a test chooses."""

from __future__ import annotations

import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

READS = ("GET", "HEAD")
CHUNK = 64 * 1024


@dataclass(frozen=True)
class Request:
    """One request; `path` without the API's version and query, `writes_so_far` how many that may change something
    have come since the proxy began, this one counted."""

    method: str
    path: str
    writes_so_far: int

    @property
    def writes(self) -> bool:
        return self.method not in READS

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Hang:
    """Take the request and never answer; the engine does not get it."""


@dataclass(frozen=True)
class Drop:
    """Close the connection without an answer; the engine does not get the request."""


@dataclass(frozen=True)
class Answer:
    """Answer in the engine's place."""

    status: int
    body: bytes = b'{"message": "the proxy says so"}'


@dataclass(frozen=True)
class Delay:
    """Hand the request on, and the answer only after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Truncate:
    """Hand the request on, and only so many bytes of the answer."""

    size: int


@dataclass(frozen=True)
class Act:
    """Hand the request on; when the engine has answered call `what`, and let the answer go only then."""

    what: Callable[[], None]


@dataclass(frozen=True)
class Cut:
    """Hand the request on, and from its answer on be dead: that and every other connection is closed."""


Fault = Hang | Drop | Answer | Delay | Truncate | Act | Cut
Misbehave = Callable[[Request], Fault | None]


class FaultProxy:
    """A context manager; `address` is a DOCKER_HOST. `misbehave` gets every request before it goes on, and says what
    is to happen to it. One connection carries one request: the proxy asks the engine to close it."""

    def __init__(self, upstream: str, misbehave: Misbehave | None = None) -> None:
        assert upstream.startswith("unix://"), f"the fault proxy needs an engine on a Unix socket, not {upstream}"
        self.upstream = upstream.removeprefix("unix://")
        self.misbehave = misbehave or (lambda request: None)
        self.requests: list[Request] = []
        self.lock = threading.Lock()
        self.dead = threading.Event()
        self.open: set[socket.socket] = set()
        # A test's own directory can have too long a name for a socket (unix(7): 108 bytes).
        self.directory = Path(tempfile.mkdtemp(prefix="fp-"))
        self.address = f"unix://{self.directory}/s"

    def __enter__(self) -> FaultProxy:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.address.removeprefix("unix://"))
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        # close() alone does not wake a thread that sits in accept().
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        shutil.rmtree(self.directory)

    @property
    def environment(self) -> dict[str, str]:
        return {"DOCKER_HOST": self.address}

    @property
    def writes(self) -> list[Request]:
        """The requests so far that may change something."""
        return [request for request in self.requests if request.writes]

    def cut(self) -> None:
        """Close every connection, and each new one at once."""
        self.dead.set()
        with self.lock:
            for connection in self.open:
                end(connection)

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        """One connection: one request and its answer."""
        with client, socket.socket(socket.AF_UNIX) as engine, suppress(OSError):
            with self.lock:
                if self.dead.is_set():
                    return
                self.open |= {client, engine}
            try:
                head = read_head(client)
                if head:
                    self.relay(client, engine, head)
            finally:
                with self.lock:
                    self.open -= {client, engine}

    def relay(self, client: socket.socket, engine: socket.socket, head: bytes) -> None:
        fault = self.misbehave(self.count(head))
        match fault:
            case Drop():
                return
            case Hang():
                self.dead.wait()
                return
            case Answer(status, body):
                lines = (f"HTTP/1.1 {status} -", f"Content-Length: {len(body)}", "Connection: close", "\r\n")
                client.sendall("\r\n".join(lines).encode() + body)
                return
        engine.connect(self.upstream)
        engine.sendall(asking_to_close(head))
        threading.Thread(target=pump, args=(client, engine), daemon=True).start()
        answer = engine.recv(CHUNK)
        match fault:
            case Delay(seconds):
                self.dead.wait(seconds)
            case Act(what):
                what()
            case Truncate(size):
                client.sendall(answer[:size])
                end(client)
                return
            case Cut():
                self.cut()
                return
        client.sendall(answer)
        pump(engine, client)
        end(client)

    def count(self, head: bytes) -> Request:
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        path = re.sub(r"^/v1\.\d+", "", target.partition("?")[0])
        with self.lock:
            self.requests.append(Request(method, path, len(self.writes) + (method not in READS)))
            return self.requests[-1]


def read_head(client: socket.socket) -> bytes:
    """The request up to its blank line and whatever of the body came with it; b"" when nobody asks."""
    head = b""
    while b"\r\n\r\n" not in head:
        chunk = client.recv(CHUNK)
        if not chunk:
            return b""
        head += chunk
    return head


def asking_to_close(head: bytes) -> bytes:
    """The same request with `Connection: close`; one that becomes a raw stream (exec, attach) stays as it is."""
    if re.search(rb"\r\nUpgrade:", head, re.IGNORECASE):
        return head
    lines, body = head.split(b"\r\n\r\n", 1)
    kept = [line for line in lines.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*kept, b"Connection: close"]) + b"\r\n\r\n" + body


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy until the source ends, then tell the sink so."""
    with suppress(OSError):
        while chunk := source.recv(CHUNK):
            sink.sendall(chunk)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def end(connection: socket.socket) -> None:
    """Wake whoever reads from or writes to it; it is closed by its owner."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
