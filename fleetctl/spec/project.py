"""What every reader of fleet.yaml's parts needs to know about the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fleetctl.spec.model import Baseline
from fleetctl.spec.site import Site


@dataclass(slots=True)
class Project:
    """The surroundings of a service: where files lie, which variables are set, what the top of the file names."""

    name: str
    directory: Path
    variables: Mapping[str, str]
    unsafe: bool
    baseline: Baseline = "restricted"
    networks: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()
    configs: Mapping[str, str] = field(default_factory=dict)
    """Name -> file as written."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def refuse(self, site: Site, why: str, hint: str) -> None:
        """Report what gives the host away or, with --unsafe, allow it with a warning."""
        if self.unsafe:
            self.warnings.append(f"{site.mark}: {site.path} is allowed by --unsafe: {why}.")
        else:
            site.report(f"refused: {why}", hint)
