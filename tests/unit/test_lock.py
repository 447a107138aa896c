"""The fleet's lock on this host."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fleetctl.errors import FleetError, LockHeld
from fleetctl.lock import fleet_lock, lock_path

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
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


def start_holder() -> subprocess.Popen[str]:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
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
