"""The list of causes and the code that names them agree, and every one of them has been seen to be named."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import fleetctl
from fleetctl.diagnosis.causes import CAUSES, HOPS, UNKNOWN
from fleetctl.diagnosis.consequences import CONSEQUENCES
from fleetctl.diagnosis.judge import HARMLESS_WHILE_ANSWERING

PACKAGE = Path(fleetctl.__file__).parent
CASES = Path(__file__).parents[2] / "cases" / "diagnosis"
FROM_THE_INQUIRY = {"no-such-container", "not-published", "foreign-engine", "dead-alias"}
"""Named before or after the judging: see tests/unit/inquiry."""


@cache
def named_in_code() -> set[str]:
    """Every text that is given as the cause to finding(), or kept in a variable of that name."""
    found: set[str] = set()
    for folder in ("diagnosis", "inquiry"):
        for path in sorted((PACKAGE / folder).glob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                found |= set(texts_of(node))
    return found


def texts_of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "finding" and node.args:
        yield from texts(node.args[0])
    if isinstance(node, ast.Assign):
        for goal in node.targets:
            if isinstance(goal, ast.Name) and goal.id == "cause":
                yield from texts(node.value)
            elif isinstance(goal, ast.Tuple) and isinstance(node.value, ast.Tuple):
                for name, value in zip(goal.elts, node.value.elts, strict=True):
                    if isinstance(name, ast.Name) and name.id == "cause":
                        yield from texts(value)


def texts(node: ast.expr) -> Iterator[str]:
    """The texts that an expression may come to; what decides between two of them is none."""
    if isinstance(node, ast.IfExp):
        yield from texts(node.body)
        yield from texts(node.orelse)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def expected_in_cases() -> set[str]:
    verdicts = [path.read_text().partition("---\n")[2] for path in CASES.glob("*.txt")]
    lines = [line for verdict in verdicts for line in verdict.splitlines()[1:] if not line.startswith(" ")]
    return {line.partition("/")[2].partition(" ")[0] for line in lines}


def test_every_cause_that_the_code_names_is_in_the_list() -> None:
    assert sorted(named_in_code() - set(CAUSES)) == []


def test_every_cause_of_the_list_is_named_by_the_code() -> None:
    assert sorted(set(CAUSES) - named_in_code()) == []


def test_every_cause_that_the_code_names_has_a_case_that_expects_it() -> None:
    assert sorted(named_in_code() - expected_in_cases() - FROM_THE_INQUIRY) == []


def test_no_case_expects_a_cause_that_is_not_in_the_list() -> None:
    assert sorted(expected_in_cases() - set(CAUSES) - {UNKNOWN}) == []


def test_every_cause_belongs_to_a_hop_and_says_what_it_means() -> None:
    assert [name for name, (hop, meaning) in CAUSES.items() if hop not in HOPS or not meaning] == []


def test_consequences_and_harmless_causes_are_of_the_list() -> None:
    both = {*CONSEQUENCES, *(cause for causes in CONSEQUENCES.values() for cause in causes), *HARMLESS_WHILE_ANSWERING}
    assert sorted(both - set(CAUSES)) == []


def test_nothing_follows_from_itself_by_way_of_others() -> None:
    for first in CONSEQUENCES:
        seen, waiting = set[str](), list(CONSEQUENCES[first])
        while waiting:
            cause = waiting.pop()
            if cause not in seen:
                seen.add(cause)
                waiting += CONSEQUENCES.get(cause, ())
        assert first not in seen, f"{first} would be left out for its own sake"
