"""Follows what happens to one fleet, out of all that the engine tells (Docker Engine API v1.41, SystemEvents)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from fleetctl.engine import labels
from fleetctl.engine.docker_host import DockerHost
from fleetctl.engine.faults import translated
from fleetctl.state.events import FleetEvent
from fleetctl.state.observed import Replica

FOLLOWED = (
    *("create", "start", "restart", "stop", "kill", "die", "oom", "pause", "unpause", "rename", "update", "destroy"),
    *("health_status", "connect", "disconnect"),
)
"""Not those of each exec: every health check is one."""


class Member(NamedTuple):
    """A container of the fleet."""

    name: str
    service: str
    number: int


class FleetEvents:
    """The events of one fleet. It remembers who belongs to it, for a network's events tell no labels."""

    def __init__(self, engine: DockerHost, fleet_name: str, replicas: Iterable[Replica]) -> None:
        self.engine = engine
        self.fleet_name = fleet_name
        self.members = {one.id: Member(one.name, one.service, one.number) for one in replicas}
        with translated("look at networks", engine.endpoint):
            known = engine.client.networks()
        self.networks = {entry["Id"]: self.is_own(entry) for entry in known}

    def follow(self, *, since: float | None = None, until: float | None = None) -> Iterator[FleetEvent]:
        """Every event as it comes; blocks until one does. Both times are Unix times in seconds: from `since`, as far as
        the engine remembers, and to `until`. Without that it ends when the engine ends."""
        # docker-py hands fractions of a second on, though its annotations say int; of a datetime it would cut them off.
        wanted: dict[str, Any] = {"since": since, "until": until}
        wanted["filters"] = {"type": ["container", "network"], "event": list(FOLLOWED)}
        with translated("follow the engine's events", self.engine.endpoint):
            for entry in self.engine.client.events(decode=True, **wanted):
                event = self.read(entry)
                if event is not None:
                    yield event

    def read(self, entry: Mapping[str, Any]) -> FleetEvent | None:
        """The event; None where it is none of the fleet's."""
        actor = entry.get("Actor") or {}
        marks: Mapping[str, str] = actor.get("Attributes") or {}
        time = datetime.fromtimestamp(entry.get("timeNano", 0) // 1000 / 1e6, UTC)
        if entry.get("Type") == "container":
            return self.of_container(time, entry["Action"], actor["ID"], marks)
        return self.of_network(time, entry["Action"], actor["ID"], marks)

    def of_container(self, time: datetime, action: str, identity: str, marks: Mapping[str, str]) -> FleetEvent | None:
        if marks.get(labels.FLEET) != self.fleet_name:
            return None
        number = marks.get(labels.REPLICA, "")
        member = Member(marks.get("name", ""), marks.get(labels.SERVICE, ""), whole(number) or 0)
        self.members[identity] = member
        action, _, health = action.partition(": ")
        return FleetEvent(
            time,
            "container",
            action,
            identity,
            *member,
            exit_code=whole(marks.get("exitCode")) if action == "die" else None,
            signal=whole(marks.get("signal")) if action == "kill" else None,
            health=health or None,
            former_name=marks.get("oldName", "").removeprefix("/") or None,
        )

    def of_network(self, time: datetime, action: str, identity: str, marks: Mapping[str, str]) -> FleetEvent | None:
        container_id = marks.get("container") or None
        member = self.members.get(container_id or "")
        if member is None and not self.is_own_network(identity):
            return None
        name, service, number = member or Member("", "", 0)
        return FleetEvent(time, "network", action, container_id, name, service, number, marks.get("name", ""))

    def is_own_network(self, identity: str) -> bool:
        """Whether it carries the fleet's label; the engine is asked of one that is new."""
        from docker.errors import NotFound

        if identity not in self.networks:
            try:
                self.networks[identity] = self.is_own(self.engine.client.inspect_network(identity))
            except NotFound:
                self.networks[identity] = False
        return self.networks[identity]

    def is_own(self, network: Mapping[str, Any]) -> bool:
        return (network.get("Labels") or {}).get(labels.FLEET) == self.fleet_name


def whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() else None
