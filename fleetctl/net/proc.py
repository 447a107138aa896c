"""What /proc tells anyone about a process's network namespace, without a capability (proc_pid_net(5))."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path


def local_ipv4(pid: int) -> frozenset[str]:
    """The IPv4 addresses of the process's network namespace itself; none when the process is gone.

    In fib_trie a line such as `|-- 10.0.0.2` comes before its routes; `/32 host LOCAL` marks an own address.
    """
    try:
        lines = Path(f"/proc/{pid}/net/fib_trie").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(address.split()[-1] for address, route in pairwise(lines) if route.endswith("/32 host LOCAL"))
