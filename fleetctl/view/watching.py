"""Draws a picture in place of the last one, or tells its changes line by line."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from datetime import datetime
from io import StringIO

from fleetctl.view.changes import Changes
from fleetctl.view.terminal import write
from fleetctl.view.text import safe

HOME, CLEAR_LINE, CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
"""Cursor to the upper left corner; erase to the end of the line, of the screen (ECMA-48: CUP, EL, ED)."""


def redraw(show: Callable[[], None]) -> None:
    """Show in place of what the terminal has, remarks on stderr with it, cut to its height; nothing flickers, since
    nothing is erased first."""
    written = Captured()
    with redirect_stdout(written), redirect_stderr(written):
        show()
    size = shutil.get_terminal_size()
    lines = written.getvalue().splitlines()
    if len(lines) > size.lines - 1:
        hidden = len(lines) - (size.lines - 2)
        lines = [*lines[: size.lines - 2], f"… {hidden} more lines do not fit; name a replica to see less"]
    status = f"{datetime.now().astimezone():%H:%M:%S}  Ctrl-C ends"
    text = "".join(f"{line}{CLEAR_LINE}\n" for line in lines)
    sys.stdout.write(f"{HOME}{text}{CLEAR_BELOW}{status}")
    sys.stdout.flush()


class Captured(StringIO):
    """Takes what is printed for a terminal, in its colours and width."""

    def isatty(self) -> bool:
        return True


def tell(changes: Changes) -> None:
    """One line a change: the time, whose it is, and what."""
    now = f"{datetime.now().astimezone():%H:%M:%S}"
    for subject, sentences in changes.items():
        for sentence in sentences:
            write(f"{now} {safe(subject)} {safe(sentence)}")
    sys.stdout.flush()
