"""Says in words why something is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SHOWN_KEYS = 3


def changed_keys(observed: Mapping[str, str], desired: Mapping[str, str]) -> tuple[str, ...]:
    """The key paths whose digests differ, sorted; a key on one side only counts."""
    return tuple(sorted(key for key in observed.keys() | desired.keys() if observed.get(key) != desired.get(key)))


def describe_changes(prefix: str, keys: Sequence[str]) -> str:
    """For example "services.web.environment.GREETING changed"."""
    shown = ", ".join(f"{prefix}.{key}" for key in keys[:SHOWN_KEYS])
    more = len(keys) - SHOWN_KEYS
    return f"{shown} and {more} more changed" if more > 0 else f"{shown} changed"
