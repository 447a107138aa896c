"""Paths of keys in messages, such as services.web.ports[0]."""

from __future__ import annotations


def join(path: str, key: str) -> str:
    """The path of a key below `path`; odd keys are quoted."""
    shown = key if key.isprintable() and key and len(key) <= 80 else repr(key[:80])
    return f"{path}.{shown}" if path else shown
