"""What the command line asks of a plan beyond fleet.yaml."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wishes:
    """`services` empty means all; `grace` overrides every stop_grace_period, in seconds."""

    services: tuple[str, ...] = ()
    dependencies: bool = True
    force_recreate: bool = False
    no_recreate: bool = False
    remove_orphans: bool = False
    grace: float | None = None
    restoring: bool = False
    """Whether what is made puts a former release back."""
