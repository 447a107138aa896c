"""The fleet's lock on this host."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fleetctl.errors import FleetError, LockHeld
from fleetctl.lock import fleet_lock, lock_directory, lock_path, other_run

HOLDER = """
import sys
from fleetctl.lock import fleet_lock
with fleet_lock("unix:///e", "f", "up"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks of this test lie in a directory of its own, for this process and those it starts."""
    monkeypatch.setenv("FLEET_LOCK_DIR", str(tmp_path))


def start_holder(expected: str | None = "held\n") -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert holder.stdout is not None
    if expected is not None:
        assert holder.stdout.readline() == expected
    return holder


def test_a_second_run_is_told_who_holds_the_lock() -> None:
    """Exit code 6, with the command and pid of the holder."""
    with start_holder() as holder:
        with pytest.raises(LockHeld, match=rf"fleetctl up, pid {holder.pid}"), fleet_lock("unix:///e", "f", "down"):
            pass
        holder.communicate()
    assert LockHeld.exit_code == 6


def test_the_lock_dies_with_its_holder() -> None:
    """After SIGKILL nothing has to be cleaned up."""
    with start_holder() as holder:
        holder.kill()
        holder.wait()
        with fleet_lock("unix:///e", "f", "up"):
            pass


def test_other_fleets_and_other_engines_are_not_locked_out() -> None:
    """The lock is one fleet's on one engine."""
    with (
        fleet_lock("unix:///e", "f", "up"),
        fleet_lock("unix:///e", "g", "up"),
        fleet_lock("unix:///other", "f", "up"),
    ):
        pass


def test_a_link_in_place_of_the_lock_is_refused(tmp_path: Path) -> None:
    """Nobody can make us write to another file through a link in a shared directory."""
    target = tmp_path / "precious"
    target.write_text("keep")
    lock_path("unix:///e", "f").symlink_to(target)
    with pytest.raises(FleetError, match="symbolic link"), fleet_lock("unix:///e", "f", "up"):
        pass
    assert target.read_text() == "keep"


def test_a_hard_link_in_place_of_the_lock_is_refused(tmp_path: Path) -> None:
    """As with a symbolic one, what it leads to stays as it is."""
    target = tmp_path / "precious"
    target.write_text("keep")
    lock_path("unix:///e", "f").hardlink_to(target)
    with pytest.raises(FleetError, match="more than one name"), fleet_lock("unix:///e", "f", "up"):
        pass
    assert target.read_text() == "keep"


def test_a_pipe_in_place_of_the_lock_is_refused_at_once() -> None:
    """Opening it would otherwise wait until somebody opens its other end."""
    os.mkfifo(lock_path("unix:///e", "f"))
    with start_holder(expected=None) as holder:
        try:
            _, told = holder.communicate(timeout=20)
        finally:
            holder.kill()
    assert "not a regular file" in told


def test_a_lock_that_is_removed_while_it_is_taken_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock on a file without a name keeps nobody out."""
    path, real = lock_path("unix:///e", "f"), fcntl.flock
    taken: list[int] = []

    def flock(descriptor: int, operation: int) -> None:
        if not taken:
            path.unlink()
        taken.append(descriptor)
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with fleet_lock("unix:///e", "f", "up"):
        assert len(taken) == 2
        with pytest.raises(LockHeld, match="fleetctl up"), fleet_lock("unix:///e", "f", "down"):
            pass


def test_a_lock_leaves_no_file_behind(tmp_path: Path) -> None:
    """Fleets come and go; so do their locks, and one that somebody left is taken all the same."""
    lock_path("unix:///e", "f").write_text("fleetctl up, pid 1, with much to say about what it did\n")
    with fleet_lock("unix:///e", "f", "up"):
        assert lock_path("unix:///e", "f").read_text() == f"fleetctl up, pid {os.getpid()}\n"
    assert list(tmp_path.iterdir()) == []


def test_users_share_one_directory_whatever_theirs_for_temporary_files_is(tmp_path: Path) -> None:
    """Where the system has one that all can write to, else the one for temporary files; a variable overrules both."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    assert lock_directory({}, shared) == shared
    shared.chmod(0o755)
    assert lock_directory({}, shared) == Path(tempfile.gettempdir())
    assert lock_directory({}, tmp_path / "none") == Path(tempfile.gettempdir())
    assert lock_directory({"FLEET_LOCK_DIR": "/there"}, shared) == Path("/there")


def test_whoever_only_looks_is_told_who_holds_the_lock_and_holds_up_nobody(tmp_path: Path) -> None:
    """Neither does the look make a file, nor does what a dead holder has left count."""
    assert other_run("unix:///e", "f") is None
    assert list(tmp_path.iterdir()) == []
    with start_holder() as holder:
        assert other_run("unix:///e", "f") == f"another run works on fleet f (fleetctl up, pid {holder.pid})"
        assert other_run("unix:///e", "g") is None
        holder.kill()
        holder.wait()
    assert "pid" in lock_path("unix:///e", "f").read_text()
    assert other_run("unix:///e", "f") is None
    with fleet_lock("unix:///e", "f", "up"):
        pass


def test_whoever_only_looks_follows_no_link_and_waits_for_no_pipe(tmp_path: Path) -> None:
    held = tmp_path / "held"
    with held.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        lock_path("unix:///e", "f").symlink_to(held)
        assert other_run("unix:///e", "f") is None
    os.mkfifo(lock_path("unix:///e", "g"))
    assert other_run("unix:///e", "g") is None
