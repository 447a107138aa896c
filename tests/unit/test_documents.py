"""What the documents say of commands, exit codes, variables, JSON and each other is what the program has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetctl import errors
from tests.shown_causes import cause_tables, shown_causes
from tests.shown_help import help_texts, shown_help
from tests.shown_sessions import CUT, ROOT, Item, agrees, documents, exchanges, items, screen

COMMANDS = Path(ROOT, "docs/commands.md").read_text()
JSON = Path(ROOT, "docs/json.md").read_text()
DIAGNOSE = Path(ROOT, "docs/diagnose.md").read_text()
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text() for path in documents()}
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_help_text_is_shown_as_the_program_prints_it() -> None:
    """When it is not: python -m tests.refresh_docs."""
    assert shown_help(COMMANDS) == help_texts()


def test_the_hops_and_causes_that_are_listed_are_those_of_the_program_in_its_order() -> None:
    """When they are not: python -m tests.refresh_docs."""
    assert shown_causes(DIAGNOSE) == cause_tables()


def test_the_table_of_exit_codes_has_the_code_of_every_kind_of_error_and_no_other() -> None:
    section = COMMANDS.split("\n## Exit codes\n")[1].split("\n## ")[0]
    listed = [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)]

    kinds = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}
    assert listed == sorted({0, *kinds, 128 + 1, 128 + 2, 128 + 13, 128 + 15})


def test_the_table_of_variables_has_every_variable_of_ours_that_the_program_reads_and_no_other() -> None:
    section = COMMANDS.split("\n## Environment variables\n")[1].split("\n## ")[0]
    listed = set(re.findall(r"`(FLEET_[A-Z_]+)`", "".join(re.findall(r"^\|.*$", section, re.MULTILINE))))

    source = "".join(path.read_text() for path in Path(ROOT, "fleetctl").rglob("*.py"))
    assert listed == set(re.findall(r"environ(?:ment)?(?:\.get\(|\[)\"(FLEET_[A-Z_]+)\"", source))


def test_every_link_between_documents_leads_somewhere() -> None:
    assert list(broken_links()) == []


def broken_links() -> Iterator[str]:
    for name, text in TEXTS.items():
        prose = FENCED.sub("", text)
        for target in re.findall(r"\]\(([^)\s]+)\)", prose):
            if re.match(r"https?:", target):
                continue
            file, _, anchor = target.partition("#")
            path = Path(ROOT, name).parent / file if file else Path(ROOT, name)
            if not path.exists() or (anchor and anchor not in anchors(path.read_text())):
                yield f"{name}: {target}"


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of headings."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_make_target_that_the_documents_name_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", Path(ROOT, "Makefile").read_text(), re.MULTILINE))
    named = {target for text in TEXTS.values() for target in re.findall(r"(?:`|^\$ )make ([a-z]+)", text, re.MULTILINE)}

    assert {"up", "test"} <= named
    assert named - targets == set()


def test_every_shown_command_is_in_a_console_block_where_it_is_run() -> None:
    other = [
        (name, language)
        for name, text in TEXTS.items()
        for language, block in FENCED.findall(text)
        if language in ("", "sh", "bash", "shell") or (language != "console" and re.search(r"^\$ ", block, re.M))
    ]

    assert other == []


SECTIONS = re.findall(r"^## (.+)$", JSON, re.MULTILINE)
SHARED = (".counters", ".namespace")
"""Objects that stand in many places and have a table of their own."""


@pytest.mark.parametrize("command", SECTIONS)
def test_the_keys_of_a_json_example_are_those_of_the_table_above_it(command: str) -> None:
    """The example itself is compared with what the command prints, in tests/e2e/test_docs.py."""
    section = JSON.split(f"\n## {command}\n")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `([^`]+)` \| ([^|]+?) \|", section, re.MULTILINE))
    objects = {key for key, kind in rows.items() if kind.startswith("object") and not key.endswith("[]")}
    documented = rows.keys() - objects
    (example,) = [one for one in exchanges(section) if re.match(rf"fleetctl {command} .*--format json", one.command)]

    text = "".join(line for line in example.shown if line != CUT)
    found = keys(json.JSONDecoder().raw_decode(text)[0]) - objects
    if CUT in example.shown:
        assert found < documented
    else:
        assert found == documented


def keys(value: Any, path: str = "") -> set[str]:
    """Paths of all values: `[]` for the elements of a list, `*` for keys that are names of the user's. What the tables
    describe once for many places has a path of its own."""
    if isinstance(value, list):
        return set().union(*(keys(element, f"{path}[]") for element in value)) if value else {f"{path}[]"}
    if isinstance(value, dict):
        path = path.rpartition(".")[2] if path.endswith(SHARED) else path
        named = path.endswith((".networks", ".unknown"))
        prefix = f"{path}." if path else ""
        parts = (keys(inner, f"{prefix}{'*' if named else key}") for key, inner in value.items())
        return set().union(*parts) if value else {f"{path}.*"}
    return {path}


def test_the_json_document_covers_every_command_that_prints_json_of_its_own() -> None:
    formats = {name for name, text in help_texts().items() if re.search(r"\[(tree\|)?table\|json\b", text)}

    assert formats - {"up", "scale", "rollback"} == set(SECTIONS)


TABLE = (
    "NAME   IP          STATUS",
    "web-1  172.30.0.2  Up 3 seconds (health: starting)",
    "web-2  172.30.0.3  Exited (1)",
)


LONG = "error: " + "x" * 80
"""Leaves room for an address, and little more."""


@pytest.mark.parametrize(
    ("shown", "real", "expected"),
    [
        (TABLE, ("NAME   STATUS", "web-1  Up 2 hours (healthy)", "web-2  Exited (1)"), True),
        (TABLE, ("NAME   STATUS", "web-1  Up 2 hours (healthy)", "web-2  Exited (2)"), False),
        (TABLE, TABLE[:2], False),
        (TABLE, ("NAME   STATUS", "web-1  Up 2 ho…", "web-2  Exi…", "(IP hidden at 20 columns)"), True),
        (TABLE, ("NAME   STATUS", "web-1  Up 2 ho…", "web-2  Dea…", "(IP hidden at 20 columns)"), False),
        ((*TABLE[:2], CUT), TABLE, True),
        (("a", CUT, "d"), ("a", "b", "c", "d"), True),
        (("a", CUT, "d"), ("a", "b", "c"), False),
        (("eth0 (5) up  02:42:ac:1e:00:02",), ("eth0 (17) up  02:42:ac:1e:04:09",), True),
        (("eth0 (5) up  02:42:ac:1e:00:02",), ("eth0 (17) down  02:42:ac:1e:04:09",), False),
        (("nothing to do",), (), False),
        ((f"{LONG} 172.30.0.2", "  is silent"), (f"{LONG} 172.30.0.12 is", "  silent"), True),
        ((f"{LONG} 172.30.0.2", "  is silent"), (f"{LONG} 172.30.0.12 is", "  loud"), False),
        ((f"{LONG} 172.30.0.2", "    of a log"), (f"{LONG} 172.30.0.2 of a log",), False),
    ],
)
def test_shown_output_agrees_with_real_output_where_only_volatile_parts_differ(
    shown: tuple[str, ...], real: tuple[str, ...], expected: bool
) -> None:
    one: list[Item] = items(shown)

    assert agrees(one, items(real)) is expected


def test_a_screen_keeps_what_is_not_erased() -> None:
    """Progress redrawn in place, as rich writes it, leaves nothing behind."""
    written = (
        "\x1b[?25l1/2 steps\r\n  start web-1\r\x1b[2K\x1b[1A\x1b[2K2/2 steps\r\x1b[2K\x1b[?25hdone\r\nNAME  IP\r\n"
    )

    assert screen(written) == ("done", "NAME  IP")
