"""What docs/networking.md promises beyond its sessions, which tests/e2e/test_docs.py runs with those of the others."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.ports import free_port
from tests.scratch import PLAYGROUND, Scratch
from tests.shown_sessions import PICTURE, ROOT, agrees, exchanges, items, pictures_of

DOCUMENT = Path(ROOT, "docs/networking.md").read_text()
SESSION = exchanges(DOCUMENT)
BY_HAND = [exchange for exchange in SESSION if exchange.place == "playground"]
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces, which only root may")


def test_every_command_of_the_last_table_is_one_that_the_document_runs() -> None:
    rows = DOCUMENT.split("\n## What shows what?\n")[1].splitlines()[3:]
    named = {
        f"{program}{code}"
        for _, _, by_hand, ours, _ in (row.split("|") for row in rows)
        for program, cell in (("", by_hand), ("fleetctl ", ours))
        for code in re.findall(r"`([^`]+)`", cell)
    }
    run = [re.sub(r" -f \S+\.yaml", "", exchange.command) for exchange in SESSION if exchange.is_run]

    assert len(named) > 30
    assert sorted(code for code in named if not any(code in command for command in run)) == []


def test_the_picture_is_what_the_command_below_it_prints() -> None:
    """When it is not: python -m tests.refresh_docs."""
    drawn = [tuple(text.splitlines()) for text in PICTURE.findall(DOCUMENT)]

    assert len(drawn) == 1
    assert drawn == pictures_of(SESSION)


def test_the_playground_that_the_document_opens_is_the_one_in_which_its_commands_are_run() -> None:
    assert " ".join(PLAYGROUND) in [exchange.command for exchange in SESSION]


@pytest.fixture
def playground() -> Iterator[Scratch]:
    scratch = Scratch(ROOT, "fleet", free_port())
    yield scratch
    scratch.leave_playground()


@root_only
def test_the_network_made_by_hand_works_and_leaves_this_host_as_it_was(playground: Scratch) -> None:
    before = traces_on_this_host()

    for exchange in BY_HAND:
        code, real = playground.run(exchange)
        assert code == 0, (exchange.command, real)
        assert agrees(items(exchange.shown), items(real)), (exchange.command, real)
    assert BY_HAND[-1].shown == ("you are 198.51.100.2",)
    assert traces_on_this_host() == before

    opener = playground.playgrounds[0]
    playground.leave_playground()
    assert opener.returncode == 0
    assert traces_on_this_host() == before


def traces_on_this_host() -> list[str]:
    """Every line of links, addresses, routes, namespaces and rules in which that network appears, and whether this host
    forwards."""
    commands = ("ip -o link", "ip -o address", "ip route", "ip netns list", "iptables-save")
    lines = [line for command in commands for line in output(*command.split()).splitlines()]
    made = re.compile(r"\b(192\.168\.1\.|198\.51\.100\.|bridge0|veth-red|veth-blue|red$|blue$|internet\b)")
    forwards = Path("/proc/sys/net/ipv4/ip_forward").read_text().strip()
    return [f"forwards {forwards}", *(line for line in lines if made.search(line))]


def output(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout
