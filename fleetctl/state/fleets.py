"""The fleets of an engine, known by what their containers say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fleetctl.state.observed import AT_REST, Replica, ReplicaState


@dataclass(frozen=True, slots=True)
class FleetThere:
    """A fleet that has containers: how many are in each state, and of which services they are."""

    name: str
    states: Mapping[ReplicaState, int]
    services: tuple[str, ...]

    @property
    def runs(self) -> bool:
        """Whether anything of it does."""
        return any(state not in AT_REST for state in self.states)


def fleets_of(containers: Iterable[Replica]) -> list[FleetThere]:
    """The fleets by name; containers of none are left out."""
    members: dict[str, list[Replica]] = {}
    for container in containers:
        if container.fleet:
            members.setdefault(container.fleet, []).append(container)
    return [
        FleetThere(name, Counter(one.state for one in own), tuple(sorted({one.service for one in own})))
        for name, own in sorted(members.items())
    ]
