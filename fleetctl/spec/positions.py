"""Nodes of a YAML file that know their file, line and column."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from fleetctl.spec.scalars import Value


class Mark(NamedTuple):
    """Where a node begins; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Scalar(Struct, eq=False):
    """One value; `text` is the source's, `value` what YAML 1.2 makes of it, `castable` when its text came from
    quotes or interpolation, so that a number or truth value may be read from it, `refused` when a mistake in it
    is already noted."""

    mark: Mark
    text: str
    value: Value
    castable: bool = False
    refused: bool = False


class Items(Struct, eq=False):
    """A sequence."""

    mark: Mark
    items: list[Node] = []


class Table(Struct, eq=False):
    """A mapping with text keys; `marks` holds the place of each key."""

    mark: Mark
    entries: dict[str, Node] = {}
    marks: dict[str, Mark] = {}


Node = Scalar | Items | Table
