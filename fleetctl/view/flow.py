"""Puts pieces of text side by side as far as they fit, so that a line never breaks within a piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions
from rich.text import Text

GAP = 2


@dataclass(frozen=True, slots=True)
class Flow:
    """Pieces with a gap between them; after the first line they begin `indent` columns further right. Only a piece
    that is longer than a line is broken."""

    pieces: Sequence[Text]
    indent: int = 2

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        lines: list[list[Text]] = [[]]
        used = 0
        for piece in filter(None, self.pieces):
            needed = piece.cell_len + (GAP if lines[-1] else 0)
            if lines[-1] and used + needed > options.max_width:
                lines.append([])
                used, needed = self.indent, piece.cell_len
            lines[-1].append(piece)
            used += needed
        for number, line in enumerate(lines):
            whole = Text(" " * (self.indent if number else 0)) + Text(" " * GAP).join(line)
            parts = [whole] if whole.cell_len <= options.max_width else whole.wrap(console, options.max_width)
            for part in parts:
                part.rstrip()
                part.no_wrap = True  # it fits: looking for places to break it would take a fifth of all the time
                yield part
