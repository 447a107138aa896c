"""Packet filters of a network namespace, with counters, and the way of one probe through the kernel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class FilterRule:
    """One rule, or a chain's policy (`text` then begins with "policy "). `text` is what iptables-save(8) or nft(8)
    shows, without counters. `verdict` is what it does in the end: ACCEPT, DROP, REJECT, DNAT, MASQUERADE …, or the
    chain it jumps to. `packets` it has counted since it was made, None where it counts none."""

    tool: Literal["iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy", "nft"]
    table: str
    chain: str
    position: int
    """From 1 within the chain; 0 for the policy."""
    text: str
    verdict: str
    packets: int | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """Every rule of one namespace in its order. What could not be read has its reason in `unknown`, under the tool's
    name."""

    rules: tuple[FilterRule, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RuleHit:
    """A rule that counted packets while a probe ran. `namespace` is the pid whose namespace holds it, None the
    host's."""

    rule: FilterRule
    packets: int
    namespace: int | None = None


@dataclass(frozen=True, slots=True)
class TracePoint:
    """One thing that happened to a packet: queued for sending on an interface, received from it, or dropped. `reason`
    is the kernel's (SKB_DROP_REASON_* without the prefix), `location` the kernel function that dropped it."""

    event: Literal["tx", "rx", "drop"]
    interface: str | None = None
    reason: str | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """The way of one probe's packets in order. Where the kernel could not be asked, the reason is in `unknown`."""

    points: tuple[TracePoint, ...] = ()
    unknown: str | None = None
