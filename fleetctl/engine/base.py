"""What deciding and doing may ask of an engine, whatever kind it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from fleetctl.plan.actions import Action
from fleetctl.spec.model import Build
from fleetctl.state.observed import Observed, Replica


class Engine(Protocol):
    """The seam: look, and do one thing at a time. Every method raises only kinds of FleetError."""

    endpoint: str
    """The address of the engine's API, as given by DOCKER_HOST, the Docker context or the default."""
    host: str | None
    """Where the ports that it publishes are reached; None where its containers live on this host, so that their own
    addresses can be asked."""
    local: bool
    """Whether its containers live on this host: `host` is None."""

    def observe(self, fleet_name: str, images: Collection[str] = ()) -> Observed:
        """Look at everything of one fleet and at the given image references, with a constant number of calls (and one
        per image)."""

    def observe_replicas(self, fleet_name: str, container_id: str | None = None) -> tuple[Replica, ...]:
        """Look at the fleet's containers only, or only at the one with that id, with one call; by service, number and
        name."""

    def inspect_replica(self, replica: Replica) -> Replica | None:
        """One replica with restarts, start time, pid and aliases; None when it is gone."""

    def last_lines(self, container_id: str, count: int) -> tuple[str, ...]:
        """The last lines of a container's log, raw; () when the engine has none."""

    def context_digest(self, build: Build) -> str:
        """Hex SHA-256 of everything an image is built from."""

    def apply(self, action: Action) -> str:
        """Do one thing; returns the id of what was made, of a StopReplica what is worth telling, else ''. Idempotent
        where the engine lets it be."""

    def close(self) -> None:
        """Let go of all connections."""


@runtime_checkable
class HelperHost(Protocol):
    """An engine that runs helper containers, which see its host. Both methods raise only kinds of FleetError."""

    def ensure_helper(self, image: str, files: Mapping[str, bytes]) -> None:
        """Build the image of that name from the files (content by name, a Dockerfile among them) where it is
        missing."""

    def run_helper(self, image: str, line: bytes, patience: float) -> bytes:
        """What a helper container made from the image answers to the line within `patience` seconds; nothing is left
        of it."""


@dataclass(frozen=True, slots=True)
class LogOptions:
    """`tail` None means all; `since` is a Unix time in seconds."""

    follow: bool = False
    tail: int | None = None
    since: float | None = None
    timestamps: bool = False
