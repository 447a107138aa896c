"""What somebody at a terminal sees: a question that stands still, and a cursor that is there again at the end."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.project import PATIENCE, Project, idle

HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"
"""DECTCEM: what hides the cursor and shows it again."""
QUESTION = "Go on? [y/N] "
STILL = 0.6
"""Seconds in which progress that is drawn would be redrawn several times."""


class Terminal:
    """fleetctl on a pseudo terminal; `written` is all it has written, raw."""

    def __init__(self, master: int, process: subprocess.Popen[str]) -> None:
        self.master = master
        self.process = process
        self.written = ""

    def read(self, seconds: float) -> bool:
        """Take in what is there or comes within the time; false when nothing does, or nobody can write any more."""
        ready, _, _ = select.select([self.master], [], [], seconds)
        try:
            chunk = os.read(self.master, 65536) if ready else b""
        except OSError:  # Linux reports EIO when the last writer has gone
            return False
        self.written += chunk.decode(errors="replace")
        return bool(chunk)

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in self.written:
            assert self.read(max(0.0, deadline - time.monotonic())), f"no {text!r} in {self.written!r}"

    def end(self) -> int:
        """Read to the end; returns the exit code."""
        deadline = time.monotonic() + PATIENCE
        while self.read(max(0.0, deadline - time.monotonic())):
            pass
        return self.process.wait(max(0.0, deadline - time.monotonic()))

    @property
    def cursor(self) -> str:
        """What was last done to it."""
        return max((SHOWN, HIDDEN), key=self.written.rfind)


@contextmanager
def terminal(project: Project, *args: str) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    process = project.popen(*args, env={"TERM": "xterm", "NO_COLOR": "1"}, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    try:
        yield Terminal(master, process)
    finally:
        os.close(master)


@pytest.fixture
def changed(fleet: Project, free_subnet: Callable[[int], str]) -> Project:
    """A fleet that runs and whose file has another subnet by now."""
    for subnet in (free_subnet(28), free_subnet(27)):
        fleet.write({"web": idle()}, networks={"default": {"ipam": {"config": [{"subnet": subnet}]}}})
        if not fleet.containers():
            fleet.up()
    return fleet


def test_nothing_is_drawn_while_the_question_before_an_outage_stands(changed: Project) -> None:
    before = changed.ids()
    with terminal(changed, "up") as shown:
        shown.wait_for(QUESTION)
        assert shown.cursor == SHOWN
        assert not shown.read(STILL), shown.written
        os.write(shown.master, b"n\n")
        assert shown.end() == 1
    assert "error: the fleet was not changed" in shown.written
    assert changed.ids() == before


def test_yes_to_the_question_goes_on_with_progress(changed: Project) -> None:
    before = changed.ids()
    with terminal(changed, "up") as shown:
        shown.wait_for(QUESTION)
        os.write(shown.master, b"y\n")
        assert shown.end() == 0, shown.written
    assert "steps" in shown.written.split(QUESTION)[1]
    assert shown.cursor == SHOWN
    assert changed.ids() != before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_ends_the_question(changed: Project, number: signal.Signals, code: int) -> None:
    before = changed.ids()
    with terminal(changed, "up") as shown:
        shown.wait_for(QUESTION)
        shown.process.send_signal(number)
        assert shown.end() == code, shown.written
    assert "interrupted; the fleet was not changed" in shown.written
    assert changed.ids() == before


def test_the_second_sigint_leaves_the_cursor_visible(fleet: Project) -> None:
    fleet.write({"web": idle(1, command=["sh", "-c", "trap '' TERM; sleep 999"], stop_grace_period="20s")})
    fleet.up()
    with terminal(fleet, "down") as shown:
        shown.wait_for(f"stop {fleet.name}-web-1")
        shown.process.send_signal(signal.SIGINT)
        shown.wait_for("once more to leave at once")
        shown.process.send_signal(signal.SIGINT)
        assert shown.end() == 130
    assert shown.cursor == SHOWN
