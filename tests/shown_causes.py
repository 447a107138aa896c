"""The tables of hops and causes that docs/diagnose.md shows: those of the program."""

from __future__ import annotations

import re

from fleetctl.diagnosis.causes import CAUSES, HOPS

HOPS_HEAD = "| Hop | What it is |\n|---|---|\n"
CAUSES_HEAD = "| Hop | Cause | What it means |\n|---|---|---|\n"
TABLE = re.compile(rf"^({re.escape(HOPS_HEAD)}|{re.escape(CAUSES_HEAD)})(?:\|.*\n)*", re.MULTILINE)


def cause_tables() -> dict[str, str]:
    """Head of each table -> the whole table, in the program's order."""
    hops = [f"| `{hop}` | {meaning} |\n" for hop, meaning in HOPS.items()]
    causes = [f"| `{hop}` | `{cause}` | {meaning} |\n" for cause, (hop, meaning) in CAUSES.items()]
    return {HOPS_HEAD: HOPS_HEAD + "".join(hops), CAUSES_HEAD: CAUSES_HEAD + "".join(causes)}


def shown_causes(text: str) -> dict[str, str]:
    """The same, as a document shows it."""
    return {found[1]: found[0] for found in TABLE.finditer(text)}


def replace_causes(text: str) -> str:
    """The document with today's hops and causes in its tables."""
    tables = cause_tables()
    return TABLE.sub(lambda found: tables[found[1]], text)
