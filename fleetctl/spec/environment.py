"""The environment of a service: its files first, then its own variables."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from fleetctl.spec.compose import EnvFileShape, ServiceShape
from fleetctl.spec.dotenv import read_variables
from fleetctl.spec.project import Project
from fleetctl.spec.site import Site, join
from fleetctl.spec.tree import MAX_BYTES
from fleetctl.spec.values import check_names, locate, read_pairs


def read_environment(site: Site, shape: ServiceShape, project: Project, origins: dict[str, str]) -> dict[str, str]:
    """NAME -> value: `environment` beats `env_file`, the last file wins, a bare name passes through or is dropped."""
    pairs: dict[str, str] = {}
    raw = shape.env_file
    for index, item in enumerate([raw] if isinstance(raw, str) else raw or ()):
        place = site.at("env_file") if isinstance(raw, str) else site.at("env_file", index)
        entry = item if isinstance(item, EnvFileShape) else EnvFileShape(path=item)
        pairs.update(_read_file(place, entry, project, origins))
    own = read_pairs(
        site.at("environment"),
        shape.environment,
        bare=project.variables.get,
        origins=origins,
        prefix="environment",
    )
    check_names(site.at("environment"), own)
    pairs.update(own)
    return pairs


def _read_file(site: Site, entry: EnvFileShape, project: Project, origins: dict[str, str]) -> dict[str, str]:
    path = locate(site, project.directory, entry.path)
    if path is None or (entry.required is False and not path.exists()):
        return {}
    data = read_bounded(path, site.report)
    if data is None:
        return {}
    found = read_variables(data, entry.path, project.variables, site.problems)
    pairs: dict[str, str] = {}
    for name, (value, line) in found.items():
        passed = project.variables.get(name) if value is None else value
        if passed is not None:
            pairs[name] = passed
            written = origins.get(join("environment", name))
            if written is None or written.startswith(f"{entry.path}:"):
                origins[join("environment", name)] = f"{entry.path}:{line}:1"
    return pairs


def read_bounded(path: Path, report: Callable[[str, str | None], None]) -> bytes | None:
    """The bytes of a regular file, one more than the limit at most; None, with the mistake reported, on failure."""
    try:
        # Without O_NONBLOCK a named pipe would wait for a writer without end.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                report(f"{path} is not a file", None)
                return None
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        report(f"{path} cannot be read: {error.strerror}", "create it, or correct the path")
        return None
