"""A question at a terminal, and lines that do not fit it."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import struct
import termios
from collections.abc import Callable, Iterator

import pytest

from fleetctl.view import terminal


@pytest.mark.parametrize(("typed", "answer"), [("y\n", True), ("Yes\n", True), ("n\n", False), ("\n", False)])
def test_only_yes_is_yes(typed: str, answer: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    never, _ = pipe = os.pipe()
    with os.fdopen(slave) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        os.write(master, typed.encode())
        assert terminal.ask("Go on?", never) is answer
    for descriptor in (master, *pipe):
        os.close(descriptor)


def test_a_signal_that_came_before_the_read_ends_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    broken, wake = pipe = os.pipe()
    os.write(wake, b"\x0f")
    with os.fdopen(slave) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert not terminal.ask("Go on?", broken)
    for descriptor in (master, *pipe):
        os.close(descriptor)


Shown = Callable[[Callable[[], None]], list[str]]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shown]:
    """What is printed on a standard error that is a terminal of 40 columns without colour, line by line."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("COLUMNS", raising=False)
    with os.fdopen(slave, "w") as stderr:

        def shown(what: Callable[[], None]) -> list[str]:
            with contextlib.redirect_stderr(stderr):
                what()
            stderr.flush()
            return os.read(master, 10_000).decode().splitlines()

        yield shown
    os.close(master)


def test_a_line_that_does_not_fit_is_broken_between_words(shown: Shown) -> None:
    text = "web-1: the file asks for two-hyphened-words of which none may be broken, ever"
    assert shown(lambda: terminal.warn(text)) == [
        "warning: web-1: the file asks for",
        "  two-hyphened-words of which none may",
        "  be broken, ever",
    ]


def test_lines_of_a_log_stay_as_they_are(shown: Shown) -> None:
    line = "    " + "x y " * 20
    said = shown(lambda: terminal.say("error", "31", f"it ended; its last log lines:\n{line}"))
    assert said == ["error: it ended; its last log lines:", f"  {line}"]


@pytest.mark.parametrize(("columns", "lines"), [("20", 3), ("many", 2)])
def test_columns_of_the_environment_come_first_where_they_are_a_number(
    columns: str, lines: int, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert len(shown(lambda: terminal.note("one two three four five six seven eight nine ten"))) == lines


def test_a_stream_without_a_descriptor_is_taken_for_eighty_columns_where_nothing_tells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As rich puts one in the place of standard error while it draws."""

    class Proxy(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("sys.__stderr__", None)
    with contextlib.redirect_stderr(Proxy()) as stderr:
        terminal.note("word " * 20)
    first, second = stderr.getvalue().splitlines()
    assert len(first) <= terminal.UNKNOWN_WIDTH < len(first) + len(" word")
    assert second == "  word word word word"
