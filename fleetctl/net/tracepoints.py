"""Reads what the kernel's trace buffer says about packets, and leaves out those that are not the probe's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fleetctl.state.filters import TracePoint

# TASK-PID [CPU] FLAGS TIME: EVENT: FIELDS; the third flag says what interrupted the task (trace/ftrace.rst)
_LINE = re.compile(r"\s*.*-(?P<pid>\d+)\s+\[\d+\] ..(?P<interrupt>.)\S+\s+[\d.]+: (?P<event>\w+): (?P<fields>.*)")
_PASSING = re.compile(r"dev=(?P<interface>\S+) skbaddr=(?P<packet>\w+) len=(?P<length>\d+)")
_FREED = re.compile(
    r"skbaddr=(?P<packet>\w+) .*?location=(?P<location>[^\s+]+)\S*(?: \[\w+\])?(?: reason: (?P<reason>\w+))?"
)
_HEALTHY = frozenset(
    {"QUEUE_PURGE", "SKB_CONSUMED", "TCP_ABORT_ON_DATA", "TCP_CLOSE", "TCP_OFOMERGE", "TCP_OLD_ACK", "TCP_OLD_DATA"}
)
"""Reasons by which a socket gives back what it has read, has twice, or needs no longer once it is closed."""
_SOCKETS = ("tcp_", "sk_", "__sk_", "skb_queue_", "inet_csk_")
"""Where the kernel frees packets for the same without saying why (NOT_SPECIFIED); elsewhere that is a loss."""
_ARP_LENGTH = {"tx": 42, "rx": 28}
"""Bytes of an ARP message, as it is sent with the link's header; no packet of TCP has so few."""
_LINK_HEADERS = (14, 0)
"""Bytes that a packet is shorter by when it is received than when it was sent: Ethernet's header, or none."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the buffer. `packet` stands for the address of its sk_buff, which stays with it all the way.

    Without a point it says that the kernel begins to run timers.
    """

    pid: int
    in_interrupt: bool
    packet: str = ""
    point: TracePoint | None = None
    length: int = 0

    @property
    def arp(self) -> bool:
        return self.point is not None and self.length == _ARP_LENGTH.get(self.point.event)


def read_points(text: str) -> tuple[TracePoint, ...]:
    """The points of the probe's own packets in order, from the file `trace` of a buffer (tracefs)."""
    return tuple(event.point for event in _own(_events(text)) if event.point and not event.arp)


def _events(text: str) -> Iterator[Event]:
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if not found:
            continue
        pid, in_interrupt = int(found["pid"]), found["interrupt"] != "."
        if found["event"] == "softirq_entry":
            yield Event(pid, in_interrupt=True)
        elif found["event"] == "kfree_skb":
            freed = _FREED.match(found["fields"])
            if freed and not _healthy(freed["reason"], freed["location"]):
                yield Event(
                    pid, in_interrupt, freed["packet"], TracePoint("drop", None, freed["reason"], freed["location"])
                )
        elif passing := _PASSING.match(found["fields"]):
            way: Literal["tx", "rx"] = "tx" if found["event"] == "net_dev_queue" else "rx"
            point = TracePoint(way, passing["interface"])
            yield Event(pid, in_interrupt, passing["packet"], point, int(passing["length"]))


def _healthy(reason: str | None, location: str) -> bool:
    return reason in _HEALTHY or (reason in (None, "NOT_SPECIFIED") and location.startswith(_SOCKETS))


def _own(events: Iterator[Event]) -> Iterator[Event]:
    """Without what a traced thread did for others when an interrupt caught it.

    What the thread does itself is the probe's. In an interrupt one packet after the other is received and all that
    comes of it done at once: so what follows a reception belongs to the packet received, and that is the probe's if
    the probe sent it just before. That an address was the probe's once tells nothing: the kernel soon gives it to
    another packet. ARP takes part in it: its answer sends the packets that have waited for it. What a timer sends or
    drops is another connection's, as the probe's own has hardly begun.
    """
    under_way: dict[str, int] = {}
    """The probe's packets that are sent and not received yet, each with its length in bytes."""
    ours: dict[int, str] = {}
    """The threads that do the probe's work, each with the packet that it received; none when it does so unasked."""
    for event in events:
        received = event.point is not None and event.point.event == "rx"
        if not event.in_interrupt:
            ours[event.pid] = ""
        elif received and (_is_due(event, under_way) or ours.get(event.pid) == event.packet):
            ours[event.pid] = event.packet
        elif received or event.point is None:
            ours.pop(event.pid, None)
        if event.pid in ours:
            if event.point and event.point.event == "tx":
                under_way[event.packet] = event.length
            yield event


def _is_due(event: Event, under_way: dict[str, int]) -> bool:
    return under_way.pop(event.packet, -1) - event.length in _LINK_HEADERS
