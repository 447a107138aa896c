"""Tables: what gives way where the terminal is narrow, and what foreign text may do (nothing)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fleetctl.state.observed import Endpoint, Published, Replica
from fleetctl.view.tables import Column, ago, fit, plain, port_text, show_replicas

COLUMNS = (Column("NAME"), Column("A", spare=2), Column("ID", spare=1, least=4), Column("WHY", spare=3, fold=True))
ROWS = [["web-1", "aaaaaaaa", "0123456789", "because of this"]]


@pytest.mark.parametrize(
    ("available", "expected"),
    [
        (100, {0: 5, 1: 8, 2: 10, 3: 15}),
        (40, {0: 5, 1: 8, 2: 10, 3: 11}),
        (30, {0: 5, 2: 10, 3: 3}),
        (16, {0: 5, 2: 4, 3: 3}),
        (1, {0: 5, 2: 4, 3: 3}),
    ],
)
def test_columns_give_way_in_their_order(available: int, expected: dict[int, int]) -> None:
    """First the reason folds, then a column goes, then the identity is cut; the name never gives way."""
    assert fit(COLUMNS, ROWS, available) == expected


def test_without_a_terminal_columns_are_as_wide_as_their_widest_text() -> None:
    """Numbers stand to the right, and a wide character counts as the two cells that it takes."""
    columns = (Column("NAME"), Column("TIME", right=True), Column("ANSWER"))
    lines = plain(columns, [["web-1", "9.5 ms", "日本"], ["web-10", "10.5 ms", "hello"]]).split("\n")
    assert lines == [
        "NAME       TIME  ANSWER",
        "web-1    9.5 ms  日本  ",
        "web-10  10.5 ms  hello ",
    ]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (59, "59 seconds"),
        (61, "1 minute"),
        (120, "2 minutes"),
        (3700, "1 hour"),
        (90_000, "1 day"),
        (1_300_000, "2 weeks"),
    ],
)
def test_ages_are_told_in_their_largest_unit(seconds: int, expected: str) -> None:
    """As Docker does."""
    assert ago(timedelta(seconds=seconds)) == expected


def test_ports_are_written_as_docker_writes_them() -> None:
    """Published, exposed, and IPv6 in brackets."""
    assert port_text(Published(80)) == "80/tcp"
    assert port_text(Published(80, host_ip="127.0.0.1", host_port=8080)) == "127.0.0.1:8080->80/tcp"
    assert port_text(Published(53, "udp", "::1", 5353)) == "[::1]:5353->53/udp"


def test_nothing_that_a_container_controls_reaches_the_terminal_raw(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences and rich markup in a command or identity appear as text (reliability case 41)."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    replica = Replica(
        id="1",
        name="f-web-1",
        service="web",
        number=1,
        image="[red]app[/red]",
        image_id="",
        state="running",
        health="none",
        status="Up",
        created=now,
        command="\x1b[2J\x9b31m\u202e",
        endpoints={"lan": Endpoint("n", "lan", "10.0.0.2")},
    )
    show_replicas([replica], {"f-web-1": "\x1b]0;title\x07"}, full=True, now=now)
    shown = capsys.readouterr().out
    assert not any(ord(ch) < 0x20 and ch != "\n" for ch in shown)
    assert not any(0x7F <= ord(ch) < 0xA0 or ch == "\u202e" for ch in shown)
    assert "[red]app[/red]" in shown
    assert r"\x1b]0;title\x07" in shown
