"""Which process of this host is the engine behind a socket, and since when."""

from __future__ import annotations

import os
import socket
import struct
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

_CREDENTIALS = struct.Struct("3i")  # ucred: pid, uid, gid (unix(7), SO_PEERCRED)


def serving_process(address: str) -> int | None:
    """Who listens on unix://PATH: SO_PEERCRED (unix(7)) gives 0 for a process that has no number here. None where it
    cannot be known."""
    path = unquote(address.removeprefix("unix://"))
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(path)
            found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:
        return None
    return int(_CREDENTIALS.unpack(found)[0])


def started(address: str) -> datetime | None:
    """The start of the process that listens on unix://PATH; None for another kind of address or where that cannot be
    known. Behind a socket that systemd holds it is systemd's, which is before every container's."""
    pid = serving_process(address)
    if not pid:
        return None
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        return None
    boot = next((int(line.split()[1]) for line in lines if line.startswith("btime ")), None)
    if boot is None:
        return None
    # proc_pid_stat(5): starttime is the 22nd field, in clock ticks since the boot; two come before these.
    return datetime.fromtimestamp(boot + int(fields[19]) / os.sysconf("SC_CLK_TCK"), UTC)
