"""Asks one address many times over HTTP/1.1, over connections that are kept, and says who answered each time."""

from __future__ import annotations

import errno
import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import h11

from fleetctl.check.http import BODY_LIMIT, CHUNK, HEADER_LIMIT, Exchange, describe, remaining
from fleetctl.check.identity import read_identity
from fleetctl.spec.model import Identity
from fleetctl.state.distribution import Answer, Series
from fleetctl.state.probes import authority_of

GIVE_UP = 20
"""Failures in a row after which nothing more is asked: more of them would tell nothing new."""
IDENTITY_LIMIT = 256
"""Characters of an identity that are kept: a pattern may fit a whole body."""

Told = Callable[[int], None]
"""Is given how many requests have ended so far, by any thread."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked again and again. `name` goes into the Host header (default: host and port). With `tls` the
    certificate has to be one for `host` that this machine trusts. `timeout` in seconds bounds one exchange, connecting
    included. With `fresh` every request has a connection of its own."""

    host: str
    port: int
    path: str = "/"
    name: str | None = None
    identity: Identity = field(default_factory=Identity)
    timeout: float = 5.0
    tls: bool = False
    fresh: bool = False

    @property
    def authority(self) -> str:
        return self.name or authority_of(self.host, self.port)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{authority_of(self.host, self.port)}{self.path}"


class Closed(Exception):
    """A kept connection had ended before anything of the answer came: not a failure, servers may do so at any time
    (RFC 9112, 9.3.1), and a GET may be sent again."""


class Client:
    """One connection at a time to a target; for one thread."""

    def __init__(self, target: Target, context: ssl.SSLContext | None) -> None:
        self.target = target
        self.context = context
        self.connection: socket.socket | None = None
        self.parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADER_LIMIT)
        headers = [("Host", target.authority), ("User-Agent", "fleetctl"), ("Accept", "*/*")]
        if target.fresh:
            headers.append(("Connection", "close"))
        self.request = h11.Request(method="GET", target=target.path, headers=headers)

    def ask(self) -> Answer:
        """One request and what came of it; never raises."""
        began = time.monotonic()
        deadline = began + self.target.timeout
        try:
            exchange = self.converse(deadline)
        except (OSError, h11.ProtocolError) as problem:
            self.close()
            return Answer(failure=failure_of(problem), milliseconds=(time.monotonic() - began) * 1000)
        milliseconds = (time.monotonic() - began) * 1000
        if exchange.cut:
            return Answer(failure=f"a body longer than {BODY_LIMIT} bytes", milliseconds=milliseconds)
        if exchange.status is None or not 200 <= exchange.status < 400:
            return Answer(failure=f"HTTP {exchange.status}", milliseconds=milliseconds)
        identity = read_identity(bytes(exchange.body), self.target.identity)
        return Answer(identity and identity[:IDENTITY_LIMIT], milliseconds)

    def converse(self, deadline: float) -> Exchange:
        """Over the connection that was kept, if any, and over a new one where that has ended meanwhile."""
        if self.connection is not None:
            with suppress(Closed):
                return self.exchange(self.connection, deadline)
            self.close()
        try:
            return self.exchange(self.connect(deadline), deadline)
        except Closed:
            raise ConnectionResetError(errno.ECONNRESET, "closed without an answer") from None

    def connect(self, deadline: float) -> socket.socket:
        made = socket.create_connection((self.target.host, self.target.port), timeout=remaining(deadline))
        # A request is one small packet: it need not wait for the acknowledgement of the one before (tcp(7)).
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection = made
        if self.context is not None:
            self.connection = made = self.context.wrap_socket(made, server_hostname=self.target.host)
        self.parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADER_LIMIT)
        return made

    def exchange(self, connection: socket.socket, deadline: float) -> Exchange:
        """Send the request and read its answer; keep the connection where both sides may use it again. Raises Closed,
        h11.ProtocolError, OSError, and TimeoutError without an errno at the deadline."""
        parser, answer = self.parser, Exchange()
        start, end = parser.send(self.request), parser.send(h11.EndOfMessage())
        connection.settimeout(remaining(deadline))
        try:
            connection.sendall((start or b"") + (end or b""))
        except (BrokenPipeError, ConnectionResetError):
            raise Closed from None
        while True:
            event = next_event(parser, answer)
            if event is h11.NEED_DATA:
                data = self.receive(connection, deadline, answer)
                answer.take(data)
                parser.receive_data(data)
            elif isinstance(event, h11.Response):
                answer.status = event.status_code
            elif isinstance(event, h11.Data):
                answer.body += event.data
                if len(answer.body) > BODY_LIMIT:
                    answer.cut = True
                    self.close()
                    return answer
            elif isinstance(event, h11.EndOfMessage):
                self.keep()
                return answer

    def receive(self, connection: socket.socket, deadline: float, answer: Exchange) -> bytes:
        connection.settimeout(remaining(deadline))
        try:
            data = connection.recv(CHUNK)
        except ConnectionResetError:
            if answer.received:
                raise
            raise Closed from None
        if not data and not answer.received:
            raise Closed
        return data

    def keep(self) -> None:
        """Use the connection again, unless one side said that it closes it."""
        if self.parser.our_state is h11.DONE and self.parser.their_state is h11.DONE:
            self.parser.start_next_cycle()
        else:
            self.close()

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def next_event(parser: h11.Connection, answer: Exchange) -> object:
    """h11's next event. Raises OSError where the answer ended before it was whole."""
    try:
        return parser.next_event()
    except h11.RemoteProtocolError:
        if answer.ended:
            raise ConnectionResetError(errno.ECONNRESET, "closed amid an answer") from None
        raise


