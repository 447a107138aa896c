"""Every packet filter rule of a network namespace with its counter, and which rules a probe has met.

Three families of programs write such rules. Those of iptables are shown by iptables-save(8), which alone can read
its extensions; the rest of nftables comes from the kernel; the legacy tables, which nftables does not know, from
their own program. Reading changes nothing: iptables-save over nftables only asks, and the legacy one is run only
where the namespace has such tables, for its tools may load modules where it has none.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from fleetctl.net.nftables import Chain, list_chains, list_rules
from fleetctl.state.filters import FilterRule, Filters, RuleHit

NOT_PERMITTED = "reading packet filters needs CAP_NET_ADMIN in the network namespace: run as root"

Tool = Literal["iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy"]

_TABLES = ("raw", "mangle", "nat", "filter", "security")  # iptables(8)
_LONGEST = 8 << 20  # bytes
_PATIENCE = 5.0  # seconds; it asks the kernel only, so more means that something hangs
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"  # sbin is often not in a user's PATH
_POLICY = re.compile(r":(?P<chain>\S+) (?P<policy>\S+) \[(?P<packets>\d+):\d+\]")
_RULE = re.compile(r"\[(?P<packets>\d+):\d+\] (?P<text>-A (?P<chain>\S+).*)", re.DOTALL)
_WHOLE_RULE = re.compile(r'\[\d+:\d+\] -A \S+(?:"(?:[^"\\]|\\.)*"|[^\n"])*', re.DOTALL)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)  # a comment may hold anything
_TARGET = re.compile(r" -[jg] (\S+)")


def read_filters() -> Filters:
    """The rules of the network namespace that the calling thread is in. Never raises: see `Filters.unknown`."""
    unknown: dict[str, str] = {}
    rules = [*_of_nftables(unknown)]
    for tool, names in _LEGACY_TOOLS:
        if _has_legacy_tables(tool, names, unknown):
            rules.extend(_saved(tool, (f"{tool}-save", f"{tool.removesuffix('-legacy')}-save"), unknown))
    return Filters(rules=tuple(rules), unknown=unknown)


def _of_nftables(unknown: dict[str, str]) -> Iterator[FilterRule]:
    """What iptables wrote into nftables as it shows it, and everything else as the kernel lists it."""
    try:
        chains = list_chains()
        for tool, family in _NFT_TOOLS:
            if any(chain.family == family and chain.table in _TABLES for chain in chains):
                saved = _saved(tool, (f"{tool}-nft-save", f"{tool}-save"), unknown)
                yield from _counting(saved, [chain for chain in chains if chain.family == family])
                shown = {rule.table for rule in saved}
                chains = tuple(one for one in chains if one.family != family or one.table not in shown)
        yield from list_rules(chains)
    except PermissionError:
        unknown.update(dict.fromkeys(("nft", "iptables", "ip6tables"), NOT_PERMITTED))
    except OSError as error:
        unknown["nft"] = f"the kernel does not list nftables: {error.strerror or error}"


_NFT_TOOLS: tuple[tuple[Tool, str], ...] = (("iptables", "ip"), ("ip6tables", "ip6"))
_LEGACY_TOOLS: tuple[tuple[Tool, str], ...] = (
    ("iptables-legacy", "ip_tables_names"),
    ("ip6tables-legacy", "ip6_tables_names"),
)


def _has_legacy_tables(tool: Tool, names: str, unknown: dict[str, str]) -> bool:
    """Whether the namespace has any; which ones it has is a secret of root's."""
    try:
        return bool(Path(f"/proc/thread-self/net/{names}").read_text().strip())
    except FileNotFoundError:
        return False  # the kernel has no legacy tables at all
    except OSError as error:
        unknown[tool] = f"whether there are legacy tables: {error.strerror}"
        return False


def _saved(tool: Tool, programs: Sequence[str], unknown: dict[str, str]) -> tuple[FilterRule, ...]:
    """What the first of `programs` that is installed says, if it speaks of the wanted kind of tables."""
    program = next((found for one in programs if (found := shutil.which(one, path=_SBIN))), None)
    if program is None:
        unknown[tool] = f"{programs[-1]} is not installed"
        return ()
    try:
        code, output = _output(program)
    except OSError as error:
        unknown[tool] = f"{program}: {error.strerror}"
        return ()
    if len(output) > _LONGEST:
        unknown[tool] = f"{program} writes more than {_LONGEST} bytes"
        return ()
    text = output.decode("utf-8", "backslashreplace")
    if code:
        unknown[tool] = f"{program}: exit code {code}"
    elif ("(nf_tables)" in text.partition("\n")[0]) == tool.endswith("-legacy"):
        unknown[tool] = f"{program} shows the other kind of tables only"
        return ()
    try:
        return tuple(parse_saved(tool, text))
    except ValueError as error:
        unknown[tool] = f"{program}: {error}"
        return ()


