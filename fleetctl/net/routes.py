"""Routes, the rules that choose among their tables, and neighbours, over rtnetlink(7)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from ipaddress import ip_address

from fleetctl.net.netlink import (
    Netlink,
    address,
    attributes,
    bare_package,
    dump_request,
    numbers,
    unsigned,
)
from fleetctl.state.network import ForwardingEntry, Neighbour, Route

with bare_package("pyroute2"):
    from pyroute2.netlink.rtnl import RTM_GETNEIGH, RTM_GETROUTE, rt_scope, rt_type
    from pyroute2.netlink.rtnl.ndmsg import NTF_SELF, NUD_PERMANENT, ndmsg, states
    from pyroute2.netlink.rtnl.rtmsg import rtmsg

_ROUTE = struct.Struct("=BBBBBBBBI")  # rtmsg: family, prefixes of destination and source, tos, table, protocol,
#                                       scope, type, flags
_HOP = struct.Struct("=HBBi")  # rtnexthop: length, flags, weight, ifindex
_NEIGHBOUR = struct.Struct("=B3xiHBB")  # ndmsg: family, ifindex, state, flags, type
_CLONED = 0x200  # RTM_F_CLONED: an entry of a cache

_ROUTE_ATTRIBUTES = numbers(
    rtmsg,
    "RTA_DST",
    "RTA_OIF",
    "RTA_GATEWAY",
    "RTA_PRIORITY",
    "RTA_PREFSRC",
    "RTA_MULTIPATH",
    "RTA_TABLE",
    "RTA_VIA",
)
_NEIGHBOUR_ATTRIBUTES = numbers(ndmsg, "NDA_DST", "NDA_LLADDR", "NDA_MASTER")
_ALL_ROUTES = dump_request(RTM_GETROUTE, bytes(_ROUTE.size))
_ALL_NEIGHBOURS = dump_request(RTM_GETNEIGH, bytes(_NEIGHBOUR.size))
_ALL_FORWARDING = dump_request(RTM_GETNEIGH, _NEIGHBOUR.pack(socket.AF_BRIDGE, 0, 0, 0, 0))

_ANYWHERE = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}  # noqa: S104 - a destination, nothing is bound to it
_BROADCAST = "255.255.255.255"
_STATES = {number: name for name, number in states.items()}


def routes(netlink: Netlink, names: Mapping[int, str]) -> tuple[Route, ...]:
    """Every route of every table, IPv4 first; `names` are those of the interfaces. Of several hops the first."""
    found = []
    for body in netlink.dump(_ALL_ROUTES):
        family, *_, flags = _ROUTE.unpack_from(body)
        if family in _ANYWHERE and not flags & _CLONED:
            values = attributes(body, _ROUTE.size, _ROUTE_ATTRIBUTES)
            ifindex = unsigned(values.get("RTA_OIF")) or 0
            hops = values.get("RTA_MULTIPATH")
            if hops:
                length, _, _, ifindex = _HOP.unpack_from(hops)
                values |= attributes(hops[:length], _HOP.size, _ROUTE_ATTRIBUTES)
            found.append(_route(body, values, names.get(ifindex, str(ifindex)) if ifindex else None))
    return tuple(found)


def _route(body: bytes, values: Mapping[str, bytes], interface: str | None) -> Route:
    family, prefix, _, _, table, _, scope, kind, _ = _ROUTE.unpack_from(body)
    return Route(
        destination=f"{address(values.get('RTA_DST')) or _ANYWHERE[family]}/{prefix}",
        kind=str(rt_type.get(kind, kind)),
        # RTA_VIA is a gateway of the other family, after two bytes that name it.
        gateway=address(values.get("RTA_GATEWAY") or values.get("RTA_VIA", b"")[2:]),
        interface=interface,
        source=address(values.get("RTA_PREFSRC")),
        metric=unsigned(values.get("RTA_PRIORITY")) or 0,
        scope="global" if scope == 0 else str(rt_scope.get(scope, scope)),
        table=unsigned(values.get("RTA_TABLE")) or table,
    )


def neighbours(netlink: Netlink, names: Mapping[int, str]) -> tuple[Neighbour, ...]:
    """Who is known on the links, IPv4 first; without groups and loopback, whose MACs follow from the address."""
    found = []
    for body in sorted(netlink.dump(_ALL_NEIGHBOURS), key=lambda body: body[0]):
        family, ifindex, state, _, _ = _NEIGHBOUR.unpack_from(body)
        values = attributes(body, _NEIGHBOUR.size, _NEIGHBOUR_ATTRIBUTES)
        known = address(values.get("NDA_DST"))
        if family not in _ANYWHERE or known is None or _follows(known):
            continue
        mac = values.get("NDA_LLADDR")
        if mac and not any(mac):  # on the loopback interface, for an own address
            continue
        name = names.get(ifindex, str(ifindex))
        found.append(Neighbour(known, mac.hex(":") if mac else None, name, _STATES.get(state, str(state))))
    return tuple(found)


def _follows(known: str) -> bool:
    parsed = ip_address(known)
    return parsed.is_multicast or parsed.is_loopback or parsed.is_unspecified or known == _BROADCAST


def forwarding(netlink: Netlink) -> tuple[ForwardingEntry, ...]:
    """The forwarding databases of every bridge; a MAC that is known in several VLANs is there once."""
    found = []
    for body in netlink.dump(_ALL_FORWARDING):
        _, ifindex, state, flags, _ = _NEIGHBOUR.unpack_from(body)
        values = attributes(body, _NEIGHBOUR.size, _NEIGHBOUR_ATTRIBUTES)
        mac, bridge = values.get("NDA_LLADDR"), unsigned(values.get("NDA_MASTER"))
        # What a device itself listens to (NTF_SELF) is listed too, and is in no bridge's database.
        if mac and bridge is not None and not flags & NTF_SELF:
            found.append(ForwardingEntry(mac.hex(":"), ifindex, bridge, own=bool(state & NUD_PERMANENT)))
    return tuple(dict.fromkeys(found))
