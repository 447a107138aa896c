"""One run at a time on one fleet: a lock on a file of this host that the kernel lets go when its holder dies."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from fleetctl.errors import FleetError, LockHeld

SHARED = Path("/run/lock")
"""For lock files of all users, emptied at boot (file-hierarchy(7) of systemd; Debian has it without systemd, too)."""
ATTEMPTS = 100
"""How often a lock file may be removed just when it is taken, as each holder does at its end."""
CAREFUL = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""How a lock file is opened: without following links or waiting for the other end of a pipe."""
LOCKS = Path("/proc/locks")
"""All locks that the kernel knows (proc_locks(5))."""
HINT = "remove it, or set FLEET_LOCK_DIR to a directory that only you can write to"


@contextmanager
def fleet_lock(endpoint: str, fleet_name: str, doing: str) -> Iterator[None]:
    """Hold the fleet's lock inside the block. `doing` is shown to whoever finds it held. Raises LockHeld at once when
    another run has it. Runs on other hosts are kept apart by the engine's unique names only."""
    path = lock_path(endpoint, fleet_name)
    for _ in range(ATTEMPTS):
        with opened(path) as descriptor:
            take(descriptor, fleet_name)
            if not is_at(path, descriptor):
                continue
            write_holder(descriptor, f"fleetctl {doing}, pid {os.getpid()}")
            try:
                yield
            finally:
                remove(path, descriptor)
            return
    raise FleetError(f"cannot take the lock {path}: somebody keeps removing it", hint="set FLEET_LOCK_DIR")


def other_run(endpoint: str, fleet_name: str) -> str | None:
    """Who works on the fleet right now, as a sentence; None where nobody does, as far as this host knows. Only looks:
    to take the lock, if only to share it, would turn away a run that begins at that moment."""
    with suppress(OSError):
        descriptor = os.open(lock_path(endpoint, fleet_name), os.O_RDONLY | CAREFUL)
        try:
            if is_locked(os.fstat(descriptor), LOCKS.read_text()):
                return describe_holder(descriptor, fleet_name)
        finally:
            os.close(descriptor)
    return None


def is_locked(file: os.stat_result, locks: str) -> bool:
    """Whether somebody holds the file's lock alone, as in "1: FLOCK  ADVISORY  WRITE 420 fe:00:1466 0 EOF"."""
    place = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    held = (line.split()[1:6] for line in locks.splitlines())
    return any(words[:3] == ["FLOCK", "ADVISORY", "WRITE"] and words[4] == place for words in held)


def describe_holder(descriptor: int, fleet_name: str) -> str:
    """Who has the lock, with what it has written into the file."""
    holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
    return f"another run works on fleet {fleet_name}{f' ({holder})' if holder else ''}"


def lock_path(endpoint: str, fleet_name: str) -> Path:
    """One file per engine and fleet, the same for all users of this host."""
    address = endpoint
    if endpoint.startswith("unix://"):
        address = os.path.realpath(endpoint.removeprefix("unix://"))
    digest = hashlib.sha256(f"{address}\0{fleet_name}".encode()).hexdigest()[:16]
    return lock_directory(os.environ) / f"fleetctl-{digest}.lock"


def lock_directory(environment: Mapping[str, str], shared: Path = SHARED) -> Path:
    """FLEET_LOCK_DIR, else the directory that all users share where there is one, else the one for temporary files."""
    if named := environment.get("FLEET_LOCK_DIR"):
        return Path(named)
    with suppress(OSError):
        # Of a kind that everybody can use, not just usable for us: else root and others would lock apart.
        if stat.S_IMODE(shared.stat().st_mode) == 0o1777 and os.access(shared, os.W_OK | os.X_OK):
            return shared
    return Path(tempfile.gettempdir())


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A descriptor of the file, made first if need be. Raises FleetError for what is not plainly a file of its own:
    in a directory that all can write to anybody may have put something there under a name that can be guessed."""
    descriptor = open_lock(path)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise unusable(path, "it is not a regular file")
        if found.st_nlink > 1:
            raise unusable(path, "it has more than one name")
        yield descriptor
    finally:
        os.close(descriptor)


def open_lock(path: Path) -> int:
    """Open what exists without O_CREAT, which a sticky directory may refuse on another user's file (proc(5),
    protected_regular), and where it must not be written for reading only, which flock(2) allows."""
    for _ in range(ATTEMPTS):
        try:
            try:
                return os.open(path, os.O_RDWR | CAREFUL)
            except PermissionError:
                return os.open(path, os.O_RDONLY | CAREFUL)
            except FileNotFoundError:
                made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | CAREFUL, 0o644)
                os.fchmod(made, 0o644)  # whatever the umask: others have to be able to find it held
                return made
        except FileExistsError:
            continue
        except OSError as error:
            why = "it is a symbolic link" if error.errno == errno.ELOOP else (error.strerror or str(error))
            raise unusable(path, why) from error
    raise unusable(path, "somebody keeps removing it")


def unusable(path: Path, why: str) -> FleetError:
    return FleetError(f"cannot use the lock {path}: {why}", hint=HINT)


def take(descriptor: int, fleet_name: str) -> None:
    """Lock the file. Raises LockHeld with what its holder has written into it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        told = describe_holder(descriptor, fleet_name)
        raise LockHeld(told, hint="wait until it is through and run the command again") from None


def is_at(path: Path, descriptor: int) -> bool:
    """Whether the path still leads to the open file: one that was removed meanwhile keeps nobody out."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def write_holder(descriptor: int, text: str) -> None:
    """Leave a word for others, in a file of our own only; the lock holds without it."""
    if os.fstat(descriptor).st_uid != os.geteuid():
        return
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{text}\n".encode(), 0)


def remove(path: Path, descriptor: int) -> None:
    """Remove the file while the lock is still held; another user's stays, which does no harm."""
    with suppress(OSError):
        if is_at(path, descriptor):
            path.unlink()
