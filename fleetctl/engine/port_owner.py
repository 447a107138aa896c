"""Finds which process of this host listens on a TCP port. Source: proc(5), /proc/net/tcp and /proc/PID/fd."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

LISTEN = "0A"
"""TCP_LISTEN in hexadecimal (include/net/tcp_states.h)."""


def port_in(text: str) -> int | None:
    """The host port in the engine's complaint, for example "Bind for 127.0.0.1:8080 failed: port is …"."""
    found = re.search(r"(?:\d|\]):(\d{1,5})\b(?=[ :])", text)
    return int(found.group(1)) if found else None


def process_owner(port: int) -> str | None:
    """ "process NAME (pid N)", or None when nobody listens or we may not look."""
    inodes = set(listening_inodes(port))
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            if any(str(link.readlink()) in wanted for link in (entry / "fd").iterdir()):
                name = (entry / "comm").read_text(errors="replace").strip()
                return f"process {name} (pid {entry.name})"
        except OSError:
            continue
    return None


def listening_inodes(port: int) -> Iterator[str]:
    """Socket inodes that listen on the port, IPv4 and IPv6."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]
