"""The fleets of an engine, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence

from fleetctl.state.fleets import FleetThere
from fleetctl.state.observed import ReplicaState
from fleetctl.view.documents import SCHEMA, Document
from fleetctl.view.tables import Column, show_table

STATES: tuple[ReplicaState, ...] = ("running", "restarting", "paused", "exited", "created", "dead", "removing")
"""In the order in which they are told."""
COLUMNS = (Column("NAME"), Column("STATUS", spare=1, fold=True), Column("SERVICES", spare=2, fold=True))


def show_fleets(fleets: Sequence[FleetThere]) -> None:
    """The table of `ls`."""
    show_table(COLUMNS, [(fleet.name, status(fleet), ", ".join(fleet.services)) for fleet in fleets])


def status(fleet: FleetThere) -> str:
    """As Docker Compose writes it: running(3), exited(1)."""
    return ", ".join(f"{state}({fleet.states[state]})" for state in STATES if state in fleet.states)


def fleets_document(fleets: Sequence[FleetThere]) -> Document:
    """`ls --format json`."""
    return {
        "schema": SCHEMA,
        "fleets": [
            {
                "name": fleet.name,
                "status": status(fleet),
                "containers": sum(fleet.states.values()),
                "running": fleet.states.get("running", 0),
                "services": list(fleet.services),
            }
            for fleet in fleets
        ],
    }
