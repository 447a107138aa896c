"""A steady open-loop load: requests are sent when they are due, whether or not earlier ones have been answered.

Nothing is lost and nothing is retried in silence. Every request that was due has its outcome. Of those that share
kept-alive connections, RFC 9112 section 9.5 says that either side may close an idle connection at any time:

- A connection whose end has been seen before a request is written on it is left, and another is used. The request was
  sent once; that is no event.
- A close may cross a request on its way. A GET on a connection that had answered before, which ended without one byte
  of an answer, is sent once more, on a new connection (RFC 9110 section 9.2.2 lets every client do so). It counts as
  `resent`, and whatever befalls it then is its outcome. A POST must not be sent again: it has failed. So has a GET on a
  connection that was new, or of whose answer anything had come.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.harness.exchange import Answer, BrokenError, Connection, connect
from bench.harness.outcomes import Outcome, Outcomes
from fleetctl.check.identity import read_identity
from fleetctl.spec.model import Identity

OK = 200


@dataclass(frozen=True, slots=True)
class Mix:
    """What is asked. The shares, 0 to 1, are independent of each other: `fresh` requests have a connection of their
    own, `posts` carry a body that must come back at the end of the answer, `slow` ones go to `slow_path`, by either
    method. `identity` says how an answer names its instance, which every answer must; None: any body will do."""

    fresh: float = 0.4
    posts: float = 0.3
    slow: float = 0.02
    path: str = "/"
    post_path: str = "/echo"
    slow_path: str = "/slow"
    identity: Identity | None = field(default_factory=Identity)


class Load:
    """A load that runs in a thread of its own, from `start` to `stop`."""

    def __init__(self, host: str, port: int, rate: float, count: int | None, mix: Mix, timeout: float) -> None:
        self.host, self.port = host, port
        self.rate, self.count, self.mix, self.timeout = rate, count, mix, timeout
        self._ended: list[Outcome] = []
        self._idle: deque[Connection] = deque()
        self._over = threading.Event()
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="load")
        self._chance = random.Random(0)  # noqa: S311 - the same load every time

    @property
    def result(self) -> Outcomes:
        """What has become of the requests that have ended so far: of all, once the load is over."""
        return Outcomes(tuple(self._ended))

    def start(self) -> None:
        self._thread.start()

    def wait(self, more: int | None = None, seconds: float = 60.0) -> Outcomes:
        """Return when so many more requests have ended, or (None) when the load has come to its count. Raises
        TimeoutError."""
        wanted = None if more is None else len(self._ended) + more
        deadline = time.monotonic() + seconds
        while self._thread.is_alive() and (wanted is None or len(self._ended) < wanted):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self._ended)} requests have ended within {seconds:g} s")
            self._thread.join(0.01)
        return self.result

    def stop(self) -> None:
        """Send no more, and return when those under way have ended."""
        self._over.set()
        self._thread.join()
        if self._fault is not None:
            raise self._fault

    def _run(self) -> None:
        try:
            asyncio.run(self._send_all())
        except BaseException as fault:  # noqa: BLE001 - raised again by stop, in the thread that asked for the load
            self._fault = fault

    async def _send_all(self) -> None:
        began, number = time.monotonic(), 0
        under_way: set[asyncio.Task[None]] = set()
        while not self._over.is_set() and number != self.count:
            due = began + number / self.rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            task = asyncio.create_task(self._ask(number, due))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            number += 1
        await asyncio.gather(*under_way)
        for connection in self._idle:
            connection.close()
        await asyncio.sleep(0)  # the transports close in the loop's next turn

    async def _ask(self, number: int, due: float) -> None:
        """One request, from the choice of its kind to its outcome."""
        mix, chance = self.mix, self._chance
        fresh, post, slow = (chance.random() < share for share in (mix.fresh, mix.posts, mix.slow))
        method, body = ("POST", b"request %d of the load" % number) if post else ("GET", b"")
        path = mix.slow_path if slow else mix.post_path if post else mix.path
        lag = time.monotonic() - due
        request = Request(self.host, self.port, method, path, body)
        answer, failure = None, None
        try:
            async with asyncio.timeout(self.timeout):
                answer = await (request.alone() if fresh else request.sharing(self._idle))
        except BrokenError as broken:
            failure = broken.kind
        except TimeoutError:
            failure = "timeout"
        identity = None
        if answer is not None:
            identity = read_identity(answer.body, mix.identity) if mix.identity and answer.status == OK else None
            failure = self._judge(answer, body, identity)
        self._ended.append(
            Outcome(
                start=due,
                latency=time.monotonic() - due,
                lag=lag,
                method=method,
                path=path,
                status=answer.status if answer else None,
                failure=failure,
                identity=identity,
                kept=not fresh,
                resent=request.resent,
            )
        )

    def _judge(self, answer: Answer, sent: bytes, identity: str | None) -> str | None:
        """What is wrong with a complete answer."""
        if answer.status != OK:
            return f"status {answer.status}"
        right = answer.body.endswith(sent) and (identity is not None or self.mix.identity is None)
        return None if right else "wrong body"


@dataclass(slots=True)
class Request:
    """One request to send, and whether it had to be sent again."""

    host: str
    port: int
    method: str
    path: str
    body: bytes
    resent: bool = False

    async def alone(self) -> Answer:
        """On a connection of its own. Raises BrokenError."""
        return await self._on(await connect(self.host, self.port), None)

    async def sharing(self, idle: deque[Connection]) -> Answer:
        """On the connection that has been idle longest, so that all stay in use; a new one where none is idle. Raises
        BrokenError."""
        connection = take(idle) or await connect(self.host, self.port)
        try:
            return await self._on(connection, idle)
        except BrokenError as broken:
            if not (broken.unanswered and connection.uses > 1 and self.method == "GET"):
                raise
        self.resent = True
        return await self._on(await connect(self.host, self.port), idle)

    async def _on(self, connection: Connection, idle: deque[Connection] | None) -> Answer:
        keep = idle is not None
        try:
            answer = await connection.exchange(self.method, self.path, f"{self.host}:{self.port}", self.body, keep=keep)
        except BaseException:  # the timeout's cancellation, too: what comes on this connection later belongs to nobody
            connection.close()
            raise
        if idle is not None and connection.reusable:
            idle.append(connection)
        else:
            connection.close()
        return answer


def take(idle: deque[Connection]) -> Connection | None:
    """The first idle connection that has not been closed; those that have are dropped."""
    while idle:
        connection = idle.popleft()
        if connection.reusable:
            return connection
        connection.close()
    return None


@contextmanager
def load(
    host: str,
    port: int,
    *,
    rate: float = 100.0,
    count: int | None = None,
    mix: Mix | None = None,
    timeout: float = 15.0,
) -> Iterator[Load]:
    """Requests at a rate per second from now on, until `count` were sent or the block ends; the block is left when all
    of them have ended. `timeout` is the seconds after which an answer is not waited for any more."""
    running = Load(host, port, rate, count, mix or Mix(), timeout)
    running.start()
    try:
        yield running
    finally:
        running.stop()
