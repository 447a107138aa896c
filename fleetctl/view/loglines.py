"""Prints log output line by line under the replica's name, safe for a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fleetctl.view.terminal import has_colour, write
from fleetctl.view.text import safe

COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
LONGEST = 64 * 1024
"""Bytes of a line without end that are held back before they are printed as a line."""


class LogLines:
    """Collects chunks per replica and prints whole lines."""

    def __init__(self, names: Sequence[str], *, prefixed: bool) -> None:
        width = max(len(name) for name in names)
        colour = has_colour(sys.stdout)
        self.partial = dict.fromkeys(names, b"")
        self.prefix = dict.fromkeys(names, "")
        if prefixed:
            for index, name in enumerate(names):
                label = f"{safe(name):<{width}} | "
                self.prefix[name] = f"\x1b[{COLOURS[index % len(COLOURS)]}m{label}\x1b[0m" if colour else label

    def feed(self, name: str, chunk: bytes) -> None:
        """Take in a chunk; print the lines that it completes."""
        *lines, rest = (self.partial[name] + chunk).split(b"\n")
        if len(rest) > LONGEST:
            lines.append(rest)
            rest = b""
        self.partial[name] = rest
        for line in lines:
            self.show(name, line)

    def end(self, name: str) -> None:
        """Print what is left of a line that never ended."""
        if self.partial[name]:
            self.show(name, self.partial[name])
            self.partial[name] = b""

    def show(self, name: str, line: bytes) -> None:
        text = line.removesuffix(b"\r").decode(errors="replace")
        write(self.prefix[name] + safe(text.expandtabs()))
        sys.stdout.flush()