def failure_of(problem: Exception) -> str:
    """The kind of a failure, in few words, so that alike ones are counted together."""
    if isinstance(problem, TimeoutError):
        return "timeout"
    if isinstance(problem, h11.ProtocolError):
        return "not valid HTTP"
    if isinstance(problem, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {problem.verify_message}"
    return describe(problem) if isinstance(problem, OSError) else type(problem).__name__


class Asking:
    """One series under way: hands out requests to its clients and keeps their answers in the order of their begin."""

    def __init__(self, requests: int, stop: threading.Event, told: Told, give_up: int) -> None:
        self.requests = requests
        self.give_up = give_up
        self.stop = stop
        self.told = told
        self.lock = threading.Lock()
        self.begun = 0
        self.ended = 0
        self.failed_in_a_row = 0
        self.answers: list[Answer | None] = []

    def work(self, client: Client) -> None:
        """Ask until all has been asked, or somebody says stop."""
        try:
            while (place := self.take()) is not None:
                self.put(place, client.ask())
                if client.target.fresh:
                    client.close()
        finally:
            client.close()

    def take(self) -> int | None:
        """The next request's place; None when there is none."""
        with self.lock:
            if self.begun >= self.requests or self.failed_in_a_row >= self.give_up or self.stop.is_set():
                return None
            self.begun += 1
            self.answers.append(None)
            return self.begun - 1

    def put(self, place: int, answer: Answer) -> None:
        with self.lock:
            self.answers[place] = answer
            self.ended += 1
            self.failed_in_a_row = 0 if answer.failure is None else self.failed_in_a_row + 1
            ended = self.ended
        self.told(ended)


def ask_series(
    target: Target,
    requests: int,
    *,
    concurrency: int = 1,
    stop: threading.Event | None = None,
    told: Told = lambda ended: None,
    give_up: int = GIVE_UP,
) -> Series:
    """Ask so many times, by so many clients at once. Ends early at `stop`, with what was begun, and after `give_up`
    failures in a row. Raises OSError where this machine has no certificates to trust."""
    asking = Asking(requests, stop or threading.Event(), told, give_up)
    context = ssl.create_default_context() if target.tls else None
    clients = [Client(target, context) for _ in range(min(concurrency, requests))]
    began = time.monotonic()
    if len(clients) == 1:
        asking.work(clients[0])
    else:
        with ThreadPoolExecutor(max_workers=len(clients), thread_name_prefix="client") as pool:
            for done in [pool.submit(asking.work, client) for client in clients]:
                done.result()
    answers = tuple(answer for answer in asking.answers if answer is not None)
    return Series(answers, len(clients), time.monotonic() - began, requests)
