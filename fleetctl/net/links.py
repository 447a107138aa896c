"""Interfaces, their addresses and settings, and the numbers of network namespaces, over rtnetlink(7)."""

from __future__ import annotations

import errno
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from fleetctl.net.netlink import (
    Netlink,
    address,
    attributes,
    bare_package,
    dump_request,
    encode,
    integer,
    name_of,
    numbers,
    text,
    unsigned,
)
from fleetctl.state.network import BridgePort, Counters, Interface

with bare_package("pyroute2"):
    from pyroute2.netlink import NLM_F_DUMP
    from pyroute2.netlink.rtnl import RTM_GETADDR, RTM_GETLINK, RTM_GETNSID
    from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg, protinfo_bridge
    from pyroute2.netlink.rtnl.nsidmsg import nsidmsg

_LINK = struct.Struct("=BxHiII")  # ifinfomsg: family, device type, ifindex, flags, change
_ADDRESS = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix, flags, scope, ifindex
_STATISTICS = struct.Struct("=8Q")  # rtnl_link_stats64: packets, bytes, errors, drops; of each first rx, then tx
_NSID_SIZE = 4  # rtgenmsg: family, padding
_SKIP_STATISTICS = 8  # RTEXT_FILTER_SKIP_STATS
_LOOPBACK = 772  # ARPHRD_LOOPBACK
_UP, _NOARP = 0x1, 0x80  # IFF_UP, IFF_NOARP

_LINK_ATTRIBUTES = numbers(
    ifinfmsg,
    "IFLA_ADDRESS",
    "IFLA_IFNAME",
    "IFLA_MTU",
    "IFLA_LINK",
    "IFLA_QDISC",
    "IFLA_MASTER",
    "IFLA_OPERSTATE",
    "IFLA_LINKINFO",
    "IFLA_STATS64",
    "IFLA_CARRIER",
    "IFLA_LINK_NETNSID",
    "IFLA_XDP",
    "IFLA_AF_SPEC",
)
_KIND_ATTRIBUTES = numbers(
    ifinfmsg.ifinfo, "IFLA_INFO_KIND", "IFLA_INFO_DATA", "IFLA_INFO_SLAVE_KIND", "IFLA_INFO_SLAVE_DATA"
)
_XDP_ATTRIBUTES = numbers(ifinfmsg.xdp, "IFLA_XDP_ATTACHED")
_BRIDGE_ATTRIBUTES = numbers(ifinfmsg.ifinfo.bridge_data, "IFLA_BR_STP_STATE", "IFLA_BR_VLAN_FILTERING")
_PORT_ATTRIBUTES = numbers(
    protinfo_bridge,
    "IFLA_BRPORT_STATE",
    "IFLA_BRPORT_MODE",
    "IFLA_BRPORT_LEARNING",
    "IFLA_BRPORT_UNICAST_FLOOD",
    "IFLA_BRPORT_ISOLATED",
)
_ADDRESS_ATTRIBUTES = numbers(ifaddrmsg, "IFA_ADDRESS", "IFA_LOCAL")
_NSID_ATTRIBUTES = numbers(nsidmsg, "NETNSA_NSID")
_FAMILIES = {2: "ipv4"}  # within IFLA_AF_SPEC: AF_INET
_CONFIGURATIONS = {1: "conf"}  # IFLA_INET_CONF: an array of numbers

_FEW_FACTS = encode(ifinfmsg, RTM_GETLINK, ("IFLA_EXT_MASK", _SKIP_STATISTICS), flags=NLM_F_DUMP)
_ALL_FACTS = dump_request(RTM_GETLINK, bytes(_LINK.size))
# Both end with the number that is asked about: encoding them anew for each process takes longer than the kernel does.
_NSID_OF_PID = encode(nsidmsg, RTM_GETNSID, ("NETNSA_PID", 0))[:-4]
_NSID_OF_FILE = encode(nsidmsg, RTM_GETNSID, ("NETNSA_FD", 0))[:-4]
_ALL_ADDRESSES = dump_request(RTM_GETADDR, bytes(_ADDRESS.size))

_LINK_STATES = ("unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up")  # IF_OPER_*
_PORT_STATES = ("disabled", "listening", "learning", "forwarding", "blocking")  # BR_STATE_*
_SETTINGS = {  # IPV4_DEVCONF_* in linux/ip.h, less one
    "forwarding": 0,
    "rp_filter": 7,
    "arp_filter": 12,
    "arp_ignore": 18,
    "accept_local": 22,
    "route_localnet": 25,
}
_MOST_SETTINGS = 1 + max(_SETTINGS.values())
_VALUES = struct.Struct(f"={_MOST_SETTINGS}i")


@dataclass(frozen=True, slots=True)
class Link:
    """One interface as the kernel describes it: ifindex, flags (IFF_*) and attributes by name."""

    ifindex: int
    flags: int
    values: Mapping[str, bytes]


def list_links(netlink: Netlink, *, counters: bool) -> list[Link]:
    """Every interface by ifindex, with its counters and settings or without.

    A listing without a loopback interface is an error: every namespace has one, and a refusal may read as empty.
    """
    links = []
    loopback = False
    for body in netlink.dump(_ALL_FACTS if counters else _FEW_FACTS):
        _, kind, ifindex, flags, _ = _LINK.unpack_from(body)
        loopback |= kind == _LOOPBACK
        links.append(Link(ifindex, flags, attributes(body, _LINK.size, _LINK_ATTRIBUTES)))
    if not loopback:
        raise OSError(errno.ENODATA, "the kernel listed no loopback interface")
    return sorted(links, key=lambda link: link.ifindex)


