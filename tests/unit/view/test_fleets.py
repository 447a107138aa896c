"""The fleets of an engine: whose containers they are, and what these do."""

from __future__ import annotations

from datetime import UTC, datetime

from fleetctl.state.fleets import fleets_of
from fleetctl.state.observed import Replica, ReplicaState
from fleetctl.view.fleets import status


def container(fleet: str, service: str, number: int, state: ReplicaState) -> Replica:
    name = f"{fleet}-{service}-{number}"
    created = datetime(2026, 1, 1, tzinfo=UTC)
    return Replica(name, name, service, number, "i", "i", state, "none", "", created, fleet=fleet)


STRANGER = container("", "", 0, "running")


def test_fleets_are_known_by_their_containers_and_strangers_are_of_none() -> None:
    found = fleets_of(
        [
            STRANGER,
            container("b", "web", 1, "running"),
            container("a", "web", 1, "exited"),
            container("b", "db", 1, "paused"),
            container("b", "web", 2, "running"),
        ]
    )
    assert [(fleet.name, fleet.services, fleet.runs) for fleet in found] == [
        ("a", ("web",), False),
        ("b", ("db", "web"), True),
    ]


def test_what_does_something_is_told_before_what_rests() -> None:
    states: tuple[ReplicaState, ...] = ("exited", "created", "restarting", "running", "exited", "paused", "dead")
    (fleet,) = fleets_of(container("a", "web", number, state) for number, state in enumerate(states))
    assert status(fleet) == "running(1), restarting(1), paused(1), exited(2), created(1), dead(1)"
