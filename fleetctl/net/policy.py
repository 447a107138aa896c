"""The rules that choose a table of routes, as ip-rule(8) writes them, over rtnetlink(7)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from functools import lru_cache

from fleetctl.net.netlink import Netlink, address, attributes, bare_package, dump_request, numbers, text, unsigned
from fleetctl.state.network import PolicyRule

with bare_package("pyroute2"):
    from pyroute2.netlink.rtnl import RTM_GETRULE
    from pyroute2.netlink.rtnl.fibmsg import fibmsg

_RULE = struct.Struct(
    "=BBBBBxxBI"
)  # fib_rule_hdr: family, prefixes of destination and source, tos, table, action, flags
_INVERT = 0x2  # FIB_RULE_INVERT
_ACTIONS = {3: "nop", 6: "blackhole", 7: "unreachable", 8: "prohibit"}  # FR_ACT_*
_TO_TABLE, _GOTO = 1, 2
_TABLES = {253: "default", 254: "main", 255: "local"}
_NO_SUPPRESSION = 0xFFFFFFFF
_ATTRIBUTES = numbers(
    fibmsg,
    "FRA_DST",
    "FRA_SRC",
    "FRA_IIFNAME",
    "FRA_GOTO",
    "FRA_PRIORITY",
    "FRA_FWMARK",
    "FRA_SUPPRESS_PREFIXLEN",
    "FRA_TABLE",
    "FRA_FWMASK",
    "FRA_OIFNAME",
    "FRA_L3MDEV",
    "FRA_UID_RANGE",
    "FRA_IP_PROTO",
    "FRA_SPORT_RANGE",
    "FRA_DPORT_RANGE",
)
_ALL_RULES = dump_request(RTM_GETRULE, bytes(_RULE.size))


def policy(netlink: Netlink) -> tuple[PolicyRule, ...]:
    """Every rule in the order it is tried, IPv4 first."""
    bodies = netlink.dump(_ALL_RULES)
    return tuple(
        _rule(body) for body in sorted(bodies, key=lambda body: body[0]) if body[0] in (socket.AF_INET, socket.AF_INET6)
    )


@lru_cache  # most namespaces have the same rules
def _rule(body: bytes) -> PolicyRule:
    family, to_prefix, from_prefix, tos, table, action, flags = _RULE.unpack_from(body)
    values = attributes(body, _RULE.size, _ATTRIBUTES)
    words = ["not"] if flags & _INVERT else []
    words.append(f"from {_block(values.get('FRA_SRC'), from_prefix) or 'all'}")
    to = _block(values.get("FRA_DST"), to_prefix)
    words += [f"to {to}"] if to else []
    words += [f"tos 0x{tos:02x}"] if tos else []
    words += _matches(values)
    if action == _TO_TABLE:
        number = unsigned(values.get("FRA_TABLE")) or table
        # With FRA_L3MDEV the table is that of the interface's VRF, and has no number here.
        words.append(f"lookup {_TABLES.get(number, number) if number else '[l3mdev-table]'}")
        suppressed = unsigned(values.get("FRA_SUPPRESS_PREFIXLEN"))
        words += [f"suppress_prefixlength {suppressed}"] if suppressed not in (None, _NO_SUPPRESSION) else []
    elif action == _GOTO:
        words.append(f"goto {unsigned(values.get('FRA_GOTO'))}")
    else:
        words.append(_ACTIONS.get(action, f"action {action}"))
    return PolicyRule(unsigned(values.get("FRA_PRIORITY")) or 0, " ".join(words), ipv6=family == socket.AF_INET6)


def _block(value: bytes | None, prefix: int) -> str | None:
    block = address(value)
    return None if block is None else block if prefix == len(value or b"") * 8 else f"{block}/{prefix}"


def _matches(values: Mapping[str, bytes]) -> list[str]:
    words = []
    mark, mask = unsigned(values.get("FRA_FWMARK")), unsigned(values.get("FRA_FWMASK"))
    if mark or mask:
        words.append(f"fwmark 0x{mark or 0:x}" + ("" if mask in (None, 0xFFFFFFFF) else f"/0x{mask:x}"))
    words += [f"iif {text(values['FRA_IIFNAME'])}"] if "FRA_IIFNAME" in values else []
    words += [f"oif {text(values['FRA_OIFNAME'])}"] if "FRA_OIFNAME" in values else []
    words += _ranges(values, "FRA_UID_RANGE", "uidrange", "=II", always=True)
    if "FRA_IP_PROTO" in values:
        number = unsigned(values["FRA_IP_PROTO"])
        known = {socket.IPPROTO_TCP: "tcp", socket.IPPROTO_UDP: "udp", socket.IPPROTO_ICMP: "icmp"}
        words.append(f"ipproto {known.get(number or 0, number)}")
    words += _ranges(values, "FRA_SPORT_RANGE", "sport", "=HH")
    words += _ranges(values, "FRA_DPORT_RANGE", "dport", "=HH")
    return words


def _ranges(values: Mapping[str, bytes], attribute: str, word: str, shape: str, *, always: bool = False) -> list[str]:
    if attribute not in values:
        return []
    first, last = struct.unpack(shape, values[attribute])
    return [f"{word} {first}-{last}" if always or first != last else f"{word} {first}"]
