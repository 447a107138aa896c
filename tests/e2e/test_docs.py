"""Every command that the documents show is run, in order, and prints what is shown there."""

from __future__ import annotations

import difflib
import os
import re
import time
from pathlib import Path

import pytest

from tests.scratch import NetworkIsHeld, scratch_copy
from tests.shown_sessions import NOT_RUN, ROOT, Exchange, agrees, documents, exchanges, items

RECORD = "record it anew with 'python -m tests.refresh_docs'"
SETTLES = 30.0
"""Seconds until every worker of a server that answers already has named itself in the process list."""
LOOKS = re.compile(r"(fleetctl|docker)( -f \S+)? (top|inspect-network|diagnose|stats)\b|nsenter\b")
"""What only looks, and sees the workers come or a health check pass; it is asked again until that has settled."""
ROOT_SEES_MORE = ("fleetctl up", "fleetctl inspect-network", "fleetctl diagnose", "fleetctl doctor")
"""What prints something else to others than root; the documents show what root sees."""

SHOWN = {path.relative_to(ROOT).as_posix(): exchanges(path.read_text()) for path in documents()}


@pytest.mark.parametrize("document", [name for name, session in SHOWN.items() if any(one.is_run for one in session)])
def test_what_a_document_shows_is_what_its_commands_print(document: str, tmp_path: Path) -> None:
    """Lines must be equal after ids, addresses, MACs, times and versions are masked; every command must exit 0."""
    if os.geteuid() != 0 and any("nsenter" in exchange.command for exchange in SHOWN[document]):
        pytest.skip("enters namespaces, which only root may")
    for attempt in ("first", "second"):
        try:
            play(SHOWN[document], tmp_path / attempt / "fleetctl")
        except NetworkIsHeld:
            continue
        return
    pytest.fail("the engine held a network for nobody twice in a row")


def play(session: list[Exchange], directory: Path) -> None:
    with scratch_copy(directory) as scratch:
        for exchange in session:
            if not exchange.is_run:
                continue
            deadline = time.monotonic() + (SETTLES if LOOKS.match(exchange.command) else 0)
            while True:
                code, real = scratch.run(exchange)
                same = agrees(items(exchange.shown), items(real))
                if (code == 0 and same) or time.monotonic() > deadline:
                    break

            printed = "\n".join(real)
            assert code == 0, f"{exchange.command} exits {code}:\n{printed}"
            if os.geteuid() != 0 and exchange.command.startswith(ROOT_SEES_MORE):
                continue
            difference = "\n".join(difflib.unified_diff(exchange.shown, real, "shown", "real", lineterm=""))
            assert same, f"{exchange.command} prints something else; mend it or {RECORD}:\n{difference}"


def test_no_reason_to_leave_a_command_out_is_left_over() -> None:
    commands = [exchange.command for session in SHOWN.values() for exchange in session]

    assert [beginning for beginning in NOT_RUN if not any(command.startswith(beginning) for command in commands)] == []
