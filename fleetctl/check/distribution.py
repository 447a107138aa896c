"""Judges how a balancer spread requests over replicas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from math import ceil

from fleetctl.check.presence import ROUNDS, presence, surely_all
from fleetctl.check.turns import SHOWN, Judged, Owners, spread
from fleetctl.spec.wording import counted, listed
from fleetctl.state.distribution import (
    NO_IDENTITY,
    Answer,
    Distribution,
    Fault,
    Member,
    Promise,
    Series,
    Share,
)


def enough(replicas: int, *, turns: bool) -> int:
    """How many requests tell whether a replica is missing: ten rounds and no fewer than 100 where each gets its turn;
    where chance chooses, so many that it leaves no replica out."""
    if turns or replicas < 2:
        return max(100, ROUNDS * replicas)
    return max(100, surely_all(replicas))


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


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that so large a share of all does not exceed (nearest rank); None where there are none."""
    return ordered[ceil(share * len(ordered)) - 1] if ordered else None
