"""What a namespace's packet filters would do with a packet that cannot be sent from here.

A simulation with three values: a rule matches, does not, or may. What is not known makes an ending more, never a
false certainty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Literal

from fleetctl.diagnosis.matching import Hook, Packet, matches, parse_rule
from fleetctl.spec.addresses import is_address
from fleetctl.state.filters import FilterRule, Filters

__all__ = ["Ending", "Fate", "Hook", "Packet", "fate"]

Verdict = Literal["accept", "drop", "reject", "unknown"]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a packet's way through a hook may end. `rule` decided it: None when no table has anything to say."""

    verdict: Verdict
    rule: FilterRule | None = None
    destination: str | None = None
    """New destination, where it is rewritten: ADDRESS or ADDRESS:PORT (DNAT), or :PORT of this host (REDIRECT)."""
    source: str | None = None
    """New source, where it is rewritten (SNAT); "MASQUERADE" for the way out's own address."""


@dataclass(frozen=True, slots=True)
class Fate:
    """Every way it may end, in the order of the rules that bring it about: a single one is certain."""

    endings: tuple[Ending, ...]

    @property
    def certain(self) -> bool:
        return len(self.endings) == 1

    @property
    def passes(self) -> bool | None:
        """Whether the packet gets past the hook; None where that is not certain."""
        verdicts = {ending.verdict for ending in self.endings}
        if verdicts == {"accept"}:
            return True
        return False if verdicts <= {"drop", "reject"} else None

    @property
    def rewritten_to(self) -> str | None:
        """The new destination, where every ending has the same."""
        found = {ending.destination for ending in self.endings}
        return found.pop() if len(found) == 1 else None

    @property
    def masqueraded(self) -> bool | None:
        """Whether the source is rewritten; None where that is not certain."""
        if any(ending.verdict == "unknown" for ending in self.endings):
            return None
        found = {ending.source is not None for ending in self.endings}
        return found.pop() if len(found) == 1 else None


_BASE = re.compile(r"policy (?P<policy>\w+); type (?P<type>\w+) hook (?P<hook>\w+).* priority (?P<priority>-?\d+)")
_GOAL = re.compile(r"([\d.]*|\[[\da-fA-F:]+\]|[\da-fA-F:]+?)(?::(\d+))?")
_DEEPEST = 64  # jumps within jumps; the kernel refuses loops

_Place = tuple[str, str, str]  # tool, table, chain


def fate(filters: Filters, packet: Packet, hook: Hook) -> Fate:
    """What the rules of `filters` do with `packet` at `hook`, in every table that has a say there."""
    version = _version(packet)
    chains: dict[_Place, list[FilterRule]] = {}
    for rule in filters.rules:
        chains.setdefault((rule.tool, rule.table, rule.chain), []).append(rule)
    passing = [Ending("accept")]
    over: list[Ending] = []
    for place in _entered(chains, hook, version, packet):
        onward: list[Ending] = []
        for before in passing:
            seen_as = _rewritten(packet, before)
            for ending in _Walk(chains, seen_as, hook).base(place):
                (onward if ending.verdict == "accept" else over).append(_joined(before, ending))
        passing = _distinct(onward)
    unread = {"nft", "iptables-legacy" if version == 4 else "ip6tables-legacy"} & set(filters.unknown)
    doubt = [Ending("unknown")] if unread else []
    return Fate(tuple(_distinct([*over, *passing, *doubt])))


def _version(packet: Packet) -> int:
    known = next((address for address in (packet.destination, packet.source) if address), None)
    return ip_address(known).version if known else 4


def _rewritten(packet: Packet, before: Ending) -> Packet:
    """The packet as the tables after a rewriting see it."""
    if before.destination is None:
        return packet
    found = _GOAL.fullmatch(before.destination)
    address, port = (found[1].strip("[]"), found[2]) if found else ("", None)
    return replace(
        packet,
        destination=address if is_address(address) else None,
        port=int(port) if port else packet.port if found else None,
        destination_is_local=None,
    )


def _joined(before: Ending, ending: Ending) -> Ending:
    """Two tables' endings as one: a policy that lets pass does not outdo the rule that decided before it."""
    silent = ending.verdict == "accept" and (ending.rule is None or ending.rule.position == 0)
    return Ending(
        ending.verdict,
        before.rule if silent and before.rule is not None else ending.rule,
        ending.destination or before.destination,
        ending.source or before.source,
    )


def _distinct(endings: Sequence[Ending]) -> list[Ending]:
    """One of each kind; which rule let it pass makes no difference, which one stopped it does."""
    kinds: dict[object, Ending] = {}
    for ending in endings:
        stopped_by = None if ending.verdict == "accept" else ending.rule
        kinds.setdefault((ending.verdict, ending.destination, ending.source, stopped_by), ending)
    return list(kinds.values())


def _entered(chains: dict[_Place, list[FilterRule]], hook: Hook, version: int, packet: Packet) -> list[_Place]:
    """The chains that the packet enters at the hook, in their order. NAT is asked for a connection's first only."""
    ranked: list[tuple[int, _Place]] = []
    for place, rules in chains.items():
        tool, table, chain = place
        policy = next((rule.text for rule in rules if rule.position == 0), "")
        base = _BASE.match(policy) if tool == "nft" else None
        if base:
            here, kind, priority = (
                _concerned(table, base["hook"], hook, version, packet),
                base["type"],
                base["priority"],
            )
        elif tool != "nft":
            here = tool.startswith("ip6tables") == (version == 6) and chain == hook.upper()
            kind, priority = table, _priority(table, hook)
        else:
            continue
        if here and (kind != "nat" or packet.state == "NEW"):
            ranked.append((int(priority), place))
    return [place for _, place in sorted(ranked)]


