"""Sockets of netlink(7) and the walk through what the kernel answers.

pyroute2 knows the messages: it encodes every request that has attributes and numbers every attribute. Replies are
walked here: its decoder takes eight times as long over the few attributes wanted, and its sockets bring asyncio along.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def bare_package(name: str) -> Iterator[None]:
    """Lets modules of a package be imported without its `__init__`.

    That of pyroute2 imports every protocol it speaks: 150 ms, where the messages of rtnetlink take 12.
    """
    spec = importlib.util.find_spec(name) if name not in sys.modules else None
    if spec is None:
        yield
        return
    sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        yield
    finally:
        del sys.modules[name]  # whoever imports the package later gets the whole of it


with bare_package("pyroute2"):
    from pyroute2.netlink import (
        NLM_F_DUMP,
        NLM_F_DUMP_INTR,
        NLM_F_MULTI,
        NLM_F_REQUEST,
        NLMSG_DONE,
        NLMSG_ERROR,
    )

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port (netlink(7))
_ATTRIBUTE = struct.Struct("=HH")  # nlattr: length, type
_NUMBER = 0x3FFF  # an attribute's type without NLA_F_NESTED and NLA_F_NET_BYTEORDER
_RECEIVE = 1 << 16  # the kernel writes a dump in pieces of at most 32 KiB
_ATTEMPTS = 10


class Netlink:
    """A netlink socket of the network namespace that the calling thread is in when it opens it.

    Every method raises OSError with the kernel's errno when the kernel refuses.
    """

    def __init__(self, protocol: int = socket.NETLINK_ROUTE) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        # One for all: to make one for each piece takes longer than to read it.
        self._received = memoryview(bytearray(_RECEIVE))

    def close(self) -> None:
        self._socket.close()

    def dump(self, request: bytes) -> list[bytes]:
        """A whole listing; asked for again when something came or went while the kernel wrote it."""
        for _ in range(_ATTEMPTS):
            try:
                return self.ask(request)
            except InterruptedError:
                continue
        raise OSError(errno.EAGAIN, f"interfaces came or went during each of {_ATTEMPTS} readings")

    def ask(self, request: bytes) -> list[bytes]:
        """Sends one request; the bodies of the reply. InterruptedError when a listing is inconsistent."""
        self._socket.send(request)
        bodies: list[bytes] = []
        interrupted = False
        while True:
            size = self._socket.recv_into(self._received)
            for reply_kind, reply_flags, body in _messages(bytes(self._received[:size])):
                interrupted |= bool(reply_flags & NLM_F_DUMP_INTR)
                if reply_kind in (NLMSG_ERROR, NLMSG_DONE):
                    _raise_for(body)
                    if interrupted:
                        raise InterruptedError
                    return bodies
                bodies.append(body)
                if not reply_flags & NLM_F_MULTI:
                    return bodies


def encode(message: Any, kind: int, *attributes: tuple[str, int | None], flags: int = 0) -> bytes:
    """A request of one of pyroute2's messages, with attributes by their names."""
    request = message()
    request["attrs"] = list(attributes)
    request["header"].update(type=kind, flags=flags | NLM_F_REQUEST)
    request.encode()
    return bytes(request.data)


def dump_request(kind: int, body: bytes) -> bytes:
    """The request for a listing; quicker than pyroute2's when nothing but `body` need be said."""
    return _HEADER.pack(_HEADER.size + len(body), kind, NLM_F_REQUEST | NLM_F_DUMP, 0, 0) + body


def numbers(message: Any, *wanted: str) -> Mapping[int, str]:
    """The wanted attributes of one of pyroute2's messages: name by number."""
    numbered = enumerate(message.nla_map) if isinstance(message.nla_map[0][0], str) else _explicit(message.nla_map)
    return {number: name for number, (name, *_) in numbered if name in wanted}


def _explicit(nla_map: Any) -> Iterator[tuple[int, Any]]:
    return ((number, rest) for number, *rest in nla_map)


def attributes(data: bytes, offset: int, wanted: Mapping[int, str]) -> dict[str, bytes]:
    """The values, by name, of the wanted attributes (name by number) in the chain that begins at `offset`."""
    values: dict[str, bytes] = {}
    unpack, name_by = _ATTRIBUTE.unpack_from, wanted.get  # looked up once: an interface alone has sixty attributes
    end = len(data) - _ATTRIBUTE.size
    while offset <= end:
        length, kind = unpack(data, offset)
        name = name_by(kind & _NUMBER)
        if name:
            values[name] = data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3 or _ATTRIBUTE.size
    return values


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The messages of one datagram: type, flags and body."""
    offset = 0
    while offset < len(data):
        length, kind, flags, _, _ = _HEADER.unpack_from(data, offset)
        yield kind, flags, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def _raise_for(body: bytes) -> None:
    """An error and the end of a dump begin with a negative errno, or with 0 for success (netlink(7))."""
    code = -(integer(body[:4]) or 0)
    if code:
        raise OSError(code, os.strerror(code))


def integer(value: bytes | None) -> int | None:
    """A signed number of as many bytes as there are, in the machine's order."""
    return None if value is None else int.from_bytes(value, sys.byteorder, signed=True)


def unsigned(value: bytes | None) -> int | None:
    return None if value is None else int.from_bytes(value, sys.byteorder)


def text(value: bytes | None) -> str | None:
    return None if value is None else value.rstrip(b"\0").decode("utf-8", "backslashreplace")


def name_of(names: tuple[str, ...], value: bytes | None) -> str | None:
    """The name of a number, the number itself when the kernel has learnt a new one."""
    number = unsigned(value)
    return None if number is None else names[number] if number < len(names) else str(number)


def address(value: bytes | None) -> str | None:
    """An IPv4 or IPv6 address of four or sixteen bytes."""
    if not value:
        return None
    return socket.inet_ntop(socket.AF_INET if len(value) == 4 else socket.AF_INET6, value)
