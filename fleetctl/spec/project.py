"""What every reader of fleet.yaml's parts needs to know about the whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from fleetctl.spec.model import Baseline
from fleetctl.spec.site import Site


class Project(Struct):
    """The surroundings of a service: where files lie, which variables are set, what the top of the file names."""

    name: str
    directory: Path
    variables: Mapping[str, str]
    unsafe: bool
    baseline: Baseline = "restricted"
    networks: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()
    configs: Mapping[str, str] = {}
    """Name -> file as written."""
    secrets: Mapping[str, str] = {}
    warnings: list[str] = []

    def refuse(self, site: Site, why: str, hint: str) -> None:
        """Report what gives the host away or, with --unsafe, allow it with a warning."""
        if self.unsafe:
            self.warnings.append(f"{site.mark}: {site.path} is allowed by --unsafe: {why}.")
        else:
            site.report(f"refused: {why}", hint)
