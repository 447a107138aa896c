"""Fills the table of connections of this network namespace, or empties it: `connections SOURCE DESTINATION fill|flush`.

Entries are made over netlink (nfnetlink, ctnetlink) as "assured", since the kernel throws others out when it is full;
and of UDP, since it throws out those of TCP that are being closed, too, in a scan now and then while the table is 95 %
full (net/netfilter/nf_conntrack_core.c, gc_worker).
"""

from __future__ import annotations

import socket
import struct
import sys
from ipaddress import IPv4Address
from pathlib import Path

NEW, DELETE = 0x100, 0x102  # NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_*  (linux/netfilter/nfnetlink_conntrack.h)
REQUEST, ACK, CREATE = 0x1, 0x4, 0x400
ORIGINAL, REPLY, STATUS, TIMEOUT = 1, 2, 3, 7  # CTA_*
SEEN_REPLY, ASSURED, CONFIRMED = 0x2, 0x4, 0x8  # IPS_*
BATCH = 200
"""Messages in one send; more would not fit into the socket's buffer."""
CLIENTS = 65_000
"""How many ports of the client one port of the server gets entries with."""
MARK = 0xABCD
MARK_BYTES = struct.pack(">H", MARK)
"""Stands for the client's port in the template; nothing else in it looks so."""
UDP = 17


def attribute(kind: int, content: bytes, nested: bool = False) -> bytes:
    padding = -len(content) % 4
    return struct.pack("=HH", len(content) + 4, kind | (0x8000 if nested else 0)) + content + b"\0" * padding


def tuple_of(source: bytes, destination: bytes, ports: tuple[int, int]) -> bytes:
    addresses = attribute(1, source) + attribute(2, destination)
    protocol = (
        attribute(1, bytes([UDP]))
        + attribute(2, struct.pack(">H", ports[0]))
        + attribute(3, struct.pack(">H", ports[1]))
    )
    return attribute(1, addresses, nested=True) + attribute(2, protocol, nested=True)


def message(kind: int, flags: int, content: bytes) -> bytes:
    body = struct.pack("=BBH", socket.AF_INET, 0, 0) + content
    return struct.pack("=IHHII", len(body) + 16, kind, flags, 0, 0) + body


def entry(source: bytes, destination: bytes, ports: tuple[int, int]) -> bytes:
    content = (
        attribute(ORIGINAL, tuple_of(source, destination, ports), nested=True)
        + attribute(REPLY, tuple_of(destination, source, ports[::-1]), nested=True)
        + attribute(STATUS, struct.pack(">I", SEEN_REPLY | ASSURED | CONFIRMED))
        + attribute(TIMEOUT, struct.pack(">I", 120))
    )
    return message(NEW, REQUEST | CREATE, content)


def fill(source: bytes, destination: bytes) -> None:
    """Add entries until the table is full, and of nothing that makes room by itself: of those that others made before,
    each that goes would let a packet through. One that is refused is answered with ENOMEM, which nobody reads."""
    flush()
    maximum = connections("max")
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netlink:  # NETLINK_NETFILTER
        netlink.bind((0, 0))
        for port in range(20000, 20001 + maximum // CLIENTS):
            # Only the client's port differs from message to message: building each anew would take seconds.
            template = entry(source, destination, (MARK, port))
            for first in range(0, CLIENTS, BATCH):
                clients = (struct.pack(">H", client) for client in range(first, first + BATCH))
                netlink.sendto(b"".join(template.replace(MARK_BYTES, client) for client in clients), (0, 0))
    if connections("count") < maximum:
        sys.exit(f"{connections('count')} connections of at most {maximum}: the table is not full")


def connections(which: str) -> int:
    """How many connections there are in this namespace ("count"), or may be ("max")."""
    return int(Path(f"/proc/sys/net/netfilter/nf_conntrack_{which}").read_text())


def flush() -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netlink:
        netlink.sendto(message(DELETE, REQUEST | ACK, b""), (0, 0))
        netlink.recv(4096)


if __name__ == "__main__":
    addresses = [IPv4Address(text).packed for text in sys.argv[1:3]]
    fill(addresses[0], addresses[1]) if sys.argv[3] == "fill" else flush()
