"""Every file of tests/cases/spec is refused, or read, as its own comments say.

`#! LINE:COLUMN PATH: MESSAGE` is a mistake to be found; `#= PATH = VALUE` is a value of the effective configuration.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from fleetctl.errors import ConfigError
from fleetctl.spec.document import to_document
from fleetctl.spec.load import load_fleet
from tests.unit.spec.compose_peer import check_compose_accepts

CASES = Path(__file__).resolve().parents[2] / "cases" / "spec"
VARIABLES = {"SET": "value", "EMPTY": "", "HOME": "/home/someone"}


def expectations(path: Path, mark: str) -> list[str]:
    return [line.removeprefix(mark) for line in path.read_text().splitlines() if line.startswith(mark)]


def mistakes(path: Path) -> list[str]:
    try:
        load_fleet([path], VARIABLES)
    except ConfigError as error:
        return [
            f"{problem.where.removeprefix(f'{path}:')} {problem.path}: {problem.message}"
            + (f" ({problem.hint})" if problem.hint else "")
            for problem in error.problems
        ]
    return []


def value_at(document: Any, path: str) -> Any:
    for step in re.findall(r"[^.\[\]]+", path):
        document = document[int(step) if isinstance(document, list) else step]
    return document


@pytest.mark.parametrize("path", sorted(CASES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_file_is_refused_or_read_as_it_says_itself(path: Path) -> None:
    expected = expectations(path, "#! ")
    values = expectations(path, "#= ")
    assert bool(expected) != bool(values), "a case says either what is refused or what is read"
    # Paths of this machine are no part of what is expected.
    found = [text.replace(str(CASES), "PROJECT").replace(str(CASES.parents[2]), "TOP") for text in mistakes(path)]
    assert found == expected
    if values:
        check_compose_accepts(path, VARIABLES)
        document = to_document(load_fleet([path], VARIABLES))
        for line in values:
            key, _, value = line.partition(" = ")
            assert value_at(document, key) == ast.literal_eval(value), key
