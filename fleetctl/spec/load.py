"""fleet.yaml files become a Fleet, or a ConfigError that names every mistake."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from fleetctl.errors import ConfigError, Problem
from fleetctl.spec.balance import read_balances
from fleetctl.spec.compose import Document, FileShape
from fleetctl.spec.compose_service import ServiceShape
from fleetctl.spec.dotenv import MAX_EXPANDED, read_variables
from fleetctl.spec.interpolate import InterpolationError, interpolate
from fleetctl.spec.merge import merge_trees
from fleetctl.spec.model import Fleet, Network, Service
from fleetctl.spec.networks import check_fixed_addresses, read_address_range, read_networks, read_volumes
from fleetctl.spec.positions import Items, Mark, Node, Scalar, Table
from fleetctl.spec.problems import Problems, Stop
from fleetctl.spec.project import Project
from fleetctl.spec.references import check_host_ports, check_images, check_networks, settle_dependencies
from fleetctl.spec.services import check_name, read_service
from fleetctl.spec.shape import read_shape
from fleetctl.spec.site import Site, check_keys
from fleetctl.spec.textfile import MAX_BYTES, read_regular
from fleetctl.spec.tree import read_tree
from fleetctl.spec.values import locate
from fleetctl.spec.wording import join

MAX_SERVICES = 250
"""More would take longer than 0.1 s to read, and one bridge carries 1,000 replicas of all of them together."""

_FLEET_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)


def load_fleet(
    paths: Sequence[str | Path],
    environment: Mapping[str, str],
    *,
    fleet_name: str | None = None,
    profiles: Sequence[str] = (),
    env_file: Path | None = None,
    unsafe: bool = False,
    read_stdin: Callable[[], bytes] | None = None,
) -> Fleet:
    """The fleet that these files describe; later files win, "-" is standard input.

    Variables come from `environment`, then from `env_file` or, without one, from .env beside the first file.
    `fleet_name` beats the file's `name:`, which beats the directory's. Services without an active profile are left out.
    `unsafe` allows what gives the host away. Raises ConfigError, whose `problems` are all mistakes found.
    """
    problems = Problems()
    try:
        fleet = _load(paths, environment, fleet_name, profiles, env_file, unsafe, read_stdin, problems)
    except Stop:
        fleet = None
    if fleet is None or problems:
        raise _error(problems.found)
    return fleet


def _load(
    paths: Sequence[str | Path],
    environment: Mapping[str, str],
    fleet_name: str | None,
    profiles: Sequence[str],
    env_file: Path | None,
    unsafe: bool,
    read_stdin: Callable[[], bytes] | None,
    problems: Problems,
) -> Fleet | None:
    """The fleet, to be used only where no problem was noted; raises Stop."""
    directory = _directory(paths)
    variables = _read_dotenv(directory, env_file, environment, problems)
    tree = _read_files(paths, variables, read_stdin, problems)
    site = Site(tree, tree.mark, "", problems)
    document = read_shape(site, Document)
    if document is None:
        return None
    return _build(site, document, directory, variables, fleet_name, profiles, unsafe, tuple(map(str, paths)))


def _error(found: list[Problem]) -> ConfigError:
    """One error for all problems; its own text is that of the first."""
    found = sorted(found, key=_place)
    first = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return ConfigError(f"{first}{more}", hint=first.hint, problems=found)


def _place(problem: Problem) -> tuple[str, int, int]:
    file, line, column = problem.where.rsplit(":", 2)
    return file, int(line), int(column)


def _directory(paths: Sequence[str | Path]) -> Path:
    """The project's directory: that of the first file, the working directory for standard input."""
    first = str(paths[0]) if paths else "-"
    return Path.cwd() if first == "-" else Path(os.path.realpath(first)).parent


def _read_files(
    paths: Sequence[str | Path],
    variables: Mapping[str, str],
    read_stdin: Callable[[], bytes] | None,
    problems: Problems,
) -> Node:
    """The merged tree of all files, interpolated; raises Stop where one of them cannot be read."""
    merged: Node | None = None
    for path in paths:
        label = "stdin" if str(path) == "-" else str(path)
        tree = read_tree(_read_bytes(path, read_stdin), label, problems)
        interpolate_tree(tree, variables, problems)
        merged = tree if merged is None else merge_trees(merged, tree)
    if merged is None:
        raise ConfigError("no configuration file", hint="name one with -f")
    return merged


def _read_bytes(path: str | Path, read_stdin: Callable[[], bytes] | None) -> bytes:
    if str(path) == "-":
        if read_stdin is None:
            raise ConfigError("standard input is not available here", hint="name a file with -f")
        return read_stdin()
    try:
        with Path(path).open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(
            f"{path} cannot be read: {reason}", hint="name the file with -f, or change to its directory"
        ) from None


def _read_dotenv(
    directory: Path, env_file: Path | None, environment: Mapping[str, str], problems: Problems
) -> dict[str, str]:
    """The variables for interpolation: the environment's win over the file's."""
    path = directory / ".env" if env_file is None else env_file
    place = Site(None, Mark(str(path), 1, 1), "", problems)
    if env_file is None:
        if not path.exists():
            return dict(environment)
        inside = locate(place, directory, ".env")
        if inside is None:
            return dict(environment)

    def refuse(message: str, hint: str | None) -> NoReturn:
        raise ConfigError(message, hint=hint)

    data = read_regular(path, refuse)
    found = {} if data is None else read_variables(data, str(path), environment, problems)
    from_file = {name: value for name, (value, _) in found.items() if value is not None}
    return {**from_file, **environment}