def addresses(netlink: Netlink) -> Mapping[int, tuple[str, ...]]:
    """CIDR strings by ifindex, IPv4 before IPv6, else in the kernel's order."""
    cidrs: dict[int, tuple[str, ...]] = {}
    for body in sorted(netlink.dump(_ALL_ADDRESSES), key=lambda body: body[0]):  # AF_INET is 2, AF_INET6 is 10
        _, prefix, _, _, ifindex = _ADDRESS.unpack_from(body)
        values = attributes(body, _ADDRESS.size, _ADDRESS_ATTRIBUTES)
        # Where there are both, IFA_LOCAL is the own address and IFA_ADDRESS the other side's.
        own = address(values.get("IFA_LOCAL") or values.get("IFA_ADDRESS"))
        if own:
            cidrs[ifindex] = (*cidrs.get(ifindex, ()), f"{own}/{prefix}")
    return cidrs


def namespace_id(netlink: Netlink, *, pid: int | None = None, fd: int | None = None) -> int | None:
    """The number by which this namespace knows that of a process or of an open /proc/PID/ns/net.

    None when it was given no number. Raises ESRCH when there is no such process.
    """
    request, target = (_NSID_OF_PID, pid) if fd is None else (_NSID_OF_FILE, fd)
    (body,) = netlink.ask(request + struct.pack("=I", target))
    number = integer(attributes(body, _NSID_SIZE, _NSID_ATTRIBUTES).get("NETNSA_NSID"))
    return None if number == -1 else number


def interface_settings(link: Link) -> dict[str, str]:
    """Its settings, such as ipv4.conf.eth0.rp_filter, when it was listed with them: no file need be read."""
    family = attributes(link.values.get("IFLA_AF_SPEC", b""), 0, _FAMILIES).get("ipv4", b"")
    values = attributes(family, 0, _CONFIGURATIONS).get("conf", b"")
    if len(values) < _VALUES.size:
        return {}
    numbered = _VALUES.unpack_from(values)
    prefix = f"ipv4.conf.{text(link.values.get('IFLA_IFNAME'))}."
    return {prefix + setting: str(numbered[number]) for setting, number in _SETTINGS.items()}


def interface(described: Link, addresses: tuple[str, ...] = ()) -> Interface:
    """What is shown of it."""
    ifindex, link = described.ifindex, described.values
    info = attributes(link.get("IFLA_LINKINFO", b""), 0, _KIND_ATTRIBUTES)
    kind = text(info.get("IFLA_INFO_KIND"))
    bridge: dict[str, bytes] = {}
    if kind == "bridge":
        bridge = attributes(info.get("IFLA_INFO_DATA", b""), 0, _BRIDGE_ATTRIBUTES)
    mac = link.get("IFLA_ADDRESS")
    carrier = unsigned(link.get("IFLA_CARRIER"))
    return Interface(
        name=text(link.get("IFLA_IFNAME")) or str(ifindex),
        ifindex=ifindex,
        mac=mac.hex(":") if mac else None,
        mtu=unsigned(link.get("IFLA_MTU")) or 0,
        state=name_of(_LINK_STATES, link.get("IFLA_OPERSTATE")) or "unknown",
        addresses=addresses,
        bridge_ifindex=integer(link.get("IFLA_MASTER")),
        peer_ifindex=integer(link.get("IFLA_LINK")),
        peer_nsid=integer(link.get("IFLA_LINK_NETNSID")),
        port=_port(info),
        kind=kind,
        up=bool(described.flags & _UP),
        carrier=None if carrier is None else bool(carrier),
        arp=not described.flags & _NOARP,
        xdp=bool(unsigned(attributes(link.get("IFLA_XDP", b""), 0, _XDP_ATTRIBUTES).get("IFLA_XDP_ATTACHED"))),
        qdisc=text(link.get("IFLA_QDISC")),
        stp=bool(unsigned(bridge.get("IFLA_BR_STP_STATE"))),
        vlan_filtering=bool(unsigned(bridge.get("IFLA_BR_VLAN_FILTERING"))),
        counters=_counters(link.get("IFLA_STATS64")),
    )


def _port(info: Mapping[str, bytes]) -> BridgePort | None:
    if text(info.get("IFLA_INFO_SLAVE_KIND")) != "bridge":
        return None
    port = attributes(info.get("IFLA_INFO_SLAVE_DATA", b""), 0, _PORT_ATTRIBUTES)
    if not port:
        return None
    return BridgePort(
        state=name_of(_PORT_STATES, port.get("IFLA_BRPORT_STATE")) or "",
        isolated=port.get("IFLA_BRPORT_ISOLATED") == b"\1",
        learning=port.get("IFLA_BRPORT_LEARNING") != b"\0",
        flood=port.get("IFLA_BRPORT_UNICAST_FLOOD") != b"\0",
        hairpin=port.get("IFLA_BRPORT_MODE") == b"\1",
    )


def _counters(statistics: bytes | None) -> Counters | None:
    if statistics is None:
        return None
    rx_packets, tx_packets, rx_bytes, tx_bytes, rx_errors, tx_errors, rx_dropped, tx_dropped = _STATISTICS.unpack_from(
        statistics
    )
    return Counters(rx_packets, rx_bytes, rx_errors, rx_dropped, tx_packets, tx_bytes, tx_errors, tx_dropped)
