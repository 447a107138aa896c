"""The expressions of an nftables rule as text, near to how nft(8) writes them, and what they come to.

A rule is a list of small instructions on registers: load a field of the packet, compare, count, decide
(linux/netfilter/nf_tables.h; the numbers below are its enums). Whatever is not known here is shown by its name, so
that the text always says that there is more to the rule.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

_ATTRIBUTE = struct.Struct("=HH")  # nlattr: length, type (netlink(7))
_NUMBER = 0x3FFF  # an attribute's type without NLA_F_NESTED and NLA_F_NET_BYTEORDER

_VERDICTS = {0: "drop", 1: "accept", 2: "stolen", 3: "queue", -1: "continue", -3: "jump", -4: "goto", -5: "return"}
_COMPARISONS = ("", "!= ", "< ", "<= ", "> ", ">= ")
_META = {
    1: "meta protocol",
    3: "meta mark",
    4: "iif",
    5: "oif",
    6: "iifname",
    7: "oifname",
    10: "skuid",
    11: "skgid",
    15: "meta nfproto",
    16: "meta l4proto",
    17: "ibrname",
    18: "obrname",
    19: "pkttype",
}
_NAMES = ("iifname", "oifname", "ibrname", "obrname")
_CONNECTION = {0: "ct state", 1: "ct direction", 2: "ct status", 3: "ct mark", 8: "ct saddr", 9: "ct daddr"}
_STATES = {1: "invalid", 2: "established", 4: "related", 8: "new", 64: "untracked"}
_PAYLOAD = {
    # (base, offset, length): base 0 is the link's header, 1 the network's, 2 the transport's
    (0, 0, 6): "ether daddr",
    (0, 6, 6): "ether saddr",
    (0, 12, 2): "ether type",
    (1, 9, 1): "ip protocol",
    **{(1, 12, length): "ip saddr" for length in (1, 2, 3, 4)},
    **{(1, 16, length): "ip daddr" for length in (1, 2, 3, 4)},
    (1, 8, 16): "ip6 saddr",
    (1, 24, 16): "ip6 daddr",
    (2, 0, 1): "icmp type",
    (2, 0, 2): "th sport",
    (2, 2, 2): "th dport",
}
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp", 132: "sctp"}
_HOST_ORDER = ("meta mark", "iif", "oif", "skuid", "skgid", "ct mark", "ct status")


def attributes(data: bytes, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Number and value of each attribute in the chain that begins at `offset`."""
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        yield kind & _NUMBER, data[offset + _ATTRIBUTE.size : offset + length]
        offset += max((length + 3) & ~3, _ATTRIBUTE.size)


def number(value: bytes | None) -> int:
    """Numbers of nfnetlink are in network order; 0 for an attribute that is not there."""
    return int.from_bytes(value or b"", "big")


def name(value: bytes | None) -> str:
    return (value or b"").rstrip(b"\0").decode("utf-8", "backslashreplace")


@dataclass(slots=True)
class Rule:
    """What a rule's expressions say. `verdict` is as in state.filters.FilterRule, "" for a rule that decides
    nothing; `packets` None where it does not count."""

    words: list[str] = field(default_factory=list)
    verdict: str = ""
    packets: int | None = None
    registers: dict[int, str] = field(default_factory=dict)
    """What was loaded into each register, as text."""


def read_rule(expressions: bytes) -> Rule:
    """Reads NFTA_RULE_EXPRESSIONS."""
    rule = Rule()
    for _, element in attributes(expressions):
        parts = dict(attributes(element))
        kind, data = name(parts.get(1)), dict(attributes(parts.get(2, b"")))
        reader = _READERS.get(kind)
        if reader:
            reader(rule, data)
        else:
            rule.words.append(kind)
    return rule


Data = Mapping[int, bytes]


def _meta(rule: Rule, data: Data) -> None:
    field_name = _META.get(number(data.get(2)), f"meta {number(data.get(2))}")
    if 3 in data:  # it sets the field from a register
        rule.words.append(f"{field_name} set")
    else:
        rule.registers[number(data.get(1))] = field_name


def _connection(rule: Rule, data: Data) -> None:
    field_name = _CONNECTION.get(number(data.get(2)), f"ct {number(data.get(2))}")
    if 4 in data:
        rule.words.append(f"{field_name} set")
    else:
        rule.registers[number(data.get(1))] = field_name


def _payload(rule: Rule, data: Data) -> None:
    base, offset, length = (number(data.get(key)) for key in (2, 3, 4))
    field_name = _PAYLOAD.get(
        (base, offset, length), f"@{('ll', 'nh', 'th', 'ih')[base & 3]},{offset * 8},{length * 8}"
    )
    if 5 in data:
        rule.words.append(f"{field_name} set")
    else:
        rule.registers[number(data.get(1))] = field_name


def _bitwise(rule: Rule, data: Data) -> None:
    source, target = number(data.get(1)), number(data.get(2))
    mask = dict(attributes(data.get(4, b""))).get(1, b"")
    before = rule.registers.get(source, "?")
    rule.registers[target] = f"{before} & {_mask(before, mask)}"


def _mask(field_name: str, mask: bytes) -> str:
    if field_name == "ct state":
        return _value(field_name, mask)
    if field_name.endswith("addr") and len(mask) in (4, 16):
        return str(ip_address(mask))
    return f"0x{mask.hex()}"


