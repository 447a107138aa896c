"""Writes rules of nftables over nfnetlink into the calling thread's namespace, for want of the nft program."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import closing

INET, BRIDGE, NETDEV = 1, 7, 5  # NFPROTO_*
INPUT, FORWARD = 1, 2  # NF_INET_LOCAL_IN and NF_INET_FORWARD; NF_BR_* have the same numbers
DROP, ACCEPT = 0, 1
_NESTED = 0x8000
_BEGIN, _END = 0x10, 0x11  # NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END
_SUBSYSTEM = 10
_CREATE = 0x1 | 0x4 | 0x400 | 0x800  # NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    return attribute(kind | _NESTED, b"".join(attributes))


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("!i", value))


def expression(name: str, *attributes: bytes) -> bytes:
    return nested(1, text(1, name), nested(2, *attributes))


def destination_port(port: int) -> tuple[bytes, bytes]:
    """th dport PORT: two bytes of the transport header from the second on, loaded and compared."""
    load = expression("payload", number(1, 1), number(2, 2), number(3, 2), number(4, 2))
    compare = expression("cmp", number(1, 1), number(2, 0), nested(3, attribute(1, struct.pack("!H", port))))
    return load, compare


def counter() -> bytes:
    return expression("counter")


def verdict(code: int) -> bytes:
    return expression("immediate", number(1, 0), nested(2, nested(2, number(1, code))))


def add_table(family: int, table: str, hook: int, *rules: tuple[bytes, ...], policy: int = ACCEPT) -> None:
    """A table with one base chain "guard" at priority 0 and the rules, each a tuple of expressions."""
    place = nested(4, number(1, hook), number(2, 0))
    kind = (text(7, "filter"), number(5, policy))
    messages = [
        _message(0, family, text(1, table)),
        _message(3, family, text(1, table), text(3, "guard"), place, *kind),
        *(_message(6, family, text(1, table), text(2, "guard"), nested(4, *rule)) for rule in rules),
    ]
    with closing(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)) as nfnetlink:
        nfnetlink.settimeout(5)
        nfnetlink.send(_batch(_BEGIN) + b"".join(messages) + _batch(_END))
        for _ in messages:
            _, _, _, _, _, code = struct.unpack_from("=IHHIIi", nfnetlink.recv(65536))
            if code:
                raise OSError(-code, os.strerror(-code))


def _message(kind: int, family: int, *attributes: bytes) -> bytes:
    body = struct.pack("!BBH", family, 0, 0) + b"".join(attributes)
    return struct.pack("=IHHII", len(body) + 16, _SUBSYSTEM << 8 | kind, _CREATE, 1, 0) + body


def _batch(kind: int) -> bytes:
    return struct.pack("=IHHII", 20, kind, 1, 0, 0) + struct.pack("!BBH", 0, 0, _SUBSYSTEM)
