"""What /proc tells of network namespaces, and how its small files are read (proc_pid_net(5), proc_sys_net(5))."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

SHORTEST_PREFIX = 8
"""Routes to larger blocks stand for "everything else", not for somebody's network."""

_READ = 1 << 13
_HALF_A_PAGE = 2048
_SYSTEM = "/proc/sys/net/"
_EVERYWHERE = ("rp_filter", "forwarding", "arp_ignore", "arp_filter", "accept_local", "route_localnet")
_SETTINGS = {
    "ipv4": ("ip_local_port_range",),
    "ipv4/conf/all": _EVERYWHERE,
    "ipv6/conf/all": ("disable_ipv6",),
    "bridge": ("bridge-nf-call-iptables",),
    "netfilter": ("nf_conntrack_max", "nf_conntrack_count"),
}
_PROTOCOLS = ("Ip:", "Icmp:", "Tcp:", "Udp:", "TcpExt:", "IpExt:")


def read_small(path: str, *, dir_fd: int | None = None) -> str:
    """A whole file of the kernel's; quicker than pathlib, of which a thousand are read at once.

    The kernel may write it in pieces, and ends one only where the next line does not fit into a page: so a piece of
    less than half a page is the last, where no line is that long.
    """
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        content = piece = os.read(opened, _READ)
        while len(piece) >= _HALF_A_PAGE:
            piece = os.read(opened, _READ)
            content += piece
    finally:
        os.close(opened)
    return content.decode(errors="backslashreplace")


def numbered(directory: str) -> Iterator[int]:
    """The numbers among the names in a directory: the processes in /proc."""
    return (int(name) for name in sorted(os.listdir(directory)) if name.isdecimal())  # noqa: PTH208


def settings() -> dict[str, str]:
    """Kernel settings of the namespace that the calling thread is in; those that there are.

    Names as in state.network.Namespace; those of single interfaces come with the interfaces, and those under
    ipv4.conf.default concern none that exists.
    """
    found = {}
    for folder, names in _SETTINGS.items():
        try:
            opened = os.open(_SYSTEM + folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:  # the kernel has no such part
            continue
        for name in names:
            with suppress(OSError):  # nor this
                found[f"{folder.replace('/', '.')}.{name}"] = " ".join(read_small(name, dir_fd=opened).split())
        os.close(opened)
    # These two are one: ip_forward writes to it and to the settings of every interface (ip-sysctl).
    if "ipv4.conf.all.forwarding" in found:
        found["ipv4.ip_forward"] = found["ipv4.conf.all.forwarding"]
    return found


def statistics(process: int) -> dict[str, int]:
    """The protocols' counters in the namespace of the process whose /proc/PID is open as `process`.

    Lines come in pairs, names and values: `Ip: Forwarding DefaultTTL …` and `Ip: 1 64 …`. Raises OSError.
    """
    found: dict[str, int] = {}
    for name in ("net/snmp", "net/netstat"):
        lines = read_small(name, dir_fd=process).splitlines()
        for names, values in zip(lines[::2], lines[1::2], strict=False):
            if names.startswith(_PROTOCOLS):
                found.update(zip(_keys(names), map(int, values.split()[1:]), strict=False))
    return found


@lru_cache
def _keys(names: str) -> tuple[str, ...]:
    """Of one line with names, the same in every namespace: Ip.Forwarding …"""
    protocol, *keys = names.split()
    return tuple(f"{protocol[:-1]}.{key}" for key in keys)


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