def _compare(rule: Rule, data: Data) -> None:
    field_name = rule.registers.get(number(data.get(1)), "?")
    comparison = number(data.get(2))
    value = dict(attributes(data.get(3, b""))).get(1, b"")
    if field_name.startswith("ct state & ") and comparison == 1 and not any(value):
        rule.words.append(field_name.replace("ct state & ", "ct state "))
        return
    sign = _COMPARISONS[comparison] if comparison < len(_COMPARISONS) else "? "
    rule.words.append(f"{field_name} {sign}{_value(field_name, value)}")


def _value(field_name: str, value: bytes) -> str:
    base = field_name.partition(" & ")[0]
    if base in _NAMES:
        # A name that ends in a wildcard is compared without its closing zero.
        return f'"{name(value)}"' if value.endswith(b"\0") else f'"{name(value)}*"'
    if base.endswith((" saddr", " daddr")):
        return _address(value) if base.startswith("ip") else value.hex(":")
    if base in ("meta l4proto", "ip protocol"):
        return _PROTOCOLS.get(number(value), str(number(value)))
    if base == "ct state":
        bits = int.from_bytes(value, sys.byteorder)
        return ",".join(text for bit, text in _STATES.items() if bits & bit) or str(bits)
    if base in _HOST_ORDER:
        return str(int.from_bytes(value, sys.byteorder))
    return str(number(value)) if len(value) <= 4 else f"0x{value.hex()}"


def _address(value: bytes) -> str:
    """An address; of IPv4 also the first bytes of one, which stand for a whole block."""
    if len(value) < 4:
        return f"{ip_address(value.ljust(4, bytes(1)))}/{len(value) * 8}"
    return str(ip_address(value)) if len(value) in (4, 16) else value.hex()


def _range(rule: Rule, data: Data) -> None:
    field_name = rule.registers.get(number(data.get(1)), "?")
    first, last = (dict(attributes(data.get(key, b""))).get(1, b"") for key in (3, 4))
    sign = "!= " if number(data.get(2)) else ""
    rule.words.append(f"{field_name} {sign}{_value(field_name, first)}-{_value(field_name, last)}")


def _lookup(rule: Rule, data: Data) -> None:
    sign = "!= " if number(data.get(5)) & 1 else ""
    words = f"{rule.registers.get(number(data.get(2)), '?')} {sign}@{name(data.get(1))}"
    target = data.get(3)
    if target is None:
        rule.words.append(words)
    elif number(target) == 0:  # NFT_REG_VERDICT: the set decides
        rule.words.append(f"{words} vmap")
        rule.verdict = "vmap"
    else:
        rule.registers[number(target)] = f"{words} map"


def _immediate(rule: Rule, data: Data) -> None:
    value = dict(attributes(data.get(2, b"")))
    if 2 not in value:
        rule.registers[number(data.get(1))] = _constant(value.get(1, b""))
        return
    verdict = dict(attributes(value[2]))
    code = struct.unpack("!i", verdict.get(1, b"\0\0\0\0"))[0]
    chain = name(verdict.get(2))
    word = _VERDICTS.get(code, str(code))
    rule.verdict = chain or word.upper()
    rule.words.append(f"{word} {chain}".rstrip())


def _constant(value: bytes) -> str:
    if len(value) in (4, 16):
        return str(ip_address(value))
    return str(number(value)) if len(value) <= 2 else f"0x{value.hex()}"


def _counter(rule: Rule, data: Data) -> None:
    rule.packets = number(data.get(2))  # 1 are the bytes
    rule.words.append("counter")


def _reject(rule: Rule, data: Data) -> None:
    rule.verdict = "REJECT"
    rule.words.append("reject with tcp reset" if number(data.get(1)) == 1 else "reject")


def _nat(rule: Rule, data: Data) -> None:
    kind = "snat" if number(data.get(1)) == 0 else "dnat"
    address, port = (rule.registers.get(number(data[key]), "?") if key in data else "" for key in (3, 5))
    rule.verdict = kind.upper()
    rule.words.append(f"{kind} to {address}{':' if port else ''}{port}")


def _masquerade(rule: Rule, _: Data) -> None:
    rule.verdict = "MASQUERADE"
    rule.words.append("masquerade")


def _redirect(rule: Rule, data: Data) -> None:
    rule.verdict = "REDIRECT"
    rule.words.append(f"redirect to :{rule.registers.get(number(data.get(1)), '?')}" if 1 in data else "redirect")


def _xtables_match(rule: Rule, data: Data) -> None:
    rule.words.append(f'xt match "{name(data.get(1))}"')


def _xtables_target(rule: Rule, data: Data) -> None:
    target = name(data.get(1))
    rule.verdict = rule.verdict or target
    rule.words.append(f'xt target "{target}"')


def _fib(rule: Rule, data: Data) -> None:
    result = {1: "oif", 2: "oifname", 3: "type"}.get(number(data.get(2)), "?")
    flags = number(data.get(3))
    keys = [text for bit, text in ((1, "saddr"), (2, "daddr"), (4, "mark"), (8, "iif"), (16, "oif")) if flags & bit]
    rule.registers[number(data.get(1))] = f"fib {' . '.join(keys)} {result}"


_READERS: Mapping[str, Callable[[Rule, Data], None]] = {
    "meta": _meta,
    "ct": _connection,
    "payload": _payload,
    "bitwise": _bitwise,
    "cmp": _compare,
    "range": _range,
    "lookup": _lookup,
    "immediate": _immediate,
    "counter": _counter,
    "reject": _reject,
    "nat": _nat,
    "masq": _masquerade,
    "redir": _redirect,
    "match": _xtables_match,
    "target": _xtables_target,
    "fib": _fib,
}
