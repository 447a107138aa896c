"""fleet.yaml files become a Fleet, or a ConfigError that names every mistake."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fleetctl.errors import ConfigError, Problem
from fleetctl.spec.compose import Document, FileShape, ServiceShape
from fleetctl.spec.dotenv import read_variables
from fleetctl.spec.environment import read_bounded
from fleetctl.spec.interpolate import InterpolationError, interpolate
from fleetctl.spec.merge import merge_trees
from fleetctl.spec.model import Fleet, Network, Service
from fleetctl.spec.networks import check_fixed_addresses, read_address_range, read_networks, read_volumes
from fleetctl.spec.positions import Items, Mark, Node, Scalar, Table
from fleetctl.spec.project import Project
from fleetctl.spec.references import check_host_ports, check_networks, settle_dependencies
from fleetctl.spec.services import check_name, read_service
from fleetctl.spec.shape import read_shape
from fleetctl.spec.site import Site
from fleetctl.spec.tree import MAX_BYTES, Unreadable, read_tree
from fleetctl.spec.values import locate

_FLEET_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
_MOST_PROBLEMS = 100


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
    problems: list[Problem] = []
    directory = _directory(paths)
    variables = _read_dotenv(directory, env_file, environment, problems)
    tree = _read_files(paths, variables, read_stdin, problems)
    if tree is None:
        raise _error(problems)
    site = Site(tree, tree.mark, "", problems)
    document = read_shape(site, Document)
    if document is None:
        raise _error(problems)
    fleet = _build(site, document, directory, variables, fleet_name, profiles, unsafe, tuple(map(str, paths)))
    if problems:
        raise _error(problems)
    return fleet


def _error(problems: list[Problem]) -> ConfigError:
    """One error for all problems, in the order of the files, each said once."""
    unique = list(dict.fromkeys(problems))[:_MOST_PROBLEMS]
    first = unique[0]
    if len(unique) == 1:
        return ConfigError(str(first), hint=first.hint, problems=unique)
    return ConfigError(
        f"{len(unique)} mistakes in the configuration, the first: {first}", hint=first.hint, problems=unique
    )


def _directory(paths: Sequence[str | Path]) -> Path:
    """The project's directory: that of the first file, the working directory for standard input."""
    first = str(paths[0]) if paths else "-"
    return Path.cwd() if first == "-" else Path(os.path.realpath(first)).parent


def _read_files(
    paths: Sequence[str | Path],
    variables: Mapping[str, str],
    read_stdin: Callable[[], bytes] | None,
    problems: list[Problem],
) -> Node | None:
    """The merged tree of all files, interpolated; None where one of them could not be read."""
    merged: Node | None = None
    for path in paths:
        try:
            tree = read_tree(_read_bytes(path, read_stdin), "stdin" if str(path) == "-" else str(path), problems)
        except Unreadable as error:
            problems.append(error.problem)
            return None
        interpolate_tree(tree, variables, problems)
        merged = tree if merged is None else merge_trees(merged, tree)
    return merged


def _read_bytes(path: str | Path, read_stdin: Callable[[], bytes] | None) -> bytes:
    if str(path) == "-" and read_stdin is not None:
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
    directory: Path, env_file: Path | None, environment: Mapping[str, str], problems: list[Problem]
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
    data = read_bounded(path, place.report)
    found = {} if data is None else read_variables(data, str(path), environment, problems)
    from_file = {name: value for name, (value, _) in found.items() if value is not None}
    return {**from_file, **environment}


def interpolate_tree(node: Node, variables: Mapping[str, str], problems: list[Problem]) -> None:
    """Replace variables in every value below `node`, never in keys; nodes shared by aliases are visited once."""
    seen: set[int] = set()
    waiting: list[Node] = [node]
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, Table):
            waiting.extend(reversed(current.entries.values()))
        elif isinstance(current, Items):
            waiting.extend(reversed(current.items))
        elif "$" in current.text and isinstance(current.value, str):
            _interpolate_scalar(current, variables, problems)


def _interpolate_scalar(scalar: Scalar, variables: Mapping[str, str], problems: list[Problem]) -> None:
    try:
        scalar.text = interpolate(scalar.text, variables)
    except InterpolationError as error:
        problems.append(Problem(str(scalar.mark), "", str(error), error.hint))
        scalar.text = scalar.text.replace("$", "")
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
    _check_files(site, document, project)
    services = {name: _read_one(site, name, shape, project) for name, shape in document.services.items()}
    if isinstance(document.services, dict) and not site.at("services").node.entries:  # type: ignore[union-attr]
        site.at("services").report("a fleet needs at least one service", None)
    active, inactive = _select(services, profiles)
    networks = read_networks(site.at("networks"), document.networks, project)
    check_networks(site, services, _keys(site.at("networks")))
    check_fixed_addresses(site, services, networks)
    check_host_ports(site, active)
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
