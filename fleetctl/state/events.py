"""What the engine says that happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class FleetEvent:
    """Something that happened to a container of the fleet or to one of its networks. `action` is the engine's word
    (Docker Engine API, SystemEvents). Where a network is joined or left, both `container_id` and `network` are known;
    `container` is empty for a stranger's. What an action does not tell is None."""

    time: datetime
    kind: Literal["container", "network"]
    action: str
    container_id: str | None = None
    container: str = ""
    service: str = ""
    number: int = 0
    network: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    health: str | None = None
    former_name: str | None = None
    """Of a container that was renamed."""