def interpolate_tree(node: Node, variables: Mapping[str, str], problems: Problems) -> None:
    """Replace variables in every value below `node`, never in keys; nodes shared by aliases are visited once."""
    seen: set[int] = set()
    waiting: list[tuple[str, Node]] = [("", node)]
    length = 0
    while waiting:
        path, current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, Table):
            waiting.extend((join(path, key), child) for key, child in reversed(current.entries.items()))
        elif isinstance(current, Items):
            waiting.extend((f"{path}[{index}]", child) for index, child in reversed(list(enumerate(current.items))))
        elif "$" in current.text and isinstance(current.value, str):
            _interpolate_scalar(Site(current, current.mark, path, problems), current, variables)
            length += len(current.text)
            if length > MAX_EXPANDED:
                problems.stop(str(current.mark), path, "more than 4 MiB once variables are replaced")


def _interpolate_scalar(site: Site, scalar: Scalar, variables: Mapping[str, str]) -> None:
    try:
        scalar.text = interpolate(scalar.text, variables)
    except InterpolationError as error:
        site.report(str(error), error.hint)
        scalar.refused = True
    scalar.value = scalar.text
    scalar.castable = True


def _build(
    site: Site,
    document: Document,
    directory: Path,
    variables: Mapping[str, str],
    fleet_name: str | None,
    profiles: Sequence[str],
    unsafe: bool,
    files: tuple[str, ...],
) -> Fleet:
    if len(document.services) > MAX_SERVICES:
        site.at("services").problems.stop(
            str(site.key("services").mark), "services", f"more than {MAX_SERVICES} services", "split the fleet"
        )
    extension = document.x_fleet
    project = Project(
        name=_choose_name(site, document, directory, fleet_name),
        directory=directory,
        variables=variables,
        unsafe=unsafe,
        baseline=(extension.baseline if extension else None) or "restricted",
        volumes=_keys(site.at("volumes")),
        configs=_files(document.configs),
        secrets=_files(document.secrets),
    )
    if document.version is not None:
        project.warnings.append(f"{site.key('version').mark}: version is obsolete and means nothing; delete it.")
    for kind in ("networks", "volumes", "configs", "secrets"):
        check_keys(site.at(kind))
    _check_files(site, document, project)
    single = {name: _read_one(site, name, shape, project) for name, shape in document.services.items()}
    services = read_balances(site, document.services, single)
    if not _keys(site.at("services")):
        site.at("services").report("a fleet needs at least one service", None)
    active, inactive = _select(services, profiles)
    networks = read_networks(site.at("networks"), document.networks, project)
    check_networks(site, services, _keys(site.at("networks")))
    check_fixed_addresses(site, services, networks)
    check_host_ports(site, active)
    check_images(site, services)
    settled = settle_dependencies(site, active, inactive)
    if any("default" in service.networks for service in active.values()) and "default" not in networks:
        networks["default"] = Network("default", f"{project.name}_default")
    return Fleet(
        name=project.name,
        directory=directory,
        files=files,
        services={name: replace(service, depends_on=settled[name]) for name, service in active.items()},
        networks=networks,
        volumes=read_volumes(site.at("volumes"), document.volumes, project),
        addresses=read_address_range(site.at("x-fleet", "addresses"), extension.addresses if extension else None),
        inactive=inactive,
        warnings=tuple(project.warnings),
    )


def _read_one(site: Site, name: str, shape: ServiceShape, project: Project) -> Service:
    check_name(site.at("services").key(name), name)
    return read_service(site.at("services", name), name, shape, project)


def _keys(site: Site) -> frozenset[str]:
    """Keys as written: a definition with a mistake still defines its name."""
    return frozenset(site.node.entries) if isinstance(site.node, Table) else frozenset()


def _files(shapes: Mapping[str, FileShape] | None) -> dict[str, str]:
    return {name: shape.file for name, shape in (shapes or {}).items()}


def _check_files(site: Site, document: Document, project: Project) -> None:
    """Configs and secrets must lie in the project even where no service uses them."""
    for kind, shapes in (("configs", document.configs), ("secrets", document.secrets)):
        for name, shape in (shapes or {}).items():
            locate(site.at(kind, name, "file"), project.directory, shape.file)


def _select(services: Mapping[str, Service], profiles: Sequence[str]) -> tuple[dict[str, Service], tuple[str, ...]]:
    """The services to run, and the names of those whose profiles are not active; "*" is every profile."""
    wanted = set(profiles)
    active = {
        name: service
        for name, service in services.items()
        if not service.profiles or "*" in wanted or wanted & set(service.profiles)
    }
    return active, tuple(name for name in services if name not in active)


def _choose_name(site: Site, document: Document, directory: Path, fleet_name: str | None) -> str:
    hint = "use lower-case letters, digits, - and _, beginning with a letter or digit, at most 63"
    if fleet_name is not None:
        if not _FLEET_NAME.fullmatch(fleet_name):
            raise ConfigError(f"not a name of a fleet: {fleet_name[:80]!r}", hint=hint)
        return fleet_name
    if document.name is not None:
        if not _FLEET_NAME.fullmatch(document.name):
            site.at("name").report(f"not a name of a fleet: {document.name[:80]!r}", hint)
        return document.name
    # As Compose does: https://docs.docker.com/compose/how-tos/project-name
    name = re.sub(r"[^a-z0-9_-]", "", directory.name.lower()).lstrip("_-")[:63]
    if not name:
        site.report(f"the directory {directory.name!r} gives the fleet no name", "write name: at the top")
    return name
