"""Runs a command inside a container with our own standard streams. Protocol: Docker Engine API, ContainerAttach."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fleetctl.engine.faults import translated
from fleetctl.errors import FleetError

if TYPE_CHECKING:
    from docker import APIClient

CHUNK = 64 * 1024
HEADER = struct.Struct(">BxxxL")
"""Stream number (1 stdout, 2 stderr), three zero bytes, length of the payload."""


@dataclass(frozen=True, slots=True)
class ExecRequest:
    container_id: str
    command: tuple[str, ...]
    tty: bool = False
    user: str | None = None
    workdir: str | None = None
    environment: tuple[str, ...] = ()


def run_exec(client: APIClient, endpoint: str, request: ExecRequest) -> int:
    """Run to the end; returns the command's exit code. Raises FleetError when the engine refuses."""
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
        stream = client.exec_start(made["Id"], tty=request.tty, socket=True)
        # docker-py wraps the socket of a Unix endpoint; ours is written to as well as read.
        connection: Any = getattr(stream, "_sock", stream)
        with sized(client, made["Id"], request.tty), raw_terminal(request.tty):
            pump(connection, tty=request.tty)
        code = client.exec_inspect(made["Id"])["ExitCode"]
    if code is None:
        raise FleetError("the command's exit code is not known: the connection broke before it ended")
    return int(code)


def pump(connection: Any, *, tty: bool) -> None:
    """Copy stdin to the container and its output to ours until the container closes."""
    connection.setblocking(True)
    pending = b""
    sources: list[Any] = [connection, sys.stdin.fileno()]
    while True:
        readable, _, _ = select.select(sources, [], [])
        if connection in readable:
            chunk = connection.recv(CHUNK)
            if not chunk:
                return
            pending = show(chunk) if tty else demultiplex(pending + chunk)
        if sys.stdin.fileno() in readable:
            typed = os.read(sys.stdin.fileno(), CHUNK)
            if typed:
                connection.sendall(typed)
            else:
                sources.remove(sys.stdin.fileno())
                connection.shutdown(socket.SHUT_WR)


def show(chunk: bytes) -> bytes:
    write_all(1, chunk)
    return b""


def demultiplex(data: bytes) -> bytes:
    """Write whole frames to stdout or stderr; returns what is left of the last one."""
    while len(data) >= HEADER.size:
        number, length = HEADER.unpack_from(data)
        end = HEADER.size + length
        if len(data) < end:
            break
        write_all(2 if number == 2 else 1, data[HEADER.size : end])
        data = data[end:]
    return data


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
