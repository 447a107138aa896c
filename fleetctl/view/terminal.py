"""The two streams: results on stdout, progress and warnings on stderr; colour only where it is wanted."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

    from fleetctl.errors import FleetError

UNLIMITED = 100_000
"""Columns when the output is no terminal: lines are never folded for a program that reads them."""


UNKNOWN_WIDTH = 80
"""Columns of a terminal that does not say how many it has."""
SHOW_CURSOR = b"\x1b[?25h"
"""For whoever leaves while progress is drawn, which hides it (xterm control sequences, DECTCEM)."""


def stdout() -> Console:
    """A console for results."""
    return console(stderr=False)


def stderr() -> Console:
    """A console for progress, warnings and errors."""
    return console(stderr=True)


def console(*, stderr: bool) -> Console:
    """Markup and emoji codes are off: foreign text must stay what it is. NO_COLOR and a stream that is no terminal
    switch colour off (rich follows no-color.org)."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        file=stream,
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=False,
        width=None if stream.isatty() else UNLIMITED,
        force_terminal=None if stream.isatty() else False,
    )


def is_animated() -> bool:
    """Whether progress may be redrawn in place."""
    return sys.stderr.isatty() and os.environ.get("TERM") not in (None, "", "dumb")


def has_colour(stream: object) -> bool:
    """Whether a stream takes colour: a terminal, and NO_COLOR (no-color.org) is unset or empty."""
    isatty = getattr(stream, "isatty", lambda: False)
    return bool(isatty()) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def warn(text: str) -> None:
    """One warning, on stderr."""
    say("warning", "33", text)


def note(text: str) -> None:
    """One remark, on stderr."""
    from fleetctl.view.text import safe

    # The view is where printing happens.
    print(fitted(safe(text, newlines=True), sys.stderr), file=sys.stderr)  # noqa: T201


def ask(question: str, broken: int) -> bool:
    """Put a question on stderr and read the answer from stdin; anything but yes is no, and so is the end of input, or
    that the descriptor `broken` becomes readable."""
    import select

    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)  # noqa: T201
    readable, _, _ = select.select([sys.stdin, broken], [], [])
    if broken in readable:
        return False
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def show_error(error: FleetError) -> None:
    """What, where, and how to mend it, on stderr."""
    from fleetctl.errors import ConfigError

    if isinstance(error, ConfigError) and error.problems:
        for problem in error.problems:
            say("error", "31", str(problem))
            if problem.hint:
                say("  hint", "36", problem.hint)
        return
    say("error", "31", error.message)
    if error.hint:
        say("hint", "36", error.hint)


def say(kind: str, colour: str, text: str) -> None:
    from fleetctl.view.text import safe

    first, *rest = safe(text, newlines=True).splitlines() or [""]
    label = f"{kind}:"
    lines = fitted("\n".join([f"{label} {first}", *(f"  {line}" for line in rest)]), sys.stderr)
    if has_colour(sys.stderr):
        lines = f"\x1b[{colour}m{label}\x1b[0m{lines.removeprefix(label)}"
    print(lines, file=sys.stderr)  # noqa: T201


def fitted(text: str, stream: TextIO) -> str:
    """Lines broken between words where they do not fit the terminal that the stream is; those that are indented by more
    than two blanks are somebody else's, say of a log, and stay as they are."""
    if not stream.isatty():
        return text
    import textwrap

    width = width_of(stream)
    wrapper = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    lines = []
    for line in text.splitlines():
        wrapper.subsequent_indent = " " * (len(line) - len(line.lstrip(" "))) + "  "
        lines += wrapper.wrap(line) if len(line) > width and not line.startswith("   ") else [line]
    return "\n".join(lines)


def width_of(stream: TextIO) -> int:
    """Columns of the terminal that the stream is, but what COLUMNS says comes first."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    for one in (stream, sys.__stderr__):
        # While something is drawn in place rich has its own stream there, which has no descriptor.
        with contextlib.suppress(OSError, AttributeError):
            return os.get_terminal_size(one.fileno()).columns or UNKNOWN_WIDTH  # type: ignore[union-attr]
    return UNKNOWN_WIDTH


def write(text: str) -> None:
    """A result that is text already, on stdout; whoever calls has made foreign parts safe."""
    print(text)  # noqa: T201
