"""Judges who is missing: which replica never answered though it had its turn, or might have been chosen."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log

from fleetctl.check.turns import ASIDE, SHOWN, Judged
from fleetctl.spec.wording import counted, listed
from fleetctl.state.distribution import Fault, Member, Promise, Share

CHANCE = 1e-9
"""How seldom chance alone may make a judgement wrong."""
ROUNDS = 10
"""Rounds of turns that tell: others whom nobody counts are not thought to have had the same turn in each of them."""


def presence(shares: Sequence[Share], answers: int, members: Sequence[Member], promise: Promise) -> Judged:
    """Who never answered. Where nobody is known but how many there are, that many have to answer. It is no fault of a
    replica that others who asked meanwhile may have had all its turns (`had_by_others`), unless the balancer itself
    says that it leaves it out. Requests that went on to a second replica are no excuse: somebody failed them."""
    if not answers:
        return Judged()
    if not members:
        return number_of_instances(shares, answers, promise)
    known = [share for share in shares if share.replicas and share.identities]
    absent = [share for share in known if not share.answers]
    if not absent:
        whole = len(known) == len([share for share in shares if share.replicas])
        return Judged(kept=(f"each of {counted(len(members), 'replica')} answered",) if whole else ())
    if answers < (needed := least_answers(len(known), promise)):
        return Judged(notes=(f"{counted(answers, 'answer')} cannot tell who is missing: at least {needed} can",))
    left_out = [share for share in absent if standing(share, promise)]
    passed_over = [share for share in absent if share not in left_out]
    if passed_over and (why := had_by_others(shares, len(passed_over), promise)):
        names = listed((name for share in passed_over for name in share.replicas), SHOWN)
        return Judged(
            tuple(missing(share, answers, promise) for share in left_out), notes=(f"{why} {names} never answered",)
        )
    return Judged(tuple(missing(share, answers, promise) for share in absent))


def missing(share: Share, answers: int, promise: Promise) -> Fault:
    told = f"{' and '.join(share.replicas)} never answered: all of {counted(answers, 'answer')} came from others"
    if how := standing(share, promise):
        return Fault("missing", f"{told}; the balancer has it as {how}", share.replicas)
    if promise.retried:
        told += f"; the balancer sent {counted(promise.retried, 'request')} to a second replica"
    return Fault("missing", told + aside(promise), share.replicas)


def standing(share: Share, promise: Promise) -> str:
    """How the balancer sees them, where it does not send them requests."""
    return ", ".join(dict.fromkeys(promise.standing[name] for name in share.replicas if name in promise.standing))


def aside(promise: Promise) -> str:
    """What to bear in mind where nobody counts what others ask; whom chance chooses does not hang on that."""
    return ASIDE if promise.others is None and not promise.random else ""


def had_by_others(shares: Sequence[Share], absent: int, promise: Promise) -> str:
    """Why an absence is not judged, empty where it is. In turn, a replica has one turn between two answers of any
    other: so each of those `absent` must have lost that many to others. Without turns a single request of others is
    enough, for whoever is busy with it may be passed over as long as it lasts."""
    others = promise.others
    if promise.turns:
        lost = absent * (max(share.answers for share in shares) - 1)
        explained = lost <= (ROUNDS if others is None else others)
    else:
        explained = others is not None and not promise.random
    if others == 0 or not explained:
        return ""
    asked = f"other clients made {counted(others, 'request')}" if others else "nobody counted what other clients asked"
    return f"who is missing is not judged: {asked} meanwhile; seen:"


def number_of_instances(shares: Sequence[Share], answers: int, promise: Promise) -> Judged:
    """Where only the number of replicas is known, or not even that."""
    seen, wanted = len(shares), promise.replicas
    told = f"{counted(answers, 'answer')} came from {counted(seen, 'instance')}"
    if wanted is None or seen == wanted:
        return Judged(kept=(told,))
    if seen < wanted and answers < (needed := least_answers(wanted, promise)):
        return Judged(notes=(f"{told}: at least {needed} answers can tell whether one is missing",))
    told = f"{told}, where {wanted} were to answer"
    if seen > wanted:
        return Judged((Fault("foreign", told),))
    if not promise.standing and (why := had_by_others(shares, wanted - seen, promise)):
        return Judged(notes=(f"{why} {told}",))
    return Judged((Fault("missing", told + aside(promise)),))


def least_answers(replicas: int, promise: Promise) -> int:
    return replicas if promise.turns else surely_all(replicas)


def surely_all(replicas: int) -> int:
    """Answers after which one of so many equally likely replicas is left out with a probability below CHANCE."""
    return ceil(log(CHANCE / replicas) / log(1 - 1 / replicas)) if replicas > 1 else 1
