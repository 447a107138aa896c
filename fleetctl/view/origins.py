"""Shows every effective value of the services with where it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fleetctl.spec.model import Fleet
from fleetctl.view.tables import Column, show_table


def show_origins(fleet: Fleet, document: Mapping[str, Any]) -> None:
    """A table of service, key, value and origin; `document` is the effective configuration."""
    rows = []
    for name, service in fleet.services.items():
        for key, origin in sorted(service.origins.items()):
            value = find(document["services"][name], key.split("."))
            rows.append((name, key, json.dumps(value, default=str), origin))
    show_table((Column("SERVICE"), Column("KEY"), Column("VALUE"), Column("FROM")), rows)


def find(value: Any, keys: list[str]) -> Any:
    """The value under a key path; keys may hold dots themselves, so the longest that fits is taken."""
    if not keys or not isinstance(value, Mapping):
        return value
    for length in range(len(keys), 0, -1):
        key = ".".join(keys[:length])
        if key in value:
            return find(value[key], keys[length:])
    return None
