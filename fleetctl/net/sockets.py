"""Sockets that wait, over sock_diag(7): reading /proc/PID/net/tcp instead takes fifty times as long."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Mapping
from ipaddress import IPv6Address

from fleetctl.net.netlink import Netlink, address, attributes, dump_request
from fleetctl.state.network import Listener

NETLINK_SOCK_DIAG = 4
_BY_FAMILY = 20  # SOCK_DIAG_BY_FAMILY
# inet_diag_req_v2: family, protocol, extensions, states; the rest names one socket and stays empty in a listing.
_REQUEST = struct.Struct("=BBBxI48x")
# inet_diag_msg: family, state, timer, retransmissions; source and destination port; their addresses; interface, cookie;
# expiry, queues, uid, inode.
_SOCKET = struct.Struct("!BBBBHH16s16s")
_REST = struct.Struct("=IQIIIII")
_LISTEN, _CLOSE = 10, 7  # TCP_LISTEN, TCP_CLOSE: of UDP, connected to nobody
_V6_ONLY = {11: "v6_only"}  # INET_DIAG_SKV6ONLY
_DOCKER_DNS = bytes([127, 0, 0, 11]) + bytes(12)
"""Docker's DNS server listens there in every container, on ports that change, and belongs to no process in it."""

_LISTINGS = tuple(
    (protocol_name, dump_request(_BY_FAMILY, _REQUEST.pack(family, protocol, 0, 1 << state)))
    for protocol_name, protocol, state in (("tcp", socket.IPPROTO_TCP, _LISTEN), ("udp", socket.IPPROTO_UDP, _CLOSE))
    for family in (socket.AF_INET, socket.AF_INET6)
)


def listeners(diagnosis: Netlink, names: Mapping[int, str]) -> tuple[Listener, ...]:
    """Every TCP socket that listens and every UDP socket that waits, by protocol, port and address; who holds them is
    not asked. `diagnosis` is a socket of NETLINK_SOCK_DIAG, `names` are those of the interfaces."""
    bodies: list[tuple[str, bytes]] = []
    missing = 0
    for protocol, request in _LISTINGS:
        try:
            bodies += ((protocol, body) for body in diagnosis.dump(request))
        except FileNotFoundError:  # the kernel was built without IPv6, or lists no UDP
            missing += 1
    if missing == len(_LISTINGS):
        raise OSError(errno.EOPNOTSUPP, "the kernel lists no sockets (sock_diag)")
    found = (_listener(protocol, body, names) for protocol, body in bodies)
    return tuple(sorted(filter(None, found), key=lambda listener: (listener.protocol, listener.port, listener.address)))


def _listener(protocol: str, body: bytes, names: Mapping[int, str]) -> Listener | None:
    family, _, _, _, port, _, source, _ = _SOCKET.unpack_from(body)
    if not port or source == _DOCKER_DNS:
        return None
    ifindex, _, _, received, sent, uid, inode = _REST.unpack_from(body, _SOCKET.size)
    own = address(source[:4] if family == socket.AF_INET else source) or ""
    if family == socket.AF_INET6 and (mapped := IPv6Address(source).ipv4_mapped):
        own = str(mapped)  # ::ffff:127.0.0.1 takes what comes to 127.0.0.1 over IPv4, and nothing else
    rest = attributes(body, _SOCKET.size + _REST.size, _V6_ONLY)
    tcp = protocol == "tcp"
    return Listener(
        protocol=protocol,
        address=f"{own}%{names.get(ifindex, ifindex)}" if ifindex else own,
        port=port,
        inode=inode,
        queued=received if tcp else 0,
        backlog=sent if tcp else 0,
        uid=uid,
        v6_only=rest.get("v6_only") == b"\1",
    )
