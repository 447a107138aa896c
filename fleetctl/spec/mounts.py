"""Volumes, binds, tmpfs, configs and secrets of a service."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Literal

from fleetctl.spec.compose_parts import FileMountShape, MountShape
from fleetctl.spec.danger import why_dangerous_path
from fleetctl.spec.model import FileMount, Mount
from fleetctl.spec.project import Project
from fleetctl.spec.site import Site, suggest
from fleetctl.spec.units import parse_bytes
from fleetctl.spec.values import locate, read_quantity
from fleetctl.spec.wording import shown

MAX_MOUNTS = 250
MAX_FILE_BYTES = 64 << 20
"""Of one config or secret: its content is read at every run."""


def read_mounts(site: Site, raw: list[str | MountShape] | None, project: Project) -> tuple[Mount, ...]:
    """The mounts of `volumes`, each target once."""
    mounts: list[Mount] = []
    targets: set[str] = set()
    if len(raw or ()) > MAX_MOUNTS:
        site.report(f"more than {MAX_MOUNTS} mounts", "mount a directory that holds them")
        return ()
    for index, item in enumerate(raw or ()):
        place = site.at(index)
        mount = _read_short(place, item, project) if isinstance(item, str) else _read_long(place, item, project)
        if mount is None:
            continue
        if mount.target in targets:
            place.report(f"something is mounted at {mount.target} already", "keep one of them")
        targets.add(mount.target)
        mounts.append(mount)
    return tuple(mounts)


def _read_short(site: Site, text: str, project: Project) -> Mount | None:
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        site.report(f"not a mount: {text[:200]!r}", "the form is [SOURCE:]TARGET[:ro]")
        return None
    if len(parts) == 1:
        return _finish(site, Mount("volume", parts[0]), project)
    source, target, *modes = parts
    if modes and modes[0] not in ("ro", "rw"):
        site.report(f"not a mode of a mount: {modes[0][:60]!r}", "write ro or rw")
        return None
    read_only = modes == ["ro"]
    if source.startswith((".", "/", "~")):
        # Compose makes a missing host directory for the short form.
        return _finish(site, Mount("bind", target, source, read_only, create_host_path=True), project)
    return _finish(site, Mount("volume", target, source, read_only), project)


def _read_long(site: Site, shape: MountShape, project: Project) -> Mount | None:
    for options in ("bind", "tmpfs"):
        if getattr(shape, options) is not None and shape.type != options:
            site.at(options).report(f"belongs to mounts of type {options}", f"delete it, or write type: {options}")
    size = read_quantity(site.at("tmpfs", "size"), parse_bytes, shape.tmpfs.size if shape.tmpfs else None)
    if shape.type == "tmpfs" and shape.source is not None:
        site.at("source").report("a tmpfs has no source", "delete it")
    if shape.type == "bind" and shape.source is None:
        site.report("a bind needs a source", "write source: ./PATH")
        return None
    create = shape.bind.create_host_path if shape.bind else None
    mount = Mount(
        kind=shape.type,
        target=shape.target,
        source=None if shape.type == "tmpfs" else shape.source,
        read_only=shape.read_only or False,
        create_host_path=shape.type == "bind" and create is not False,
        tmpfs_size=size,
        tmpfs_mode=shape.tmpfs.mode if shape.tmpfs else None,
    )
    return _finish(site, mount, project)


def _finish(site: Site, mount: Mount, project: Project) -> Mount | None:
    """The mount with absolute paths, checked."""
    target = check_target(site, mount.target)
    if target is None:
        return None
    source = mount.source
    if mount.kind == "volume" and source is not None and source not in project.volumes:
        hint = (
            suggest(source, project.volumes) or f"add {source} to volumes: at the top, or write ./{source} for a path"
        )
        site.report(f"the volume {source[:200]!r} is not defined", hint)
        return None
    if mount.kind == "bind" and source is not None:
        source = _host_path(site, source, project)
    return Mount(
        mount.kind, target, source, mount.read_only, mount.create_host_path, mount.tmpfs_size, mount.tmpfs_mode
    )


def _host_path(site: Site, source: str, project: Project) -> str:
    if source == "~" or source.startswith("~/"):
        source = project.variables.get("HOME", "/root") + source[1:]
    path = os.path.normpath(project.directory / source)
    check_host_path(site, path, project)
    return path


def check_host_path(site: Site, path: str, project: Project) -> None:
    """Refuse host paths whose bind would give the host away, unless the user said --unsafe."""
    if "\0" in path:
        site.report("a path with a NUL byte")
        return
    why = why_dangerous_path(path, project.directory)
    if why is not None:
        project.refuse(site, why, "bind a directory of the project, or pass --unsafe if you mean it")


def check_target(site: Site, target: str) -> str | None:
    """The normal form of an absolute path in the container; None, with the mistake noted, for others."""
    if not target.startswith("/") or os.path.normpath(target) in ("/", "//") or "\0" in target:
        site.report(f"not an absolute path in the container: {target[:200]!r}", "write it as in /data")
        return None
    return os.path.normpath(target)


def read_tmpfs(site: Site, raw: str | list[str] | None, defaults: Mapping[str, str], taken: set[str]) -> dict[str, str]:
    """Target -> options; those of the baseline come first and yield to the file's own mounts there."""
    paths = {path: options for path, options in defaults.items() if path not in taken}
    named: set[str] = set()
    for index, item in enumerate([raw] if isinstance(raw, str) else raw or ()):
        place = site if isinstance(raw, str) else site.at(index)
        path, _, options = item.partition(":")
        target = check_target(place, path)
        if target is None:
            continue
        if target in named or target in taken:
            place.report(f"something is mounted at {target} already", "keep one of them")
        named.add(target)
        paths[target] = options
    return paths


def read_files(
    site: Site,
    raw: list[str | FileMountShape] | None,
    kind: Literal["config", "secret"],
    project: Project,
) -> tuple[FileMount, ...]:
    """The configs or secrets of a service; `site` is that of the service."""
    known = project.configs if kind == "config" else project.secrets
    files: list[FileMount] = []
    for index, item in enumerate(raw or ()):
        place = site.at(f"{kind}s", index)
        name = item if isinstance(item, str) else item.source
        if name not in known:
            hint = suggest(name, known) or f"add it to {kind}s: at the top"
            place.report(f"the {kind} {name[:200]!r} is not defined", hint)
            continue
        target = _file_target(place, name, kind, None if isinstance(item, str) else item.target)
        source = locate(Site(None, place.mark, place.path, place.problems), project.directory, known[name])
        digest = None if source is None else digest_file(place, source)
        if target is not None and source is not None and digest is not None:
            files.append(FileMount(name, kind, source, target, digest))
    return tuple(files)


def _file_target(site: Site, name: str, kind: str, target: str | None) -> str | None:
    if kind == "secret":
        # A relative target of a secret lies in /run/secrets: Compose Specification, "secrets".
        return check_target(site, str(PurePosixPath("/run/secrets") / (target or name)))
    return check_target(site, target or f"/{name}")


def digest_file(site: Site, path: Path) -> str | None:
    """Hex SHA-256 of a regular file; None, with the mistake noted, where it cannot be read."""
    import hashlib

    try:
        # Without O_NONBLOCK a named pipe would wait for a writer without end.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                site.report(f"{shown(str(path), 200)} is not a file", None)
                return None
            if facts.st_size > MAX_FILE_BYTES:
                site.report(f"{shown(str(path), 200)} is larger than 64 MiB", "bind it with volumes: instead")
                return None
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        site.report(f"{shown(str(path), 200)} cannot be read: {error.strerror}", "create it, or correct the path")
        return None
