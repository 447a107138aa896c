"""When the engine behind a socket of this host began to run."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

_CREDENTIALS = struct.Struct("3i")  # ucred: pid, uid, gid (unix(7), SO_PEERCRED)


def started(address: str) -> datetime | None:
    """The start of the process that listens on unix://PATH; None for another kind of address or where that cannot be
    known. Behind a socket that systemd holds it is systemd's, which is before every container's."""
    scheme, _, path = address.partition("://")
    if scheme != "unix":
        return None
    try:
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as connection:
            connection.connect(path)
            pid, _, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        return None
    boot = next((int(line.split()[1]) for line in lines if line.startswith("btime ")), None)
    if boot is None:
        return None
    # proc_pid_stat(5): starttime is the 22nd field, in clock ticks since the boot; two come before these.
    return datetime.fromtimestamp(boot + int(fields[19]) / os.sysconf("SC_CLK_TCK"), UTC)
