"""A command in a container that is spoken with for a while: bytes to its stdin, bytes from its stdout."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Any

from fleetctl.engine.faults import translated
from fleetctl.engine.wire import Frames, Wire
from fleetctl.errors import FleetError

if TYPE_CHECKING:
    from docker import APIClient

SENT_WITHIN = 5.0
"""Seconds in which what is sent has to be taken."""
COMPLAINT = 400
"""Bytes that are kept of what the command says on stderr."""


class ExecPipe:
    """One running command. It ends when its stdin is closed, as `socat` and `cat` do (Docker Engine API, ExecStart)."""

    def __init__(self, client: APIClient, endpoint: str, container_id: str, command: tuple[str, ...]) -> None:
        with translated(f"run {command[0]} in a container", endpoint):
            made = client.exec_create(container_id, list(command), stdin=True)
            stream: Any = client.exec_start(made["Id"], socket=True)
            self.response = stream._response  # reads from the socket, and is closed after it
            self.wire = Wire(stream, endpoint)
        self.frames = Frames()
        self.complaint = b""

    def send(self, data: bytes) -> None:
        """Hand all of it over. Raises FleetError when nobody takes it."""
        deadline = time.monotonic() + SENT_WITHIN
        while data:
            data = data[self.wire.send(data) :]
            if data and not select.select([], [self.wire], [], max(0.0, deadline - time.monotonic()))[1]:
                raise FleetError("a command in a container does not take what it is sent")

    def receive(self, seconds: float) -> bytes:
        """What it has printed since, at least one byte; b"" when it has ended. Raises TimeoutError, and FleetError with
        what it said on stderr when it ended with a complaint."""
        deadline = time.monotonic() + seconds
        while True:
            received = self.wire.receive()
            if received == b"":
                if self.complaint:
                    raise FleetError(self.complaint.decode(errors="replace").strip())
                return b""
            printed = b""
            for stream, content in self.frames.take(received or b""):
                if stream == 1:
                    printed += content
                else:
                    self.complaint = (self.complaint + content)[-COMPLAINT:]
            if printed:
                return printed
            if received is None and not select.select([self.wire], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError

    def close(self) -> None:
        """Let it end: nothing more is sent."""
        self.wire.end()
        self.wire.socket.close()
        self.response.close()
