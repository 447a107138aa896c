"""Watches who is in rotation: asks HAProxy itself, ten times a second, over its admin socket.

By a way of its own, for fleetctl and the peer alike: a measure must not rely on what it measures.
"""

from __future__ import annotations

import csv
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

SOCKET = "/tmp/admin.sock"  # noqa: S108 - in the balancer's container
PROMPT = b"\n> "
PAUSE = 0.1
NO_SERVERS = ("FRONTEND", "BACKEND")


@dataclass(slots=True)
class RotationWatch:
    """How many servers took new requests, by time.monotonic(), and the names of all there were."""

    samples: list[tuple[float, int]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def fewest(self, since: float, until: float) -> int:
        """The lowest number that was seen in this time. Raises ValueError when nobody looked."""
        return min(ready for when, ready in self.samples if since <= when <= until)

    @property
    def ready(self) -> int:
        return self.samples[-1][1]

    def wait(self, ready: int, seconds: float, *, fewer: bool = False) -> float | None:
        """When so many (or `fewer`: at most so many) were in rotation first, seen from now on; None if not in time."""
        first, deadline = len(self.samples), time.monotonic() + seconds
        while time.monotonic() < deadline:
            for when, count in self.samples[first:]:
                if count == ready or (fewer and count < ready):
                    return when
            time.sleep(PAUSE / 2)
        return None


@contextmanager
def watched_rotation(balancer_id: str) -> Iterator[RotationWatch]:
    """Watch the servers of a balancer, of all its pools, until the block ends. Begins with a first look. Raises
    RuntimeError where the watching itself failed: a figure that nobody saw would be worse."""
    watch, over = RotationWatch(), threading.Event()
    session = begin(balancer_id)
    failed: list[Exception] = []

    def look_on() -> None:
        nonlocal session
        while not over.wait(PAUSE):
            try:
                look(session, watch)
            except (OSError, EOFError):
                end(session)
                try:
                    session = begin(balancer_id)  # HAProxy's process is another one after a reload or a restart
                except (OSError, EOFError) as error:
                    failed.append(error)
                    return

    thread = threading.Thread(target=look_on, name="rotation")
    try:
        look(session, watch)
        thread.start()
        try:
            yield watch
        finally:
            over.set()
            thread.join()
    finally:
        end(session)
    if failed:
        raise RuntimeError(f"nobody watched the rotation of {balancer_id[:12]} to the end")


def begin(balancer_id: str) -> subprocess.Popen[bytes]:
    """A session with the admin socket, in HAProxy's interactive mode. Raises EOFError when there is none to be had."""
    command = ["docker", "exec", "-i", balancer_id, "socat", "-", f"UNIX-CONNECT:{SOCKET}"]
    session = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        ask(session, b"prompt\n")
    except BaseException:
        end(session)
        raise
    return session


def end(session: subprocess.Popen[bytes]) -> None:
    session.kill()
    session.wait()
    for stream in (session.stdin, session.stdout):
        assert stream is not None
        with suppress(BrokenPipeError):
            stream.close()


def look(session: subprocess.Popen[bytes], watch: RotationWatch) -> None:
    answer = ask(session, b"show stat\n")
    rows = csv.DictReader(answer.decode().strip().removeprefix("# ").splitlines())
    servers = [row for row in rows if row["svname"] not in NO_SERVERS]
    # "UP", and "UP 1/2" while checks fail or begin to; "DRAIN", "MAINT", "DOWN", "NOLB" take nothing new.
    watch.samples.append((time.monotonic(), sum(row["status"].startswith("UP") for row in servers)))
    watch.names.update(row["svname"] for row in servers)


def ask(session: subprocess.Popen[bytes], command: bytes) -> bytes:
    """HAProxy's answer in its interactive mode. Raises EOFError when the session has ended."""
    assert session.stdin is not None
    assert session.stdout is not None
    session.stdin.write(command)
    session.stdin.flush()
    received = b"\n"
    while not received.endswith(PROMPT):
        data = os.read(session.stdout.fileno(), 1 << 16)
        if not data:
            raise EOFError
        received += data
    return received.removesuffix(PROMPT)
