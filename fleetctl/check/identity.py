"""Reads from an answer which instance gave it."""

from __future__ import annotations

import json
import re

from fleetctl.spec.model import Identity

UUID = re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
"""The textual form of RFC 9562, section 4."""


def read_identity(body: bytes, identity: Identity) -> str | None:
    """The instance's identity as text, None when the answer holds none."""
    text = body.decode(errors="replace")
    if identity.pointer is not None:
        return follow_pointer(text, identity.pointer)
    found = (re.compile(identity.pattern) if identity.pattern is not None else UUID).search(text)
    if found is None:
        return None
    return found.group(1) if found.re.groups else found.group(0)


def follow_pointer(text: str, pointer: str) -> str | None:
    """The value a JSON pointer (RFC 6901) names, as text; None when the body is no JSON or has no such value."""
    try:
        value = json.loads(text)
        for token in pointer.split("/")[1:]:
            key = token.replace("~1", "/").replace("~0", "~")
            value = value[int(key)] if isinstance(value, list) else value[key]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return None
    if value is None or isinstance(value, dict | list):
        return None
    return value if isinstance(value, str) else json.dumps(value)
