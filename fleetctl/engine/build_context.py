"""Builds images from a directory, and knows by a digest when nothing has changed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fleetctl.engine import labels
from fleetctl.errors import ConfigError, FleetError
from fleetctl.plan.actions import BuildImage
from fleetctl.spec.model import Build

if TYPE_CHECKING:
    from docker import APIClient

CHUNK = 1 << 20
EXECUTABLE = 0o755
PLAIN = 0o644


def context_digest(build: Build) -> str:
    """Hex SHA-256 of everything the image is built from: names, executable bits and contents of the context's files
    (those .dockerignore leaves), the Dockerfile's name, arguments and target. Times and owners do not count. Raises
    ConfigError for a context that cannot be read."""
    digest = hashlib.sha256()
    settings = [build.dockerfile, sorted(build.args.items()), build.target]
    digest.update(json.dumps(settings).encode())
    for name, path in context_files(build):
        with reading(path):
            mode = path.lstat().st_mode
            digest.update(f"\0{name}\0{kind(mode)}\0".encode(errors="surrogateescape"))
            if stat.S_ISLNK(mode):
                digest.update(os.fsencode(path.readlink()))
            elif stat.S_ISREG(mode):
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise ConfigError that names the file, which is this one unless the error knows better, where it cannot be taken
    into the context."""
    try:
        yield
    except (OSError, UnicodeError, re.error) as error:
        name = getattr(error, "filename", None) or path
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigError(
            f"the build context cannot take in {name}: {why}",
            hint="mend it, or leave it out with a line in .dockerignore",
        ) from error


def kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "link"
    if stat.S_ISDIR(mode):
        return "directory"
    return "executable" if mode & stat.S_IXUSR else "file"


def context_files(build: Build) -> Iterator[tuple[str, Path]]:
    """Name within the context and path of everything that .dockerignore does not leave out, sorted."""
    from docker.utils.build import exclude_paths

    check_context(build)
    patterns = ignore_patterns(build)
    with reading(build.context / ".dockerignore" if patterns else build.context):
        names = sorted(exclude_paths(str(build.context), patterns, dockerfile=build.dockerfile))
    for name in names:
        path = build.context / name
        with reading(path):
            wanted = name and (path.is_symlink() or path.is_dir() or path.is_file())
        if wanted:
            yield name, path


def ignore_patterns(build: Build) -> list[str]:
    """The lines of .dockerignore without comments and blank ones."""
    path = build.context / ".dockerignore"
    with reading(path):
        lines = path.read_text(encoding="utf-8-sig").splitlines() if path.is_file() else []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def check_context(build: Build) -> None:
    with reading(build.context):
        found, complete = build.context.is_dir(), (build.context / build.dockerfile).is_file()
    if not found:
        raise ConfigError(f"the build context {build.context} is not a directory")
    if not complete:
        raise ConfigError(
            f"{build.context} has no {build.dockerfile}", hint="add one, or name it with build.dockerfile"
        )


def write_context(build: Build, file: IO[bytes]) -> None:
    """The context as a tar archive with owners and times set to zero, so that equal contents give equal layers.
    Raises ConfigError for a context that cannot be read."""
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, path in context_files(build):
            with reading(path):
                add_entry(archive, name, path)


def add_entry(archive: tarfile.TarFile, name: str, path: Path) -> None:
    entry = archive.gettarinfo(str(path), arcname=name)
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    if entry.isfile():
        entry.mode = EXECUTABLE if entry.mode & stat.S_IXUSR else PLAIN
        with path.open("rb") as content:
            archive.addfile(entry, content)
    else:
        if entry.isdir():
            entry.mode = EXECUTABLE
        archive.addfile(entry)


def build_image(client: APIClient, action: BuildImage, progress: Callable[[str, str], None]) -> str:
    """Build with the engine's classic builder and tag; returns the image's id. Raises FleetError with the last lines
    of the build's output."""
    tail: list[str] = []
    with tempfile.TemporaryFile() as file:
        write_context(action.build, file)
        file.seek(0)
        messages = client.build(
            fileobj=file,
            custom_context=True,
            dockerfile=action.build.dockerfile,
            tag=action.reference,
            buildargs=dict(action.build.args),
            target=action.build.target or "",
            labels={
                labels.CONTEXT: action.context_digest,
                labels.BUILT_FOR: action.fleet,
            },
            nocache=action.no_cache,
            pull=action.pull,
            rm=True,
            forcerm=True,
            decode=True,
            timeout=None,
        )
        for message in messages:
            if "error" in message:
                raise build_failed(action, str(message["error"]), tail)
            for line in str(message.get("stream") or message.get("status") or "").splitlines():
                if line.strip():
                    tail = [*tail[-9:], line.rstrip()]
                    progress(action.reference, line.rstrip())
    return str(client.inspect_image(action.reference)["Id"])


def build_failed(action: BuildImage, error: str, tail: list[str]) -> FleetError:
    lines = "\n".join(f"    {line}" for line in tail)
    return FleetError(
        f"could not build image {action.reference} of service {action.service_name}: {error.strip()}\n{lines}",
        hint=f"see {action.build.context}/{action.build.dockerfile}",
    )
