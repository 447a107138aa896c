"""Judges how a balancer spread requests over replicas."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import ceil, log, sqrt

from fleetctl.spec.wording import counted, listed
from fleetctl.state.distribution import (
    NO_IDENTITY,
    Answer,
    Distribution,
    Fault,
    FaultKind,
    Member,
    Promise,
    Series,
    Share,
)

CHANCE = 1e-9
"""How seldom chance alone may make a judgement wrong."""
DEVIATIONS = 6.0
"""Standard deviations from the even share that chance does not explain (two in a milliard for a normal one)."""
SHOWN = 3
"""Identities and counts that a sentence shows."""


def enough(replicas: int, *, turns: bool) -> int:
    """How many requests tell whether a replica is missing: ten rounds and no fewer than 100 where each gets its turn;
    where chance chooses, so many that it leaves no replica out."""
    if turns or replicas < 2:
        return max(100, 10 * replicas)
    return max(100, surely_all(replicas))


def surely_all(replicas: int) -> int:
    """Answers after which one of so many equally likely replicas is left out with a probability below CHANCE."""
    return ceil(log(CHANCE / replicas) / log(1 - 1 / replicas)) if replicas > 1 else 1


@dataclass(frozen=True, slots=True)
class Judged:
    """One part of a judgement: what is wrong, what holds, and what was not judged."""

    faults: tuple[Fault, ...] = ()
    kept: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def judge(series: Series, members: Sequence[Member], promise: Promise) -> Distribution:
    """What the answers come to. Without members nobody is known: then nobody can be missing or foreign by name."""
    owners = owners_of(members)
    given = Counter(answer.identity for answer in series.answers if answer.identity is not None)
    shares = tuple(shares_of(given, members, owners))
    first = Judged((*own_faults(members, owners), *failed_requests(series.answers), *strangers(given, members, owners)))
    parts = (first, presence(shares, given.total(), members, promise), spread(series, shares, owners, promise))
    early = len(series.answers) < series.wanted
    times = sorted(answer.milliseconds for answer in series.answers if answer.failure is None)
    return Distribution(
        shares=shares,
        faults=tuple(fault for part in parts for fault in part.faults),
        kept=tuple(sentence for part in parts for sentence in part.kept),
        notes=(
            *(note for part in parts for note in part.notes),
            *((f"{len(series.answers)} of {series.wanted} requests were made",) if early else ()),
        ),
        asked=len(series.answers),
        wanted=series.wanted,
        concurrency=series.concurrency,
        failures=Counter(answer.failure for answer in series.answers if answer.failure is not None),
        seconds=series.seconds,
        median=percentile(times, 0.5),
        p99=percentile(times, 0.99),
    )


Owners = Mapping[str, tuple[str, ...]]
"""Identity -> names of the replicas that gave it."""


def owners_of(members: Iterable[Member]) -> Owners:
    owners: dict[str, tuple[str, ...]] = {}
    for member in members:
        for identity in member.identities:
            owners[identity] = (*owners.get(identity, ()), member.replica)
    return owners


def shares_of(given: Counter[str], members: Sequence[Member], owners: Owners) -> Iterator[Share]:
    """One for each replica, in their order, or for those that cannot be told apart; then the unknown, by number."""
    told = dict.fromkeys([*((one.replica,) for one in members if not one.identities), *owners.values()])
    order = {member.replica: place for place, member in enumerate(members)}
    for names in sorted(told, key=lambda names: [order[name] for name in names]):
        identities = tuple(identity for identity, whose in owners.items() if whose == names)
        yield Share(names, identities, sum(given[identity] for identity in identities))
    for identity, count in given.most_common():
        if identity not in owners:
            yield Share((), (identity,), count)


def own_faults(members: Sequence[Member], owners: Owners) -> Iterator[Fault]:
    """What is wrong with the replicas before anybody balances."""
    nameless = tuple(member.replica for member in members if member.error == NO_IDENTITY)
    if nameless:
        yield Fault("nameless", f"the answers of {listed(nameless, SHOWN)} by themselves hold no identity", nameless)
    for member in members:
        if member.error not in (None, NO_IDENTITY):
            yield Fault("silent", f"{member.replica} does not answer by itself: {member.error}", (member.replica,))
        if len(member.identities) > 1:
            told = f"{member.replica} gives {len(member.identities)} identities: {listed(member.identities, SHOWN)}"
            yield Fault("wandering", told, (member.replica,))
    for names, identities in groupby(sorted(owners, key=lambda one: owners[one]), key=lambda one: owners[one]):
        if len(names) > 1:
            yield Fault("duplicate", f"{' and '.join(names)} give the same identity {listed(identities, SHOWN)}", names)


def failed_requests(answers: Sequence[Answer]) -> Iterator[Fault]:
    """Requests without an answer of success, and answers that name nobody."""
    failures = Counter(answer.failure for answer in answers if answer.failure is not None)
    if failures:
        kinds = ", ".join(f"{kind} ({count})" for kind, count in failures.most_common())
        yield Fault("failed", f"{failures.total()} of {len(answers)} requests failed: {kinds}")
    nameless = sum(answer.failure is None and answer.identity is None for answer in answers)
    if nameless:
        yield Fault("nameless", f"{nameless} of {len(answers)} answers hold no identity")


def strangers(given: Counter[str], members: Sequence[Member], owners: Owners) -> Iterator[Fault]:
    """Identities that no replica gave when it was asked directly."""
    unknown = [identity for identity, _ in given.most_common() if identity not in owners]
    if members and unknown:
        whose = [member.replica for member in members if len(member.identities) > 1]
        maybe = f"; they may be of {listed(whose, SHOWN)}" if whose else ""
        told = f"{counted(sum(given[one] for one in unknown), 'answer')} came from none of the known replicas"
        yield Fault("foreign", f"{told}: {listed(unknown, SHOWN)}{maybe}", tuple(whose))


def presence(shares: Sequence[Share], answers: int, members: Sequence[Member], promise: Promise) -> Judged:
    """Who never answered. Where nobody is known but how many there are, that many have to answer."""
    if not answers:
        return Judged()
    if not members:
        return number_of_instances(len(shares), answers, promise)
    known = [share for share in shares if share.replicas and share.identities]
    absent = [share for share in known if not share.answers]
    if not absent:
        whole = len(known) == len([share for share in shares if share.replicas])
        return Judged(kept=(f"each of {counted(len(members), 'replica')} answered",) if whole else ())
    if answers < (needed := least_answers(len(known), promise)):
        return Judged(notes=(f"{counted(answers, 'answer')} cannot tell who is missing: at least {needed} can",))
    told = f"never answered: all of {counted(answers, 'answer')} came from others"
    return Judged(
        tuple(
            Fault("missing", f"{' and '.join(one.replicas)} {told}{standing(one.replicas, promise)}", one.replicas)
            for one in absent
        )
    )


def standing(replicas: Sequence[str], promise: Promise) -> str:
    """How the balancer sees them, where it does not send them requests."""
    told = dict.fromkeys(promise.standing[name] for name in replicas if name in promise.standing)
    return f"; the balancer has it as {', '.join(told)}" if told else ""


def number_of_instances(seen: int, answers: int, promise: Promise) -> Judged:
    """Where only the number of replicas is known, or not even that."""
    told = f"{counted(answers, 'answer')} came from {counted(seen, 'instance')}"
    if promise.replicas is None or seen == promise.replicas:
        return Judged(kept=(told,))
    if seen < promise.replicas and answers < (needed := least_answers(promise.replicas, promise)):
        return Judged(notes=(f"{told}: at least {needed} answers can tell whether one is missing",))
    kind: FaultKind = "missing" if seen < promise.replicas else "foreign"
    return Judged((Fault(kind, f"{told}, where {promise.replicas} were to answer"),))


def least_answers(replicas: int, promise: Promise) -> int:
    return replicas if promise.turns else surely_all(replicas)


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
        aside = " (requests of other clients at the same time would do that, too)"
        found = replace(found, faults=tuple(replace(one, message=one.message + aside) for one in found.faults))
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


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that so large a share of all does not exceed (nearest rank); None where there are none."""
    return ordered[ceil(share * len(ordered)) - 1] if ordered else None
