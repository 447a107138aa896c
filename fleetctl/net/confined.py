"""Reads files of a container through /proc/PID/root without ever being led out of it.

The container controls what is there: a symbolic link would be followed on the host's side, a pipe would block,
a device would act. So every component is opened with O_NOFOLLOW, and only a regular file is read.
"""

from __future__ import annotations

import errno
import os
import stat

LONGEST = 64 * 1024
"""Bytes of a file that are read; a longer one is refused."""


def read_confined(process: int, path: str) -> str:
    """The text of the file `path` ("etc/hosts") as that process sees it; `process` is an open /proc/PID.

    Raises OSError: ELOOP for a symbolic link on the way, EINVAL for what is no regular file, EFBIG for a long one.
    """
    # The only link that is followed is the kernel's own; it leads to the root of that process.
    folder = os.open("root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=process)
    try:
        *folders, name = path.split("/")
        for component in folders:
            within = os.open(component, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = within
            _refuse_link(folder, component)
        return _read(folder, name)
    finally:
        os.close(folder)


def _read(folder: int, name: str) -> str:
    # O_PATH opens nothing yet: what it is gets known before a pipe or a device notices.
    found = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        _refuse_link(found, name)
        if not stat.S_ISREG(os.fstat(found).st_mode):
            raise OSError(errno.EINVAL, f"{name} is no regular file")
        opened = os.open(f"/proc/thread-self/fd/{found}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(found)
    try:
        content = os.read(opened, LONGEST + 1)
    finally:
        os.close(opened)
    if len(content) > LONGEST:
        raise OSError(errno.EFBIG, f"{name} is longer than {LONGEST} bytes")
    return content.decode(errors="replace")


def _refuse_link(opened: int, name: str) -> None:
    """With O_PATH and O_NOFOLLOW a symbolic link is opened itself (open(2)) instead of refused."""
    if stat.S_ISLNK(os.fstat(opened).st_mode):
        raise OSError(errno.ELOOP, f"{name} is a symbolic link")
