"""The digest of a build context: what changes it and what does not."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleetctl.engine.build_context import context_digest, write_context
from fleetctl.errors import ConfigError
from fleetctl.spec.model import Build


@pytest.fixture
def build(tmp_path: Path) -> Build:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text("print(1)\n")
    (tmp_path / ".dockerignore").write_text("# a comment\n*.log\n\n")
    return Build(context=tmp_path)


def test_the_same_content_gives_the_same_digest_whenever_it_was_written(build: Build) -> None:
    """Times do not count: a fresh clone builds nothing anew."""
    before = context_digest(build)
    os.utime(build.context / "app" / "main.py", (1, 1))
    assert context_digest(build) == before


def test_ignored_files_do_not_count(build: Build) -> None:
    """As .dockerignore says."""
    before = context_digest(build)
    (build.context / "noise.log").write_text("x")
    assert context_digest(build) == before


def test_content_name_mode_link_and_settings_count(build: Build) -> None:
    """Each of them makes another image."""
    seen = {context_digest(build)}
    main = build.context / "app" / "main.py"
    main.write_text("print(2)\n")
    seen.add(context_digest(build))
    main.chmod(0o755)
    seen.add(context_digest(build))
    main.rename(build.context / "app" / "other.py")
    seen.add(context_digest(build))
    (build.context / "link").symlink_to("app/other.py")
    seen.add(context_digest(build))
    (build.context / "link").unlink()
    (build.context / "link").symlink_to("app/elsewhere.py")
    seen.add(context_digest(build))
    seen.add(context_digest(Build(context=build.context, args={"A": "1"})))
    seen.add(context_digest(Build(context=build.context, target="final")))
    assert len(seen) == 8


def test_the_archive_holds_what_the_digest_covers_with_owners_and_times_removed(build: Build) -> None:
    """Equal contents give equal layers on every machine."""
    (build.context / "noise.log").write_text("x")
    buffer = io.BytesIO()
    write_context(build, buffer)
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as archive:
        members = {member.name: member for member in archive.getmembers()}
    assert set(members) == {"Dockerfile", ".dockerignore", "app", "app/main.py"}
    assert {(member.uid, member.gid, member.mtime) for member in members.values()} == {(0, 0, 0)}


def test_a_context_without_dockerfile_says_so(tmp_path: Path) -> None:
    """With the way to mend it."""
    with pytest.raises(ConfigError, match="has no Dockerfile") as caught:
        context_digest(Build(context=tmp_path))
    assert caught.value.hint is not None


def digest(build: Build) -> None:
    context_digest(build)


def pack(build: Build) -> None:
    write_context(build, io.BytesIO())


@pytest.mark.parametrize("work", [digest, pack])
@pytest.mark.parametrize("content", [b"caf\xe9\n", b"[z-a]\n"], ids=["not UTF-8", "not a pattern"])
def test_a_dockerignore_that_makes_no_sense_is_named(
    build: Build, content: bytes, work: Callable[[Build], None]
) -> None:
    """It is the user's mistake and neither the engine's nor ours."""
    (build.context / ".dockerignore").write_bytes(content)
    with pytest.raises(ConfigError, match=r"\.dockerignore"):
        work(build)


def test_a_dockerignore_may_begin_with_a_byte_order_mark(build: Build) -> None:
    """As some editors write it; Docker leaves it out, too."""
    (build.context / ".dockerignore").write_bytes(b"\xef\xbb\xbf*.log\n")
    before = context_digest(build)
    (build.context / "noise.log").write_text("x")
    assert context_digest(build) == before


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that other users can enter, which those of tmp_path are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root reads everything, so be nobody for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("work", [digest, pack])
@pytest.mark.parametrize("name", ["Dockerfile", "secret", "folder", ".dockerignore"])
def test_what_cannot_be_read_is_named(open_directory: Path, name: str, work: Callable[[Build], None]) -> None:
    """With what to do about it."""
    (open_directory / "Dockerfile").write_text("FROM scratch\n")
    (open_directory / "folder").mkdir()
    (open_directory / "folder" / "file").write_text("")
    (open_directory / "secret").write_text("")
    (open_directory / ".dockerignore").write_text("nothing\n")
    build = Build(open_directory)
    work(build)
    (open_directory / name).chmod(0)
    with (
        without_privileges(),
        pytest.raises(ConfigError, match=f"{open_directory}/{name}: Permission denied") as caught,
    ):
        work(build)
    assert ".dockerignore" in str(caught.value.hint)
