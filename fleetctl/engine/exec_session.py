"""Runs a command inside a container with our own standard streams. Protocol: Docker Engine API, ContainerAttach."""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetctl.engine.faults import translated
from fleetctl.engine.wire import CHUNK, Frames, Wire
from fleetctl.errors import FleetError

if TYPE_CHECKING:
    from docker import APIClient

STDIN, STDOUT = 0, 1


@dataclass(frozen=True, slots=True)
class ExecRequest:
    container_id: str
    command: tuple[str, ...]
    tty: bool = False
    user: str | None = None
    workdir: str | None = None
    environment: tuple[str, ...] = ()


def run_exec(client: APIClient, endpoint: str, request: ExecRequest) -> int:
    """Run to the end; returns the command's exit code. Raises FleetError when the engine refuses or breaks off, and
    OSError when our own output cannot be written."""
    with translated("run the command", endpoint):
        made = client.exec_create(
            request.container_id,
            list(request.command),
            stdin=True,
            tty=request.tty,
            user=request.user or "",
            workdir=request.workdir,
            environment=list(request.environment),
        )
        wire = Wire(client.exec_start(made["Id"], tty=request.tty, socket=True), endpoint)
    with sized(client, made["Id"], request.tty), raw_terminal(request.tty):
        pump(wire, tty=request.tty)
    with translated("learn how the command ended", endpoint):
        code = client.exec_inspect(made["Id"])["ExitCode"]
    if code is None:
        raise FleetError("the command's exit code is not known: the connection broke before it ended")
    return int(code)


def pump(wire: Wire, *, tty: bool) -> None:
    """Copy stdin to the container and its output to ours until the container closes. Neither direction waits for the
    other: stdin is read only when what was read before is sent."""
    frames = Frames()
    typed = b""
    while (received := wire.receive()) != b"":
        if received is not None:
            for descriptor, content in [(STDOUT, received)] if tty else frames.take(received):
                write_all(descriptor, content)
        reading: list[Wire | int] = [wire] if typed or wire.deaf else [wire, STDIN]
        readable, writable, _ = select.select(reading, [wire] if typed else [], [])
        if STDIN in readable:
            typed = read_stdin()
            if not typed:
                wire.end()
        elif writable:
            typed = typed[wire.send(typed) :]


def read_stdin() -> bytes:
    try:
        return os.read(STDIN, CHUNK)
    except OSError as error:
        raise FleetError(f"stdin cannot be read: {error.strerror}") from error


def write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


@contextmanager
def raw_terminal(active: bool) -> Iterator[None]:
    """Hand every key to the container; the terminal is put back at the end, whatever happens."""
    if not active:
        yield
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    former = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, former)


@contextmanager
def sized(client: APIClient, exec_id: str, active: bool) -> Iterator[None]:
    """Tell the container how large our terminal is, now and when that changes."""
    if not active:
        yield
        return

    import docker.errors

    def tell(*_: object) -> None:
        size = shutil.get_terminal_size()
        # A short command may have ended already, and then there is nothing to size.
        with suppress(docker.errors.APIError):
            client.exec_resize(exec_id, height=size.lines, width=size.columns)

    tell()
    former = signal.signal(signal.SIGWINCH, tell)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, former)
