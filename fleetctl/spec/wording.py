"""How key paths, numbers and foreign text are written in messages: short, and without control characters."""

from __future__ import annotations

from collections.abc import Iterable


def join(path: str, key: str) -> str:
    """The path of a key below `path`; odd keys are quoted."""
    shown = key if key.isprintable() and key and len(key) <= 80 else repr(key[:80])
    return f"{path}.{shown}" if path else shown


def shown(text: str, limit: int = 60) -> str:
    """Text as it is where it is printable and short, else as Python writes it, cut to `limit` characters."""
    return text if text.isprintable() and 0 < len(text) <= limit else repr(text[:limit])


def counted(number: int, noun: str) -> str:
    """So many of them: "1 replica", "3,000 replicas"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(items: Iterable[object], most: int = 6) -> str:
    """The first few, and how many more there are: what a container has may be thousands."""
    texts = [str(item) for item in items]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def told(sentences: Iterable[str], most: int = 5) -> str:
    """The first few parts of a message, each of several words, and how many more there are."""
    texts = list(sentences)
    more = f"; and {len(texts) - most} more" if len(texts) > most else ""
    return "; ".join(texts[:most]) + more
