"""What the kernel says over rtnetlink(7): interfaces, addresses and the numbers of network namespaces.

pyroute2 knows the messages: it encodes every request and numbers every attribute. Replies are walked here:
its decoder takes eight times as long over the few attributes wanted, and its sockets bring asyncio along.
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
from ipaddress import ip_address
from typing import Any

from fleetctl.state.network import BridgePort, Interface


@contextmanager
def _bare_package(name: str) -> Iterator[None]:
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


with _bare_package("pyroute2"):
    from pyroute2.netlink import (
        NLM_F_DUMP,
        NLM_F_DUMP_INTR,
        NLM_F_MULTI,
        NLM_F_REQUEST,
        NLMSG_DONE,
        NLMSG_ERROR,
    )
    from pyroute2.netlink.rtnl import RTM_GETADDR, RTM_GETLINK, RTM_GETNSID
    from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg, protinfo_bridge
    from pyroute2.netlink.rtnl.nsidmsg import nsidmsg


def _numbers(message: Any, *wanted: str) -> Mapping[int, str]:
    return {number: name for number, (name, *_) in enumerate(message.nla_map) if name in wanted}


_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port (netlink(7))
_ATTRIBUTE = struct.Struct("=HH")  # nlattr: length, type
_LINK = struct.Struct("=BxHiII")  # ifinfomsg: family, device type, ifindex, flags, change
_ADDRESS = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix, flags, scope, ifindex
_NSID_SIZE = 4  # rtgenmsg: family, padding
_NUMBER = 0x3FFF  # an attribute's type without NLA_F_NESTED and NLA_F_NET_BYTEORDER
_SKIP_STATISTICS = 8  # RTEXT_FILTER_SKIP_STATS
_LOOPBACK = 772  # ARPHRD_LOOPBACK
_RECEIVE = 1 << 16  # the kernel writes a dump in pieces of at most 32 KiB
_ATTEMPTS = 10

_LINK_ATTRIBUTES = _numbers(
    ifinfmsg,
    "IFLA_ADDRESS",
    "IFLA_IFNAME",
    "IFLA_MTU",
    "IFLA_LINK",
    "IFLA_MASTER",
    "IFLA_OPERSTATE",
    "IFLA_LINKINFO",
    "IFLA_LINK_NETNSID",
)
_KIND_ATTRIBUTES = _numbers(ifinfmsg.ifinfo, "IFLA_INFO_KIND", "IFLA_INFO_SLAVE_KIND", "IFLA_INFO_SLAVE_DATA")
_PORT_ATTRIBUTES = _numbers(protinfo_bridge, "IFLA_BRPORT_STATE")
_ADDRESS_ATTRIBUTES = _numbers(ifaddrmsg, "IFA_ADDRESS", "IFA_LOCAL")
_NSID_ATTRIBUTES = _numbers(nsidmsg, "NETNSA_NSID")


def _request(message: Any, kind: int, *attributes: tuple[str, int | None], flags: int = 0) -> bytes:
    request = message()
    request["attrs"] = list(attributes)
    request["header"].update(type=kind, flags=flags | NLM_F_REQUEST)
    request.encode()
    return bytes(request.data)


_ALL_LINKS = _request(ifinfmsg, RTM_GETLINK, ("IFLA_EXT_MASK", _SKIP_STATISTICS), flags=NLM_F_DUMP)
_ALL_ADDRESSES = _request(ifaddrmsg, RTM_GETADDR, flags=NLM_F_DUMP)

_LINK_STATES = ("unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up")  # IF_OPER_*
_PORT_STATES = ("disabled", "listening", "learning", "forwarding", "blocking")  # BR_STATE_*


class Netlink:
    """An rtnetlink socket of the network namespace that the calling thread is in when it opens it.

    Every method raises OSError with the kernel's errno when the kernel refuses.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)

    def close(self) -> None:
        self._socket.close()

    def interfaces(self, *, addresses: bool) -> tuple[Interface, ...]:
        """Every interface of the namespace by ifindex; with its addresses, or without asking for them.

        A listing without a loopback interface is an error: every namespace has one, and a refusal may read as
        empty.
        """
        bodies = self._dump(_ALL_LINKS)
        if not any(_LINK.unpack_from(body)[1] == _LOOPBACK for body in bodies):
            raise OSError(errno.ENODATA, "the kernel listed no loopback interface")
        cidrs = self._addresses() if addresses else {}
        return tuple(sorted((_interface(body, cidrs) for body in bodies), key=lambda link: link.ifindex))

    def namespace_id(self, *, pid: int | None = None, fd: int | None = None) -> int | None:
        """The number by which this namespace knows that of a process or of an open /proc/PID/ns/net.

        None when it was given no number. Raises ESRCH when there is no such process.
        """
        target = ("NETNSA_PID", pid) if fd is None else ("NETNSA_FD", fd)
        (body,) = self._ask(_request(nsidmsg, RTM_GETNSID, target))
        number = _integer(_attributes(body, _NSID_SIZE, _NSID_ATTRIBUTES).get("NETNSA_NSID"))
        return None if number == -1 else number

    def _addresses(self) -> Mapping[int, tuple[str, ...]]:
        """CIDR strings by ifindex, IPv4 before IPv6, else in the kernel's order."""
        cidrs: dict[int, tuple[str, ...]] = {}
        for body in sorted(self._dump(_ALL_ADDRESSES), key=lambda body: body[0]):  # AF_INET is 2, AF_INET6 is 10
            _, prefix, _, _, ifindex = _ADDRESS.unpack_from(body)
            values = _attributes(body, _ADDRESS.size, _ADDRESS_ATTRIBUTES)
            # Where there are both, IFA_LOCAL is the own address and IFA_ADDRESS the other side's.
            address = values.get("IFA_LOCAL") or values.get("IFA_ADDRESS")
            if address:
                cidrs[ifindex] = (*cidrs.get(ifindex, ()), f"{ip_address(address)}/{prefix}")
        return cidrs

    def _dump(self, request: bytes) -> list[bytes]:
        """A whole listing; asked for again when something came or went while the kernel wrote it."""
        for _ in range(_ATTEMPTS):
            try:
                return self._ask(request)
            except InterruptedError:
                continue
        raise OSError(errno.EAGAIN, f"interfaces came or went during each of {_ATTEMPTS} readings")

    def _ask(self, request: bytes) -> list[bytes]:
        """Sends one request; the bodies of the reply. InterruptedError when a listing is inconsistent."""
        self._socket.send(request)
        bodies: list[bytes] = []
        interrupted = False
        while True:
            for reply_kind, reply_flags, body in _messages(self._socket.recv(_RECEIVE)):
                interrupted |= bool(reply_flags & NLM_F_DUMP_INTR)
                if reply_kind in (NLMSG_ERROR, NLMSG_DONE):
                    _raise_for(body)
                    if interrupted:
                        raise InterruptedError
                    return bodies
                bodies.append(body)
                if not reply_flags & NLM_F_MULTI:
                    return bodies


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The messages of one datagram: type, flags and body."""
    offset = 0
    while offset < len(data):
        length, kind, flags, _, _ = _HEADER.unpack_from(data, offset)
        yield kind, flags, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def _raise_for(body: bytes) -> None:
    """An error and the end of a dump begin with a negative errno, or with 0 for success (netlink(7))."""
    code = -(_integer(body[:4]) or 0)
    if code:
        raise OSError(code, os.strerror(code))


def _attributes(data: bytes, offset: int, wanted: Mapping[int, str]) -> dict[str, bytes]:
    """The values, by name, of the wanted attributes (name by number) in the chain that begins at `offset`."""
    values: dict[str, bytes] = {}
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        name = wanted.get(kind & _NUMBER)
        if name:
            values[name] = data[offset + _ATTRIBUTE.size : offset + length]
        offset += max((length + 3) & ~3, _ATTRIBUTE.size)
    return values


def _interface(body: bytes, cidrs: Mapping[int, tuple[str, ...]]) -> Interface:
    ifindex = _LINK.unpack_from(body)[2]
    link = _attributes(body, _LINK.size, _LINK_ATTRIBUTES)
    info = _attributes(link.get("IFLA_LINKINFO", b""), 0, _KIND_ATTRIBUTES)
    port: dict[str, bytes] = {}
    if _text(info.get("IFLA_INFO_SLAVE_KIND")) == "bridge":
        port = _attributes(info.get("IFLA_INFO_SLAVE_DATA", b""), 0, _PORT_ATTRIBUTES)
    mac = link.get("IFLA_ADDRESS")
    return Interface(
        name=_text(link.get("IFLA_IFNAME")) or str(ifindex),
        ifindex=ifindex,
        mac=mac.hex(":") if mac else None,
        mtu=_integer(link.get("IFLA_MTU")) or 0,
        state=_name(_LINK_STATES, link.get("IFLA_OPERSTATE")) or "unknown",
        addresses=cidrs.get(ifindex, ()),
        bridge_ifindex=_integer(link.get("IFLA_MASTER")),
        peer_ifindex=_integer(link.get("IFLA_LINK")),
        peer_nsid=_integer(link.get("IFLA_LINK_NETNSID")),
        port=BridgePort(_name(_PORT_STATES, port["IFLA_BRPORT_STATE"]) or "") if port else None,
        kind=_text(info.get("IFLA_INFO_KIND")),
    )


def _integer(value: bytes | None) -> int | None:
    """A signed number of as many bytes as there are, in the machine's order."""
    return None if value is None else int.from_bytes(value, sys.byteorder, signed=True)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.rstrip(b"\0").decode("utf-8", "backslashreplace")


def _name(names: tuple[str, ...], value: bytes | None) -> str | None:
    """The name of a number, the number itself when the kernel has learnt a new one."""
    number = _integer(value)
    return None if number is None else names[number] if 0 <= number < len(names) else str(number)
