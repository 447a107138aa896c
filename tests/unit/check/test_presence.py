"""Who is missing: what requests of others explain, and what they do not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fleetctl.check.distribution import judge
from fleetctl.state.distribution import Answer, Distribution, Member, Promise, Series

TWO = (Member("web-1", ("a",)), Member("web-2", ("b",)))
THREE = (*TWO, Member("web-3", ("c",)))
ASIDE = " (requests of other clients at the same time would do that, too)"


def told(names: str, members: Sequence[Member], promise: Promise) -> Distribution:
    return judge(Series(tuple(map(Answer, names)), 1, 1.0, len(names)), members, promise)


def missing(found: Distribution) -> list[str]:
    return [fault.message for fault in found.faults if fault.kind == "missing"]


def not_judged(found: Distribution) -> list[str]:
    return [note for note in found.notes if note.startswith("who is missing is not judged: ")]


@pytest.mark.parametrize(
    ("names", "members", "others", "absent"),
    [
        ("a" * 100, TWO, 100, "web-2"),  # another client in lock-step
        ("aca", THREE, 1, "web-2"),
        ("aaa", THREE, 4, "web-2, web-3"),
        ("aa", TWO, None, "web-2"),  # nobody has counted them
    ],
)
def test_an_absence_is_not_judged_where_others_may_have_had_every_turn_of_it(
    names: str, members: Sequence[Member], others: int | None, absent: str
) -> None:
    found = told(names, members, Promise(others=others))
    assert found.passed, found.faults
    assert not any("replicas answered" in kept for kept in found.kept)
    (note,) = not_judged(found)
    assert note.endswith(f" meanwhile; seen: {absent} never answered")
    assert (f"other clients made {others} request" in note) is (others is not None)


@pytest.mark.parametrize(
    ("names", "members", "others", "absent"),
    [
        ("a" * 102, TWO, 100, ["web-2"]),
        ("acca" * 25, THREE, 1, ["web-2"]),
        ("aaa", THREE, 3, ["web-2", "web-3"]),  # each had two turns between the answers of web-1
        ("ac" * 50, THREE, None, ["web-2"]),  # uncounted ones hardly meet every turn of ten rounds
    ],
)
def test_one_that_missed_more_turns_than_others_can_have_had_is_missing(
    names: str, members: Sequence[Member], others: int | None, absent: list[str]
) -> None:
    found = told(names, members, Promise(others=others))
    assert missing(found) == [
        f"{name} never answered: all of {len(names)} answers came from others{'' if others else ASIDE}"
        for name in absent
    ]
    assert not_judged(found) == []


def test_one_that_the_balancer_itself_leaves_out_is_missing_whoever_else_asks() -> None:
    found = told("a" * 50, THREE, Promise(others=100, standing={"web-2": "in drain"}))
    assert missing(found) == [
        "web-2 never answered: all of 50 answers came from others; the balancer has it as in drain"
    ]
    assert [note.rpartition("seen: ")[2] for note in not_judged(found)] == ["web-3 never answered"]


def test_requests_that_went_on_to_another_replica_excuse_nobody() -> None:
    """Somebody had its turn and did not answer: every turn of web-2 was like that."""
    found = told("a" * 100, TWO, Promise(others=0, retried=99))
    assert missing(found) == [
        "web-2 never answered: all of 100 answers came from others; the balancer sent 99 requests to a second replica"
    ]


def test_without_turns_whoever_is_busy_with_others_may_be_passed_over() -> None:
    """Leastconn asks nobody who has more under way than the rest."""
    least = Promise(turns=False, why="leastconn promises none", others=1)
    assert not_judged(told("a" * 100, TWO, least)) == [
        "who is missing is not judged: other clients made 1 request meanwhile; seen: web-2 never answered"
    ]
    alone = Promise(turns=False, why="leastconn promises none", others=0)
    assert len(missing(told("a" * 100, TWO, alone))) == 1
    uncounted = Promise(turns=False, why="nobody promises one")
    assert missing(told("a" * 100, TWO, uncounted))[0].endswith(ASIDE)


def test_a_name_server_leaves_nobody_out_for_the_sake_of_others() -> None:
    shuffled = Promise(turns=False, why="names are shuffled", random=True)
    assert missing(told("a" * 100, TWO, shuffled)) == ["web-2 never answered: all of 100 answers came from others"]


def test_where_replicas_are_only_counted_others_explain_as_much() -> None:
    found = told("xyx", (), Promise(others=1, replicas=3))
    assert found.passed
    (note,) = not_judged(found)
    assert note.endswith("; seen: 3 answers came from 2 instances, where 3 were to answer")
    assert len(missing(told("xy" * 20, (), Promise(others=1, replicas=3)))) == 1
    assert len(missing(told("xyx", (), Promise(others=1, replicas=3, standing={"web-2": "in drain"})))) == 1
    assert [fault.kind for fault in told("wxyz", (), Promise(others=100, replicas=3)).faults] == ["foreign"]
