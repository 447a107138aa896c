"""A file of a container is read only where it is a plain file, and nothing leads out of the container."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetctl.net.confined import LONGEST, read_confined


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """What stands for /proc/PID/root, in what stands for /proc/PID."""
    (tmp_path / "root" / "etc").mkdir(parents=True)
    (tmp_path / "secret").write_text("of the host")
    return tmp_path / "root"


@pytest.fixture
def process(root: Path) -> Iterator[int]:
    opened = os.open(root.parent, os.O_PATH | os.O_DIRECTORY)
    yield opened
    os.close(opened)


def test_a_plain_file_is_read_up_to_the_limit_and_a_longer_one_is_refused(root: Path, process: int) -> None:
    (root / "etc/hosts").write_text("1" * LONGEST)
    assert read_confined(process, "etc/hosts") == "1" * LONGEST
    (root / "etc/hosts").write_text("1" * (LONGEST + 1))
    with pytest.raises(OSError, match="longer") as refused:
        read_confined(process, "etc/hosts")
    assert refused.value.errno == errno.EFBIG


@pytest.mark.parametrize("target", ["/etc/hostname", "../../secret", "real"])
def test_no_symbolic_link_is_followed_even_within_the_container(root: Path, process: int, target: str) -> None:
    (root / "etc/real").write_text("inside")
    (root / "etc/hosts").symlink_to(target)
    with pytest.raises(OSError, match="symbolic link"):
        read_confined(process, "etc/hosts")


def test_no_symbolic_link_is_followed_on_the_way(root: Path, process: int) -> None:
    (root / "etc").rmdir()
    (root / "etc").symlink_to(root.parent)
    with pytest.raises(OSError, match="symbolic link"):
        read_confined(process, "etc/secret")


def test_a_pipe_and_a_directory_are_refused_without_waiting(root: Path, process: int) -> None:
    os.mkfifo(root / "etc/hosts")
    with pytest.raises(OSError, match="no regular file"):
        read_confined(process, "etc/hosts")
    (root / "etc/resolv.conf").mkdir()
    with pytest.raises(OSError, match="no regular file"):
        read_confined(process, "etc/resolv.conf")


def test_reading_leaves_no_file_open(root: Path, process: int) -> None:
    (root / "etc/hosts").symlink_to("nowhere")
    before = os.listdir("/proc/self/fd")  # noqa: PTH208
    for name in ("etc/hosts", "etc/missing", "missing/hosts"):
        with pytest.raises(OSError):
            read_confined(process, name)
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208