def _output(program: str) -> tuple[int, bytes]:
    """Its exit code and what it writes, as far as that is of use: whoever owns a namespace may have made any number of
    rules."""
    with subprocess.Popen([program, "-c"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        patience = threading.Timer(_PATIENCE, process.kill)
        patience.start()
        assert process.stdout is not None  # noqa: S101  # a pipe was asked for
        output = process.stdout.read(_LONGEST + 1)
        if len(output) > _LONGEST:
            process.kill()
        process.wait()
        patience.cancel()
    return process.returncode, output


def parse_saved(tool: Tool, text: str) -> Iterator[FilterRule]:
    """The rules and policies in what iptables-save -c wrote; for a chain of nobody's, whose end returns, too. Raises
    ValueError for a table that there is none of."""
    table = ""
    positions: dict[tuple[str, str], int] = {}
    for line in _lines(text):
        if line.startswith("*"):
            table = line[1:]
            if table not in _TABLES:
                raise ValueError(f"there is no table {table!r}")
        elif policy := _POLICY.fullmatch(line):
            built_in = policy["policy"] != "-"
            verdict = policy["policy"] if built_in else "RETURN"
            packets = int(policy["packets"]) if built_in else None
            yield FilterRule(tool, table, policy["chain"], 0, f"policy {verdict}", verdict, packets)
        elif rule := _RULE.fullmatch(line):
            place = (table, rule["chain"])
            positions[place] = positions.get(place, 0) + 1
            target = _TARGET.search(_QUOTED.sub('""', rule["text"]))
            verdict = target[1] if target else ""
            yield FilterRule(tool, table, *place[1:], positions[place], rule["text"], verdict, int(rule["packets"]))


def _lines(text: str) -> Iterator[str]:
    """Line by line; a rule goes on where a comment in it, which may hold anything, is broken over lines."""
    at = 0
    while at < len(text):
        rule = _WHOLE_RULE.match(text, at)
        end = rule.end() if rule else text.find("\n", at)
        yield text[at:end] if end >= 0 else text[at:]
        at = end + 1 if end >= 0 else len(text)


def _counting(rules: Iterable[FilterRule], chains: Iterable[Chain]) -> Iterator[FilterRule]:
    """iptables-save shows 0 for a policy that does not count at all: the kernel knows which do."""
    silent = {(chain.table, chain.chain_name) for chain in chains if chain.packets is None}
    for rule in rules:
        mute = rule.position == 0 and (rule.table, rule.chain) in silent
        yield replace(rule, packets=None) if mute else rule


def hits(before: Filters, after: Filters) -> tuple[RuleHit, ...]:
    """The rules and policies that counted packets between the two readings, in a packet's order.

    A rule is known again by its place and text, whatever was added or removed beside it meanwhile. One that was
    added or began to count anew meanwhile has no count to compare with.
    """
    earlier = {key: rule.packets for key, rule in _identified(before.rules)}
    found = []
    for key, rule in _identified(in_order(after.rules)):
        packets = earlier.get(key)
        if packets is not None and rule.packets is not None and rule.packets > packets:
            found.append(RuleHit(rule, rule.packets - packets))
    return tuple(found)


def _identified(rules: Iterable[FilterRule]) -> Iterator[tuple[tuple[str, str, str, str, int], FilterRule]]:
    """Each rule with what stays the same of it: where it is, its text, and which of equal ones it is."""
    seen: Counter[tuple[str, str, str, str]] = Counter()
    for rule in rules:
        text = "policy" if rule.position == 0 else rule.text
        where = (rule.tool, rule.table, rule.chain, text)
        seen[where] += 1
        yield (*where, seen[where]), rule


_HOOKS = ("ingress", "prerouting", "input", "forward", "output", "postrouting")
_PRIORITIES = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}
"""Of iptables' tables at a hook (linux/netfilter_ipv4.h); at the end of the way nat comes after filter."""
_BASE = re.compile(r"hook (?P<hook>\w+).* priority (?P<priority>-?\d+)")


def in_order(rules: Sequence[FilterRule]) -> Iterator[FilterRule]:
    """Every rule once, as a packet meets them: by hook, table and chain, into each chain where it is jumped to."""
    chains: dict[tuple[str, str, str], list[FilterRule]] = {}
    for rule in rules:
        chains.setdefault((rule.tool, rule.table, rule.chain), []).append(rule)
    walked: set[tuple[str, str, str]] = set()

    def walk(place: tuple[str, str, str]) -> Iterator[FilterRule]:
        if place in walked or place not in chains:
            return
        walked.add(place)
        for rule in sorted(chains[place], key=lambda rule: rule.position or len(rules)):  # the policy comes last
            yield rule
            yield from walk((rule.tool, rule.table, rule.verdict))

    for place in sorted(chains, key=lambda place: _rank(chains[place])):
        yield from walk(place)


def _rank(chain: Sequence[FilterRule]) -> tuple[int, int]:
    """Where on the way a chain is entered: hook and priority; after all others where only jumps lead to it."""
    policy = next((rule for rule in chain if rule.position == 0), chain[0])
    base = _BASE.search(policy.text)
    if base:
        hook, priority = base["hook"], int(base["priority"])
    elif policy.tool != "nft" and policy.verdict != "RETURN":
        hook, priority = policy.chain.lower(), _PRIORITIES.get(policy.table, 0)
        if policy.table == "nat" and hook in ("input", "postrouting"):
            priority = 100
    else:
        return len(_HOOKS), 0
    return _HOOKS.index(hook) if hook in _HOOKS else len(_HOOKS), priority
