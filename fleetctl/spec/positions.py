"""Nodes of a YAML file that know their file, line and column."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from fleetctl.spec.scalars import Value


class Mark(NamedTuple):
    """Where a node begins; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(slots=True, eq=False)
class Scalar:
    """One value; `text` is the source's, `value` what YAML 1.2 makes of it, `castable` when its text came from
    quotes or interpolation, so that a number or truth value may be read from it, `refused` when a mistake in it
    is already noted."""

    mark: Mark
    text: str
    value: Value
    castable: bool = False
    refused: bool = False


@dataclass(slots=True, eq=False)
class Items:
    """A sequence."""

    mark: Mark
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Table:
    """A mapping with text keys; `marks` holds the place of each key."""

    mark: Mark
    entries: dict[str, Node] = field(default_factory=dict)
    marks: dict[str, Mark] = field(default_factory=dict)


Node = Scalar | Items | Table
