"""Judges how a balancer spread requests over replicas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from math import ceil, log

from fleetctl.check.turns import SHOWN, Judged, Owners, spread
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


def enough(replicas: int, *, turns: bool) -> int:
    """How many requests tell whether a replica is missing: ten rounds and no fewer than 100 where each gets its turn;
    where chance chooses, so many that it leaves no replica out."""
    if turns or replicas < 2:
        return max(100, 10 * replicas)
    return max(100, surely_all(replicas))


def surely_all(replicas: int) -> int:
    """Answers after which one of so many equally likely replicas is left out with a probability below CHANCE."""
    return ceil(log(CHANCE / replicas) / log(1 - 1 / replicas)) if replicas > 1 else 1


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


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that so large a share of all does not exceed (nearest rank); None where there are none."""
    return ordered[ceil(share * len(ordered)) - 1] if ordered else None
