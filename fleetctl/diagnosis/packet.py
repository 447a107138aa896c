"""What a namespace's packet filters would do with a packet that cannot be sent from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fleetctl.state.filters import FilterRule, Filters

Hook = Literal["prerouting", "input", "forward", "output", "postrouting"]


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet as a rule sees it at one hook. Addresses without prefix; None where it is not known (or, for an
    interface, where the hook has none)."""

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
    """Of its connection, as -m conntrack --ctstate names it."""
    bridged: bool = False
    """Whether it stays within a bridge: it meets these rules through bridge-netfilter."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a packet's way through a hook may end. `rule` decided it: None when no table has anything to say."""

    verdict: Literal["accept", "drop", "reject", "unknown"]
    rule: FilterRule | None = None
    destination: str | None = None
    """New destination, ADDRESS or ADDRESS:PORT, where it is rewritten (DNAT, REDIRECT)."""
    source: str | None = None
    """New source, where it is rewritten (SNAT); "MASQUERADE" for the way out's own address."""


@dataclass(frozen=True, slots=True)
class Fate:
    """Every way it may end, the likeliest first: one means that it is certain."""

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
        found = {ending.source is not None for ending in self.endings}
        return found.pop() if len(found) == 1 else None


def fate(filters: Filters, packet: Packet, hook: Hook) -> Fate:
    """What the rules of `filters` do with `packet` at `hook`."""
    return Fate((Ending("unknown"),))
