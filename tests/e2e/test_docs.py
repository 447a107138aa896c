"""Every command that the documents show is run, in order, and prints what is shown there."""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.shown_sessions import NOT_RUN, ROOT, agrees, documents, exchanges, items, scratch_copy

SHOWN = {path.relative_to(ROOT).as_posix(): exchanges(path.read_text()) for path in documents()}


@pytest.mark.parametrize("document", [name for name, session in SHOWN.items() if any(one.is_run for one in session)])
def test_what_a_document_shows_is_what_its_commands_print(document: str, tmp_path: Path) -> None:
    """Lines must be equal after ids, addresses, MACs, times and versions are masked; every command must exit 0."""
    with scratch_copy(tmp_path / "fleetctl") as scratch:
        for exchange in SHOWN[document]:
            if not exchange.is_run:
                continue
            code, real = scratch.run(exchange.command)

            printed = "\n".join(real)
            assert code == 0, f"{exchange.command} exits {code}:\n{printed}"
            difference = "\n".join(difflib.unified_diff(exchange.shown, real, "shown", "real", lineterm=""))
            assert agrees(items(exchange.shown), items(real)), (
                f"{document}: {exchange.command} prints something else; "
                f"'python -m tests.refresh_docs' records it anew:\n{difference}"
            )


def test_no_reason_to_leave_a_command_out_is_left_over() -> None:
    commands = [exchange.command for session in SHOWN.values() for exchange in session]

    assert [beginning for beginning in NOT_RUN if not any(command.startswith(beginning) for command in commands)] == []


@pytest.mark.parametrize("command", ["top", "doctor", "version"])
def test_the_json_that_a_command_prints_has_just_the_keys_that_are_documented(command: str, tmp_path: Path) -> None:
    documented = documented_keys(command)
    with scratch_copy(tmp_path / "fleetctl") as scratch:
        code, lines = scratch.run("fleetctl up --scale web=1")
        assert code == 0, "\n".join(lines)
        code, lines = scratch.run(f"fleetctl {command} --format json")

    assert code == 0
    assert keys(json.loads("\n".join(lines))) == documented


def documented_keys(command: str) -> set[str]:
    """The keys in the table of one command's section of docs/json.md."""
    text = Path(ROOT, "docs/json.md").read_text()
    section = re.split(r"^## ", text.split(f"\n## {command}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]
    return set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))


def keys(value: Any, path: str = "") -> set[str]:
    """Paths of all keys, `[]` for the elements of a list: replicas[].processes[].pid."""
    if isinstance(value, list):
        return set().union(*(keys(element, f"{path}[]") for element in value)) if value else {path}
    if isinstance(value, dict):
        prefix = f"{path}." if path else ""
        return set().union(*(keys(inner, f"{prefix}{key}") for key, inner in value.items()))
    return {path}
