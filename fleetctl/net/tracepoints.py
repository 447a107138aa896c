"""Reads what the kernel's trace buffer says about packets, and leaves out those that are not the probe's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fleetctl.state.filters import TracePoint

# TASK-PID [CPU] FLAGS TIME: EVENT: FIELDS; the third flag says what interrupted the task (trace/ftrace.rst)
_LINE = re.compile(r"\s*.*-(?P<pid>\d+)\s+\[\d+\] ..(?P<interrupt>.)\S+\s+[\d.]+: (?P<event>\w+): (?P<fields>.*)")
_PASSING = re.compile(r"dev=(?P<interface>\S+) skbaddr=(?P<packet>\w+)")
_FREED = re.compile(
    r"skbaddr=(?P<packet>\w+) .*?location=(?P<location>[^\s+]+)\S*(?: \[\w+\])?(?: reason: (?P<reason>\w+))?"
)
_HEALTHY = frozenset({"QUEUE_PURGE", "SKB_CONSUMED", "CONSUMED"})
"""Reasons by which sockets give back what they have used or no longer need."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the buffer. `packet` stands for the address of its sk_buff, which stays with it all the way."""

    pid: int
    in_interrupt: bool
    packet: str
    point: TracePoint


def read_points(text: str) -> tuple[TracePoint, ...]:
    """The points of the probe's own packets in order, from the file `trace` of a buffer (tracefs)."""
    return tuple(event.point for event in _own(_events(text)))


def _events(text: str) -> Iterator[Event]:
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if not found:
            continue
        if found["event"] == "kfree_skb" and (freed := _FREED.match(found["fields"])):
            if freed["reason"] in _HEALTHY:
                continue
            packet, point = freed["packet"], TracePoint("drop", None, freed["reason"], freed["location"])
        elif passing := _PASSING.match(found["fields"]):
            direction = "tx" if found["event"] == "net_dev_queue" else "rx"
            packet, point = passing["packet"], TracePoint(direction, passing["interface"])
        else:
            continue
        yield Event(int(found["pid"]), found["interrupt"] != ".", packet, point)


def _own(events: Iterator[Event]) -> Iterator[Event]:
    """Without what a traced thread did for others when an interrupt caught it.

    What the thread does itself is the probe's. In an interrupt one packet after the other is received and all that
    comes of it done at once: so what follows a reception belongs to the packet received, and that is the probe's if
    the probe sent it before.
    """
    sent: set[str] = set()
    ours: dict[int, bool] = {}
    for event in events:
        if not event.in_interrupt:
            ours[event.pid] = True
        elif event.point.event == "rx":
            ours[event.pid] = event.packet in sent
        if ours.get(event.pid, event.packet in sent):
            if event.point.event == "tx":
                sent.add(event.packet)
            yield event
