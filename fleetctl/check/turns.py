"""Judges whether each had its turn: in order, evenly, or as chance has it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import sqrt

from fleetctl.spec.wording import counted, listed
from fleetctl.state.distribution import Answer, Fault, Promise, Series, Share

DEVIATIONS = 6.0
"""Standard deviations from the even share that chance does not explain (two in a milliard for a normal one)."""
SHOWN = 3
"""Identities and counts that a sentence shows."""
ASIDE = " (requests of other clients at the same time would do that, too)"
"""What to bear in mind where nobody counts what others ask."""
Owners = Mapping[str, tuple[str, ...]]
"""Identity -> names of the replicas that gave it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One part of a judgement: what is wrong, what holds, and what was not judged."""

    faults: tuple[Fault, ...] = ()
    kept: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def spread(series: Series, shares: Sequence[Share], owners: Owners, promise: Promise) -> Judged:
    """Whether each had its turn, or as many answers as the others. What is not promised is told, not judged."""
    present = [share for share in shares if share.answers]
    if len(present) < 2:
        return Judged()
    if promise.random:
        return by_chance(present, promise)
    if any(len(share.replicas) > 1 for share in present):
        return Judged(notes=("the order is not judged: not every replica can be told from the others",))
    found = in_turn(series.answers, owners, len(present)) if series.concurrency == 1 else evenly(series, present)
    why = promise.why or ("" if promise.turns else "nobody promises one")
    if promise.others:
        why = f"other clients made {counted(promise.others, 'request')} meanwhile"
    if promise.retried:
        why = f"the balancer sent {counted(promise.retried, 'request')} to a second replica"
    if why:
        seen = "; ".join((*found.kept, *(fault.message for fault in found.faults)))
        return Judged(notes=(f"the order is not judged: {why}{f'; seen: {seen}' if seen else ''}", *found.notes))
    if promise.others is None:
        found = replace(found, faults=tuple(replace(one, message=one.message + ASIDE) for one in found.faults))
    return found


def in_turn(answers: Iterable[Answer], owners: Owners, size: int) -> Judged:
    """Every window of as many consecutive answers as there are who answer has that many different ones. A run ends
    where a request fails, since nobody knows whose turn that was."""
    runs = [
        [speaker(str(one.identity), owners) for one in run]
        for named, run in groupby(answers, key=lambda one: one.identity is not None)
        if named
    ]
    everybody = tuple(dict.fromkeys(name for run in runs for name in run))
    total, broken, first = 0, 0, ""
    for run in runs:
        for counts in windows(run, size):
            total += 1
            if len(counts) < size:
                broken += 1
                first = first or passed_over(counts, everybody)
    if broken:
        whose = f"{broken} of {total} windows of {size} answers came from fewer than {size} replicas"
        return Judged((Fault("order", f"{whose}: {first}", everybody),))
    if not total:
        return Judged(notes=(f"the order is not judged: nowhere are there {size} answers in a row",))
    return Judged(kept=(f"every window of {counted(size, 'answer')} came from {counted(size, 'replica')}",))


def windows(names: Iterable[str], size: int) -> Iterator[Mapping[str, int]]:
    """How often each name occurs in each window; it holds until the next is asked for."""
    counts: Counter[str] = Counter()
    window: deque[str] = deque()
    for name in names:
        window.append(name)
        counts[name] += 1
        if len(window) < size:
            continue
        yield counts
        oldest = window.popleft()
        counts[oldest] -= 1
        if not counts[oldest]:
            del counts[oldest]


def passed_over(counts: Mapping[str, int], everybody: Iterable[str]) -> str:
    """Who took whose turn within one window."""
    again = [name for name, count in counts.items() if count > 1]
    skipped = [name for name in everybody if name not in counts]
    return f"{listed(again, SHOWN)} answered again before {listed(skipped, SHOWN)}"


def evenly(series: Series, present: Sequence[Share]) -> Judged:
    """Turns that are handed out to clients at the same time still go round: after any number of requests the counts
    differ by no more than one."""
    if any(answer.identity is None for answer in series.answers):
        return Judged(notes=("the counts are not judged: a request that fails takes a turn, too",))
    most, fewest = max(present, key=answers_of), min(present, key=answers_of)
    if most.answers - fewest.answers > 1:
        told = (
            f"{name_of(most)} gave {most.answers} answers and {name_of(fewest)} {fewest.answers}, more than one apart"
        )
        return Judged((Fault("uneven", told, (*most.replicas, *fewest.replicas)),))
    gave = f"{fewest.answers} or {most.answers}" if most.answers > fewest.answers else f"{most.answers}"
    return Judged(kept=(f"each of {counted(len(present), 'replica')} gave {gave} answers",))


def by_chance(present: Sequence[Share], promise: Promise) -> Judged:
    """Equally likely replicas have shares that differ by no more than chance makes likely."""
    notes = (f"the order is not judged: {promise.why}",) if promise.why else ()
    total, even = sum(share.answers for share in present), 1 / len(present)
    slack = DEVIATIONS * sqrt(total * even * (1 - even))
    chance = f"{total * even:.0f} ± {slack:.0f}"
    odd = [share for share in present if abs(share.answers - total * even) > slack]
    return Judged(
        tuple(
            Fault("uneven", f"{name_of(one)} gave {one.answers} of {total} answers, not {chance}", one.replicas)
            for one in odd
        ),
        () if odd else (f"the shares differ no more than by chance ({chance})",),
        notes,
    )


def answers_of(share: Share) -> int:
    return share.answers


def name_of(share: Share) -> str:
    """For people: the replicas, else the identity."""
    return ", ".join(share.replicas or share.identities)


def speaker(identity: str, owners: Owners) -> str:
    """Whoever gives an identity, so that a replica with several of them is still one."""
    return ", ".join(owners.get(identity, (identity,)))
