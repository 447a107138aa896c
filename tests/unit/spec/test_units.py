"""Durations, sizes and processors are read as Compose reads them, and written so that they read back."""

from __future__ import annotations

import random

import pytest

from fleetctl.spec.units import UnitError, format_duration, parse_bytes, parse_duration, parse_processors


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0), ("0s", 0), ("10s", 10), ("1m30s", 90), ("1.5h", 5400), ("250ms", 0.25), ("3us", 3e-6), ("3µs", 3e-6),
        ("7ns", 7e-9), ("1h1m1s1ms", 3661.001),
    ],
)  # fmt: skip
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds, abs=1e-12)


@pytest.mark.parametrize(
    "text", ["", "10", "s", "-1s", "1 s", "1d", "1e3s", "1,5s", "\u0661s", "9" * 30 + "h", "1s" * 40]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_duration(text)


def test_a_bare_number_is_told_its_missing_unit() -> None:
    with pytest.raises(UnitError, match="has no unit") as caught:
        parse_duration("10")
    assert caught.value.hint == 'write "10s" for seconds'


def test_a_written_duration_reads_back() -> None:
    """format_duration is the inverse of parse_duration, to the nanosecond."""
    chance = random.Random(7)
    for _ in range(500):
        seconds = chance.randrange(10 ** chance.randrange(1, 15)) / 1e9
        assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (0, 0), (5, 5), ("5", 5), ("5b", 5), ("1k", 1024), ("1KB", 1024), ("1KiB", 1024), ("128m", 134217728),
        ("128 MiB", 134217728), ("0.5g", 536870912), ("1.5G", 1610612736), ("2t", 2 << 40), ("1p", 1 << 50),
    ],
)  # fmt: skip
def test_a_size_is_bytes_in_base_1024(value: int | str, size: int) -> None:
    assert parse_bytes(value) == size


@pytest.mark.parametrize("value", ["", "m", "-1", -1, "1e3", "1x", "1 k b", "1  k", "9" * 70, "9999999999p", 1 << 64])
def test_what_is_no_size_is_refused(value: int | str) -> None:
    with pytest.raises(UnitError):
        parse_bytes(value)


def test_processors_are_a_positive_number() -> None:
    assert [parse_processors(value) for value in (2, 0.5, "0.5", ".25", "2")] == [2.0, 0.5, 0.5, 0.25, 2.0]
    for value in ("0", 0, "-1", "1e3", "nan", float("nan"), 1e9, "half"):
        with pytest.raises(UnitError):
            parse_processors(value)
