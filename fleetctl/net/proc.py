"""What /proc tells anyone about a process's network namespace, without a capability (proc_pid_net(5))."""

from __future__ import annotations

import socket
import struct
from itertools import pairwise
from pathlib import Path

SHORTEST_PREFIX = 8
"""Routes to larger blocks stand for "everything else", not for somebody's network."""


def local_ipv4(pid: int) -> frozenset[str]:
    """The IPv4 addresses of the process's network namespace itself; none when the process is gone.

    In fib_trie a line such as `|-- 10.0.0.2` comes before its routes; `/32 host LOCAL` marks an own address.
    """
    try:
        lines = Path(f"/proc/{pid}/net/fib_trie").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(address.split()[-1] for address, route in pairwise(lines) if route.endswith("/32 host LOCAL"))


def routed_blocks() -> tuple[str, ...]:
    """The IPv4 blocks that this host has a route to, as CIDR, without the default route.

    A VPN may write that as 0.0.0.0/1 and 128.0.0.0/1: those are left out, too. proc_net_route(5): addresses are
    hexadecimal in the byte order of the host.
    """
    try:
        lines = Path("/proc/net/route").read_text().splitlines()[1:]
    except OSError:
        return ()
    blocks = []
    for line in lines:
        fields = line.split()
        destination, mask = int(fields[1], 16), int(fields[7], 16)
        if mask.bit_count() >= SHORTEST_PREFIX:
            address = socket.inet_ntoa(struct.pack("=L", destination))
            blocks.append(f"{address}/{mask.bit_count()}")
    return tuple(dict.fromkeys(blocks))
