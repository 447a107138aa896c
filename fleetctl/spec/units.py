"""Durations, byte sizes and processor counts as Compose writes them."""

from __future__ import annotations

import re

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|μs|ms|s|m|h))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_LONGEST = 64
_MOST_SECONDS = 10 * 365 * 86400.0

_BYTES = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp])?i?b?", re.ASCII | re.IGNORECASE)
_FACTORS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
_MOST_BYTES = (1 << 63) - 1

_PROCESSORS = re.compile(r"\d+(?:\.\d+)?|\.\d+", re.ASCII)


class UnitError(ValueError):
    """A text that is no such quantity; `hint` shows how to write one."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def parse_duration(text: str) -> float:
    """Seconds in a text such as "0", "90s", "1m30s" or "1.5h"; raises UnitError."""
    if text == "0":
        return 0.0
    if text.isascii() and text.isdigit():
        raise UnitError(
            f"the duration {text[:_LONGEST]!r} has no unit",
            f'write "{text[:_LONGEST]}s" for seconds',
        )
    if len(text) > _LONGEST or not _DURATION.fullmatch(text):
        raise UnitError(
            f"not a duration: {text[:_LONGEST]!r}",
            'write it as in "500ms", "10s" or "1m30s"',
        )
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text))
    if seconds > _MOST_SECONDS:
        raise UnitError(f"the duration {text!r} is longer than ten years")
    # Nanoseconds are the finest unit Docker knows; rounding hides the error of binary fractions.
    return round(seconds, 9)


def format_duration(seconds: float) -> str:
    """The shortest exact text that `parse_duration` reads as `seconds`: 90.0 -> "1m30s", 0.25 -> "250ms"."""
    nanoseconds = round(seconds * 1e9)
    if nanoseconds == 0:
        return "0s"
    parts = []
    for unit, size in (
        ("h", 3600 * 10**9),
        ("m", 60 * 10**9),
        ("s", 10**9),
        ("ms", 10**6),
        ("us", 10**3),
        ("ns", 1),
    ):
        count, nanoseconds = divmod(nanoseconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_bytes(value: int | str) -> int:
    """Bytes in 134217728 or "128m", "128 MiB", "0.5gb" (base 1024); raises UnitError."""
    if isinstance(value, str):
        match = _BYTES.fullmatch(value) if len(value) <= _LONGEST else None
        if match is None:
            raise UnitError(
                f"not a size in bytes: {value[:_LONGEST]!r}",
                'write it as in "64k", "128m" or "1.5g"',
            )
        number, unit = match.groups()
        factor = _FACTORS[(unit or "").lower()]
        value = int(float(number) * factor) if "." in number else int(number) * factor
    if not 0 <= value <= _MOST_BYTES:
        raise UnitError(f"{value} is no possible number of bytes")
    return value


def parse_processors(value: int | float | str) -> float:
    """Processors in 2, 0.5 or "0.5", more than nothing and at most 10,000; raises UnitError."""
    if isinstance(value, str):
        if len(value) > _LONGEST or not _PROCESSORS.fullmatch(value):
            raise UnitError(
                f"not a number of processors: {value[:_LONGEST]!r}",
                'write it as in "0.5" or "2"',
            )
        value = float(value)
    if not 0 < value <= 10_000:
        raise UnitError(
            f"{value} is no possible number of processors",
            'write it as in "0.5" or "2"',
        )
    return float(value)
