"""One HTTP request and its answer, on a connection that may be used again.

`fleetctl.check.http` is not used on purpose: a measure must not share a fault with what it measures.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import cast

import h11


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete one."""

    status: int
    body: bytes


class BrokenError(Exception):
    """There was no complete answer. `kind` is one of a few words: "refused", "reset" (the connection ended, by FIN or
    RST, before any byte of an answer), "cut short" (it ended within an answer), "malformed", "timeout", or what the
    system says where no connection could be made at all. `unanswered` tells that the connection ended, and that not
    one byte of an answer came."""

    def __init__(self, kind: str, *, unanswered: bool = False) -> None:
        super().__init__(kind)
        self.kind = kind
        self.unanswered = unanswered


class Connection(asyncio.Protocol):
    """One connection: exchanges one after the other, never two at a time. `uses` counts those begun."""

    def __init__(self) -> None:
        self.uses = 0
        self.open = False
        self._http = h11.Connection(h11.CLIENT)
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._answered = False
        self._status = 0
        self._body = bytearray()

    async def exchange(self, method: str, target: str, host: str, body: bytes, *, keep: bool) -> Answer:
        """Send a request and wait for all of its answer. Raises BrokenError."""
        self.uses += 1
        self._answered, self._status = False, 0
        self._body.clear()
        self._waiting = asyncio.get_running_loop().create_future()
        headers = [("Host", host), ("Connection", "keep-alive" if keep else "close")]
        if method != "GET":
            headers.append(("Content-Length", str(len(body))))
        sent = self._http.send(h11.Request(method=method, target=target, headers=headers)) or b""
        sent += (self._http.send(h11.Data(data=body)) or b"") if body else b""
        sent += self._http.send(h11.EndOfMessage()) or b""
        assert self._transport is not None
        self._transport.write(sent)
        try:
            return await self._waiting
        finally:
            self._waiting = None

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent: the last answer is complete, nobody asked to close, nobody closed."""
        return self.open and self._http.our_state is h11.IDLE

    def close(self) -> None:
        self.open = False
        if self._transport is not None:
            self._transport.close()

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.open = True

    def data_received(self, data: bytes) -> None:
        if self._waiting is None:
            self.close()  # an answer to nothing, as a 408 before the server closes: nothing can be trusted after it
            return
        self._answered = True
        self._http.receive_data(data)
        self._read_events()

    def eof_received(self) -> bool:
        self.open = False
        if self._waiting is not None and self._answered:
            self._http.receive_data(b"")
            self._read_events()
        return False  # asyncio closes the transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        if self._answered:
            self._fail(BrokenError("cut short"))
        else:
            self._fail(BrokenError("reset", unanswered=True))

    def _read_events(self) -> None:
        try:
            while True:
                event = self._http.next_event()
                if isinstance(event, h11.Response):
                    self._status = event.status_code
                elif isinstance(event, h11.Data):
                    self._body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    self._complete()
                    return
                elif event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
                    return
        except h11.RemoteProtocolError:
            # h11 raises the same for an end within a message and for bytes that are no HTTP.
            self._fail(BrokenError("malformed" if self.open else "cut short"))
            self.close()

    def _complete(self) -> None:
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        if self._http.trailing_data[0]:
            self.open = False  # as in data_received
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(Answer(self._status, bytes(self._body)))

    def _fail(self, error: BrokenError) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)


async def connect(host: str, port: int) -> Connection:
    """A new connection. Raises BrokenError when there is none to be had."""
    try:
        _, connection = await asyncio.get_running_loop().create_connection(Connection, host, port)
    except ConnectionRefusedError:
        raise BrokenError("refused") from None
    except ConnectionResetError:
        raise BrokenError("reset") from None
    except OSError as error:
        raise BrokenError(os.strerror(error.errno) if error.errno else str(error)) from None
    return connection
