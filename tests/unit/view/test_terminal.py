"""A question at a terminal."""

from __future__ import annotations

import os
import pty

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
