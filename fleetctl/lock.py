"""One run at a time on one fleet: a lock on a file of this host that the kernel lets go when its holder dies."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fleetctl.errors import FleetError, LockHeld


@contextmanager
def fleet_lock(endpoint: str, fleet_name: str, doing: str) -> Iterator[None]:
    """Hold the fleet's lock inside the block. `doing` is shown to whoever finds it held. Raises LockHeld at once when
    another run has it. Runs on other hosts are kept apart by the engine's unique names only."""
    path = lock_path(endpoint, fleet_name)
    descriptor = open_lock(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
            raise LockHeld(
                f"another run works on fleet {fleet_name}{f' ({holder})' if holder else ''}",
                hint="wait until it is through and run the command again",
            ) from None
        write_holder(path, f"fleetctl {doing}, pid {os.getpid()}")
        yield
    finally:
        os.close(descriptor)


def lock_path(endpoint: str, fleet_name: str) -> Path:
    """One file per engine and fleet, the same for all users of this host."""
    address = endpoint
    if endpoint.startswith("unix://"):
        address = os.path.realpath(endpoint.removeprefix("unix://"))
    digest = hashlib.sha256(f"{address}\0{fleet_name}".encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"fleetctl-{digest}.lock"


def open_lock(path: Path) -> int:
    """Open without following links, made first if need be. An existing file is opened for reading only, which flock(2)
    allows, because a sticky directory may refuse O_CREAT on another user's file (proc(5), protected_regular)."""
    for _ in range(10):
        try:
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            try:
                made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            except FileExistsError:
                continue
            return made
        except OSError as error:
            why = "it is a symbolic link" if error.errno == errno.ELOOP else (error.strerror or str(error))
            raise FleetError(f"cannot open the lock {path}: {why}", hint="remove it, or set TMPDIR") from error
    raise FleetError(f"cannot open the lock {path}: somebody keeps removing it", hint="set TMPDIR")


def write_holder(path: Path, text: str) -> None:
    """Leave a word for others; only the file's owner can, and the lock holds without it."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{text}\n")
