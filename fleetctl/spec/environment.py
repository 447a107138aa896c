"""The environment of a service: its files first, then its own variables."""

from __future__ import annotations

from fleetctl.spec.compose_parts import EnvFileShape
from fleetctl.spec.compose_service import ServiceShape
from fleetctl.spec.dotenv import read_variables
from fleetctl.spec.project import Project
from fleetctl.spec.site import Site
from fleetctl.spec.textfile import read_regular
from fleetctl.spec.values import check_names, locate, read_pairs
from fleetctl.spec.wording import join


def read_environment(site: Site, shape: ServiceShape, project: Project, origins: dict[str, str]) -> dict[str, str]:
    """NAME -> value: `environment` beats `env_file`, the last file wins, a bare name passes through or is dropped."""
    own = read_pairs(
        site.at("environment"),
        shape.environment,
        bare=project.variables.get,
        origins=origins,
        prefix="environment",
    )
    check_names(site.at("environment"), own)
    pairs: dict[str, str] = {}
    raw = shape.env_file
    for index, item in enumerate([raw] if isinstance(raw, str) else raw or ()):
        place = site.at("env_file") if isinstance(raw, str) else site.at("env_file", index)
        entry = item if isinstance(item, EnvFileShape) else EnvFileShape(path=item)
        for name, (value, line) in _read_file(place, entry, project).items():
            passed = project.variables.get(name) if value is None else value
            if passed is not None and name not in own:
                pairs[name] = passed
                origins[join("environment", name)] = f"{entry.path}:{line}:1"
    return {**pairs, **own}


def _read_file(site: Site, entry: EnvFileShape, project: Project) -> dict[str, tuple[str | None, int]]:
    path = locate(site, project.directory, entry.path)
    if path is None or (entry.required is False and not path.exists()):
        return {}
    data = read_regular(path, site.report)
    return {} if data is None else read_variables(data, entry.path, project.variables, site.problems)
