"""Whether a rule of iptables matches a described packet: yes, no, or not to be known from here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Literal

Hook = Literal["prerouting", "input", "forward", "output", "postrouting"]

WORD = re.compile(r'"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>\S+)', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet as rules see it. Addresses without prefix; what is None is not known, and an interface that the hook
    does not have is not asked for."""

    source: str | None
    destination: str | None
    port: int | None
    """The destination's."""
    protocol: str = "tcp"
    source_port: int | None = None
    in_interface: str | None = None
    out_interface: str | None = None
    source_is_local: bool | None = None
    destination_is_local: bool | None = None
    """Whether the address is one of this namespace's own (-m addrtype --dst-type LOCAL)."""
    state: str = "NEW"
    """Of its connection, as -m conntrack --ctstate names it. Of one that is NEW this is the first packet."""
    bridged: bool = False
    """Whether it stays within a bridge: it meets these rules through bridge-netfilter."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One option of a rule with its values: `negated` when an exclamation mark stood before it."""

    option: str
    values: tuple[str, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Parsed:
    """A rule's text taken apart. `target` is None where it has none; `goto` when its end is the chain's, too."""

    conditions: tuple[Condition, ...]
    target: str | None
    goto: bool
    target_options: Mapping[str, str]


def words_of(text: str) -> list[str]:
    """The words of a rule as iptables-save writes them: it quotes with " and puts a backslash before ", ' and \\."""
    return [
        re.sub(r"\\(.)", r"\1", found["quoted"], flags=re.DOTALL) if found["quoted"] is not None else found["plain"]
        for found in WORD.finditer(text)
    ]


@lru_cache(maxsize=4096)
def parse_rule(text: str) -> Parsed | None:
    """Takes apart a line that iptables-save wrote; None when it is none."""
    words = words_of(text)
    if len(words) < 2 or words[0] != "-A":
        return None
    jumps = (at for at, word in enumerate(words) if word in ("-j", "-g") and words[at - 1] != "--comment")
    place = next(jumps, len(words))
    conditions: list[Condition] = []
    negated = False
    for word in words[2:place]:
        if word == "!":
            negated = True
        elif word.startswith("-") and (not conditions or conditions[-1].option != "--comment" or conditions[-1].values):
            conditions.append(Condition(word, (), negated))
            negated = False
        elif conditions:
            last = conditions[-1]
            conditions[-1] = Condition(last.option, (*last.values, word), last.negated)
        else:
            return None
    options = words[place + 2 :]
    return Parsed(
        conditions=tuple(conditions),
        target=words[place + 1] if place + 1 < len(words) else None,
        goto=place < len(words) and words[place] == "-g",
        target_options=dict(zip(options[::2], options[1::2], strict=False)),
    )


def matches(parsed: Parsed, packet: Packet, hook: Hook) -> bool | None:
    """Whether every condition holds; None where one cannot be judged and none is known to fail."""
    verdicts = [_holds(condition, packet, hook) for condition in parsed.conditions]
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _holds(condition: Condition, packet: Packet, hook: Hook) -> bool | None:
    judge = _JUDGES.get(condition.option)
    found = judge(condition.values, packet, hook) if judge else None
    return found if found is None else found != condition.negated


Values = tuple[str, ...]
_MODULES = frozenset({"tcp", "udp", "comment", "conntrack", "state", "addrtype", "multiport", "physdev"})
"""Those whose options are all judged one by one; loading any other may itself be a condition."""
_STATES = frozenset({"NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED"})
_WITH_ENTRANCE = ("prerouting", "input", "forward")
_WITH_EXIT = ("forward", "output", "postrouting")


def _always(_: Values, __: Packet, ___: Hook) -> bool | None:
    return True


def _module(values: Values, _: Packet, __: Hook) -> bool | None:
    return True if values[0] in _MODULES else None


def _protocol(values: Values, packet: Packet, _: Hook) -> bool | None:
    wanted = values[0].lower()
    if wanted in ("all", "0", packet.protocol):
        return True
    # A protocol may be written by its number, which is not translated here.
    return None if wanted.isdecimal() else False


def _within(address: str | None, block: str) -> bool | None:
    network = _network(block)
    return None if address is None or network is None else ip_address(address) in network


@lru_cache(maxsize=4096)
def _network(block: str) -> IPv4Network | IPv6Network | None:
    """None for a mask with holes, which iptables allows."""
    try:
        return ip_network(block, strict=False)
    except ValueError:
        return None


def _source(values: Values, packet: Packet, _: Hook) -> bool | None:
    return _within(packet.source, values[0])


def _destination(values: Values, packet: Packet, _: Hook) -> bool | None:
    return _within(packet.destination, values[0])


def _interface(pattern: str, name: str | None) -> bool | None:
    if pattern == "+":
        return True
    if name is None:
        return None
    return name.startswith(pattern[:-1]) if pattern.endswith("+") else name == pattern


def _entrance(values: Values, packet: Packet, hook: Hook) -> bool | None:
    if hook == "postrouting":
        return None  # kernels differ in whether it is still known there
    return _interface(values[0], packet.in_interface if hook in _WITH_ENTRANCE else "")


def _exit(values: Values, packet: Packet, hook: Hook) -> bool | None:
    return _interface(values[0], packet.out_interface if hook in _WITH_EXIT else "")


def _among(ports: str, port: int | None) -> bool | None:
    """Whether a port is in a list such as 80,8000:8080; names of services are left unjudged."""
    if port is None:
        return None
    verdict: bool | None = False
    for part in ports.split(","):
        first, colon, last = part.partition(":")
        if not (first or "0").isdecimal() or not (last or "0").isdecimal():
            verdict = None
        elif int(first or 0) <= port <= (int(last or 65535) if colon else int(first)):
            return True
    return verdict


def _destination_port(values: Values, packet: Packet, _: Hook) -> bool | None:
    return _among(values[0], packet.port)


def _source_port(values: Values, packet: Packet, _: Hook) -> bool | None:
    return _among(values[0], packet.source_port)


def _either_port(values: Values, packet: Packet, _: Hook) -> bool | None:
    found = (_among(values[0], packet.port), _among(values[0], packet.source_port))
    return True if True in found else None if None in found else False


def _kind(values: Values, address: str | None, local: bool | None) -> bool | None:
    if values != ("LOCAL",):
        return None
    if local is None and address is not None and ip_address(address).is_loopback:
        return True
    return local


def _destination_kind(values: Values, packet: Packet, _: Hook) -> bool | None:
    return _kind(values, packet.destination, packet.destination_is_local)


def _source_kind(values: Values, packet: Packet, _: Hook) -> bool | None:
    return _kind(values, packet.source, packet.source_is_local)


def _state(values: Values, packet: Packet, _: Hook) -> bool | None:
    wanted = set(values[0].split(","))
    if packet.state in wanted:
        return True
    return False if wanted <= _STATES else None  # DNAT and SNAT are no states but what was done to it


def _flags(values: Values, packet: Packet, _: Hook) -> bool | None:
    opens = len(values) == 2 and set(values[0].split(",")) == {"FIN", "SYN", "RST", "ACK"} and values[1] == "SYN"
    return True if opens and packet.state == "NEW" else None


def _bridged(_: Values, packet: Packet, __: Hook) -> bool | None:
    return packet.bridged


def _fragment(_: Values, __: Packet, ___: Hook) -> bool | None:
    return False


_JUDGES: Mapping[str, Callable[[Values, Packet, Hook], bool | None]] = {
    "-m": _module,
    "-p": _protocol,
    "-s": _source,
    "-d": _destination,
    "-i": _entrance,
    "-o": _exit,
    "-f": _fragment,
    "--comment": _always,
    "--dport": _destination_port,
    "--dports": _destination_port,
    "--sport": _source_port,
    "--sports": _source_port,
    "--ports": _either_port,
    "--dst-type": _destination_kind,
    "--src-type": _source_kind,
    "--ctstate": _state,
    "--state": _state,
    "--tcp-flags": _flags,
    "--physdev-is-bridged": _bridged,
}