def _priority(table: str, hook: Hook) -> int:
    """Of a table of iptables at a hook (linux/netfilter_ipv4.h)."""
    if table == "nat" and hook in ("input", "postrouting"):
        return 100
    return _PRIORITIES.get(table, 0)


_PRIORITIES = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}


def _concerned(table: str, base_hook: str, hook: Hook, version: int, packet: Packet) -> bool:
    """Whether a table of nftables has a say over the packet at the hook. Its name begins with its family."""
    family = table.partition(" ")[0]
    if family == "netdev" or base_hook == "ingress":
        return hook == "prerouting"
    if family == "bridge" and not packet.bridged:
        return False
    return base_hook == hook and family in ("inet", "bridge", "ip" if version == 4 else "ip6")


class _Walk:
    """One packet's way through the chains at one hook."""

    def __init__(self, chains: dict[_Place, list[FilterRule]], packet: Packet, hook: Hook) -> None:
        self._chains = chains
        self._packet = packet
        self._hook = hook

    def base(self, place: _Place) -> Iterator[Ending]:
        """Every way in which the hook's own chain may end, its policy the last."""
        endings, to_the_end = self._chain(place, 0)
        yield from endings
        if to_the_end:
            policy = next((rule for rule in self._chains[place] if rule.position == 0), None)
            dropped = policy is not None and policy.verdict.upper() == "DROP"
            yield Ending("drop" if dropped else "accept", policy)

    def _chain(self, place: _Place, depth: int) -> tuple[list[Ending], bool]:
        """How a chain may end the packet's way, and whether it may come back out of it."""
        endings: list[Ending] = []
        out = False
        if depth > _DEEPEST:
            return [Ending("unknown")], True
        for rule in self._chains[place]:
            if rule.position == 0:
                continue
            found = self._matches(rule)
            if found is False:
                continue
            act = self._act(rule, place, depth)
            endings += act.endings
            out |= act.leaves
            if found and not act.goes_on:
                return endings, out
        return endings, True

    def _matches(self, rule: FilterRule) -> bool | None:
        if rule.tool == "nft":
            return True if _UNCONDITIONAL.fullmatch(rule.text) else None
        parsed = parse_rule(rule.text)
        return None if parsed is None else matches(parsed, self._packet, self._hook)

    def _act(self, rule: FilterRule, place: _Place, depth: int) -> _Act:
        """What a rule that matches does."""
        called = (*place[:2], rule.verdict)
        if called in self._chains:
            endings, back = self._chain(called, depth + 1)
            parsed = parse_rule(rule.text)
            goto = parsed.goto if parsed else f"goto {rule.verdict} " in rule.text
            return _Act(endings, goes_on=back and not goto, leaves=back and goto)
        if rule.verdict in _PASSES_ON:
            return _Act([], goes_on=True)
        if rule.verdict == "RETURN":
            return _Act([], leaves=True)
        ending = _ending(rule)
        return _Act([ending], goes_on=ending.verdict == "unknown")


@dataclass(frozen=True, slots=True)
class _Act:
    """What comes of a rule: the ways in which it may end the packet's, whether the next rule may be asked, and
    whether the packet may leave the chain for the one it came from."""

    endings: list[Ending]
    goes_on: bool = False
    leaves: bool = False


_PASSES_ON = frozenset(
    {"", "CONTINUE", "LOG", "NFLOG", "ULOG", "TRACE", "MARK", "CONNMARK", "CT", "NOTRACK", "TCPMSS", "CHECKSUM"}
    | {"CLASSIFY", "DSCP", "TOS", "TTL", "HL", "SET", "AUDIT", "SECMARK", "CONNSECMARK", "TCPOPTSTRIP", "RATEEST"}
)
"""Targets after which the next rule is asked (iptables-extensions(8))."""
_UNCONDITIONAL = re.compile(
    r"(counter )?(drop|accept|return|continue|reject|reject with tcp reset|(jump|goto) \S+|masquerade) # handle \d+"
)
_REWRITTEN = re.compile(r"[ds]nat to (\S+)")


def _ending(rule: FilterRule) -> Ending:
    if rule.tool == "nft":
        found = _REWRITTEN.search(rule.text)
        goal = found[1] if found else "?"
    else:
        parsed = parse_rule(rule.text)
        options = parsed.target_options if parsed else {}
        goal = options.get("--to-destination") or options.get("--to-source") or f":{options.get('--to-ports', '?')}"
    match rule.verdict:
        case "ACCEPT":
            return Ending("accept", rule)
        case "DROP":
            return Ending("drop", rule)
        case "REJECT":
            return Ending("reject", rule)
        case "DNAT" | "REDIRECT":
            return Ending("accept", rule, destination=goal)
        case "SNAT":
            return Ending("accept", rule, source=goal)
        case "MASQUERADE":
            return Ending("accept", rule, source="MASQUERADE")
        case _:
            return Ending("unknown", rule)
