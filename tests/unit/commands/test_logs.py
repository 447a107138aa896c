"""Points in time as users write them, for logs and events."""

from __future__ import annotations

import time

import click
import pytest

from fleetctl.commands.logs import parse_since


@pytest.mark.parametrize("text", ["soon", "999999d", f"{'9' * 40}s", "0001-01-01", "1969-12-31T23:59:59Z", "x-1"])
def test_what_is_no_time_is_said_to_be_none_by_logs_and_events(text: str) -> None:
    with pytest.raises(click.BadParameter, match=f"'{text}' is no time; for example 10m") as raised:
        parse_since(text)
    assert (raised.value.param_hint, raised.value.exit_code) == ("--since", 2)
    with pytest.raises(click.BadParameter, match=f"'{text}' is no time; for example 10m") as raised:
        parse_since(text, "--until")
    assert raised.value.param_hint == "--until"


@pytest.mark.parametrize("text", ["1970-01-02T00:00:00Z", "1970-01-02T01:00:00+01:00"])
def test_a_time_is_in_seconds_since_1970(text: str) -> None:
    assert parse_since(text) == 86_400


def test_a_relative_time_is_counted_back_from_now() -> None:
    before = time.time()
    assert before - 5_400 <= parse_since("1h30m") <= time.time() - 5_400
