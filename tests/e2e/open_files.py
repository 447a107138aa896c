"""What a process has open, so that a test can say that nothing was left open."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def open_files() -> set[tuple[str, str]]:
    """This process's open files: number and what it leads to (a socket's inode tells it from any other).

    A count would not do: what an earlier test has left to the garbage collector is closed at any time.
    """
    found = set()
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208  # no Path for something that vanishes while listed
        with suppress(FileNotFoundError):
            found.add((number, str(Path("/proc/self/fd", number).readlink())))
    return found
