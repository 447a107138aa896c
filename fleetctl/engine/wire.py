"""A connection that the engine has taken over for a command's streams: bytes both ways, and the frames they come in."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from fleetctl.engine.faults import translated

CHUNK = 64 * 1024
"""Bytes taken at a time; more than a TLS record holds (RFC 8446: 2^14), so that none is left where select is blind."""
HEADER = struct.Struct(">BxxxL")
"""Stream number (1 stdout, 2 stderr), three zero bytes, length of the payload."""


class Wire:
    """What docker-py's exec_start(socket=True) returns, made one for all transports and never blocking: a SocketIO for
    a Unix socket and TCP, an SSLSocket for TLS."""

    def __init__(self, stream: Any, endpoint: str) -> None:
        self.endpoint = endpoint
        # The reader with which http.client has read the answer's head, and maybe what came right behind it.
        self.reader = stream._response.raw._fp.fp
        self.read_ahead = True
        self.socket: socket.socket = getattr(stream, "_sock", stream)
        self.socket.setblocking(False)
        self.deaf = False

    def fileno(self) -> int:
        return self.socket.fileno()

    def receive(self) -> bytes | None:
        """What has come, b"" at the end, None when there is nothing yet. Raises EngineUnreachable."""
        with translated("read what the command prints", self.endpoint):
            try:
                if self.read_ahead:
                    found = bytes(self.reader.peek())
                    self.reader.read(len(found))
                    self.read_ahead = False
                    if found:
                        return found
                return self.reader.raw.read(CHUNK)  # type: ignore[no-any-return]  # RawIOBase of whatever transport
            except ssl.SSLWantReadError:
                return None

    def send(self, data: bytes) -> int:
        """Hand on as much as goes without waiting; returns how many bytes. When nobody takes them any more, because
        the command has ended or reads no more, `deaf` is set: what it has printed is still to come."""
        try:
            return self.socket.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        except OSError:
            self.deaf = True
            return len(data)

    def end(self) -> None:
        """Tell the other side that nothing more is sent; receiving goes on."""
        self.deaf = True
        with suppress(OSError):
            if isinstance(self.socket, ssl.SSLSocket):
                # Sends close_notify and does not wait for the other side's, which comes after the output.
                self.socket.unwrap()
            else:
                self.socket.shutdown(socket.SHUT_WR)


class Frames:
    """Takes apart what a command without a terminal prints."""

    def __init__(self) -> None:
        self.rest = bytearray()

    def take(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """(1 stdout or 2 stderr, content) of every frame that is whole by now; the rest is kept."""
        self.rest += data
        while len(self.rest) >= HEADER.size:
            number, length = HEADER.unpack_from(self.rest)
            end = HEADER.size + length
            if len(self.rest) < end:
                return
            content = bytes(self.rest[HEADER.size : end])
            del self.rest[:end]
            yield (2 if number == 2 else 1), content
