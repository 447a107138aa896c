"""Prints events, one a line: for people, and as JSON for programs."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator

from fleetctl.state.events import FleetEvent
from fleetctl.view.documents import SCHEMA, Document
from fleetctl.view.terminal import write
from fleetctl.view.text import safe

KIND, ACTION = len("container"), len("health_status")
"""Columns of the longest."""


def show_event(event: FleetEvent) -> None:
    """At once, also into a pipe."""
    write(line(event))
    sys.stdout.flush()


def show_event_document(fleet_name: str, event: FleetEvent) -> None:
    """One JSON document on one line, at once, also into a pipe."""
    write(json.dumps(event_document(fleet_name, event)))
    sys.stdout.flush()


def line(event: FleetEvent) -> str:
    """When, in local time, what, and to whom: "2026-01-31 12:00:00.000 container die fleet-web-1 (exit code 137)"."""
    when = f"{event.time.astimezone():%Y-%m-%d %H:%M:%S.%f}"[:-3]
    # A stranger in a network of the fleet has no name here.
    whom = event.container or (event.container_id or "")[:12] or event.network or ""
    told = ", ".join(details(event))
    words = f"{event.kind:<{KIND}} {event.action:<{ACTION}} {whom}{f' ({told})' if told else ''}"
    return f"{when} {safe(words)}"


def details(event: FleetEvent) -> Iterator[str]:
    """What matters beside it."""
    if event.exit_code is not None:
        yield f"exit code {event.exit_code}"
    if event.signal is not None:
        yield signal_name(event.signal)
    if event.health is not None:
        yield event.health
    if event.former_name is not None:
        yield f"was {event.former_name}"
    if event.container_id is not None and event.network is not None:
        yield event.network


def signal_name(number: int) -> str:
    """By its name where Linux has one."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def event_document(fleet_name: str, event: FleetEvent) -> Document:
    """A line of `events --format json`; the time is RFC 3339 in UTC."""
    return {
        "schema": SCHEMA,
        "fleet": fleet_name,
        "time": event.time.isoformat(timespec="microseconds"),
        "type": event.kind,
        "action": event.action,
        "replica": event.container or None,
        "service": event.service or None,
        "number": event.number or None,
        "container_id": event.container_id,
        "network": event.network,
        "exit_code": event.exit_code,
        "signal": event.signal,
        "health": event.health,
        "former_name": event.former_name,
    }
