"""What the rest of fleetctl may ask of an engine."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fleetctl.plan.actions import Action
from fleetctl.spec.model import Build
from fleetctl.state.observed import Observed, Replica


class Engine(Protocol):
    """The seam between deciding and doing. Every method raises only kinds of FleetError."""

    endpoint: str
    """The address of the engine's API, as given by DOCKER_HOST, the Docker context or the default."""
    local: bool
    """Whether the engine's containers live on this host, so that their addresses can be asked directly."""

    def observe(self, fleet_name: str, images: Collection[str] = ()) -> Observed:
        """Look at everything of one fleet and at the given image references, with a constant number of calls (and one
        per image)."""

    def apply(self, action: Action) -> str:
        """Do one thing; returns the id of what was made, else ''. Idempotent where the engine lets it be."""

    def close(self) -> None:
        """Let go of all connections."""


class Workshop(Protocol):
    """What single commands need beyond observe and apply."""

    def inspect(self, replicas: Iterable[Replica]) -> tuple[Replica, ...]:
        """The same replicas with restarts, started, pid and aliases; those that are gone meanwhile are left out."""

    def last_lines(self, container_id: str, count: int) -> tuple[str, ...]:
        """The last lines of a container's log, raw; () when the engine has none."""

    def logs(self, container_id: str, options: LogOptions) -> Iterator[bytes]:
        """The container's log in chunks."""

    def top(self, container_id: str) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        """Titles and rows of the container's process list."""

    def context_digest(self, build: Build) -> str:
        """Hex SHA-256 of everything an image is built from."""

    def about(self) -> Mapping[str, str]:
        """Version, API version, operating system and the like, for `version` and `doctor`."""


@dataclass(frozen=True, slots=True)
class LogOptions:
    """`tail` None means all; `since` is a Unix time in seconds."""

    follow: bool = False
    tail: int | None = None
    since: float | None = None
    timestamps: bool = False
