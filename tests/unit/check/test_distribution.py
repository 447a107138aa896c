"""Judging how requests were spread: what counts as wrong, with whom, and what is not judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from fleetctl.check.distribution import enough, judge, percentile
from fleetctl.check.presence import surely_all
from fleetctl.state.distribution import Answer, Distribution, Member, Promise, Series

TURNS = Promise()
ALONE = Promise(others=0)
LEAST = Promise(turns=False, why="leastconn promises none")
DNS = Promise(turns=False, why="names are shuffled", random=True)
THREE = (Member("web-1", ("a",)), Member("web-2", ("b",)), Member("web-3", ("c",)))


def series(names: Iterable[str], concurrency: int = 1, wanted: int | None = None) -> Series:
    """One answer for each name; "!503" is a failure of that kind, "-" names nobody."""
    answers = tuple(
        Answer(failure=name[1:], milliseconds=float(place))
        if name.startswith("!")
        else Answer(None if name == "-" else name, float(place))
        for place, name in enumerate(names, 1)
    )
    return Series(answers, concurrency, 2.0, len(answers) if wanted is None else wanted)


def told(
    names: Iterable[str], members: Sequence[Member] = THREE, promise: Promise = ALONE, *, concurrency: int = 1
) -> Distribution:
    return judge(series(names, concurrency), members, promise)


def kinds(found: Distribution) -> list[str]:
    return [fault.kind for fault in found.faults]


def counts(found: Distribution) -> list[tuple[str, int]]:
    return [(", ".join(share.replicas or share.identities), share.answers) for share in found.shares]


# One client


def test_each_in_its_turn_is_right() -> None:
    found = told("abc" * 10)
    assert found.passed
    assert counts(found) == [("web-1", 10), ("web-2", 10), ("web-3", 10)]
    assert found.kept == ("each of 3 replicas answered", "every window of 3 answers came from 3 replicas")
    assert found.notes == ()
    assert (found.asked, found.answered, found.wanted) == (30, 30, 30)


@pytest.mark.parametrize("names", ["cab" * 10, "bca" * 10 + "b", "cba" * 5])
def test_any_order_will_do_and_any_beginning(names: str) -> None:
    assert told(names).passed


def test_one_turn_that_was_not_kept_is_told_with_whose_it_was() -> None:
    found = told("abcabaabcabc")
    assert kinds(found) == ["order"]
    assert found.faults[0].message == (
        "3 of 10 windows of 3 answers came from fewer than 3 replicas: web-1 answered again before web-3"
    )


def test_a_single_repetition_at_the_very_end_is_seen() -> None:
    """And nothing but the one window is counted."""
    found = told("abcabcb", promise=TURNS)
    assert kinds(found) == ["order"]
    assert "1 of 5 windows" in found.faults[0].message
    assert found.faults[0].message.endswith("(requests of other clients at the same time would do that, too)")


def test_equal_counts_in_the_wrong_order_are_wrong_for_one_client() -> None:
    """Ten of each, as a balancer by chance could give them."""
    assert kinds(told("aabbcc" * 5)) == ["order"]


def test_a_skewed_balancer_breaks_the_order_for_one_client_and_the_counts_for_several() -> None:
    names = "abac" * 10
    assert kinds(told(names)) == ["order"]
    found = told(names, concurrency=4)
    assert kinds(found) == ["uneven"]
    assert found.faults[0].message == "web-1 gave 20 answers and web-2 10, more than one apart"
    assert found.faults[0].replicas == ("web-1", "web-2")


def test_a_failure_in_between_is_a_fault_and_ends_a_row_of_turns() -> None:
    """Nobody knows whose turn it was."""
    found = told([*"abc", "!HTTP 503", *"abc", "!timeout", "!HTTP 503", *"bca"])
    assert kinds(found) == ["failed"]
    assert found.faults[0].message == "3 of 12 requests failed: HTTP 503 (2), timeout (1)"
    assert found.failures == {"HTTP 503": 2, "timeout": 1}
    assert found.answered == 9
    assert "every window of 3 answers came from 3 replicas" in found.kept


def test_too_few_answers_in_a_row_are_not_judged() -> None:
    found = told("ab", promise=TURNS)
    assert found.passed
    assert "2 answers cannot tell who is missing: at least 3 can" in found.notes


def test_one_replica_needs_no_turns() -> None:
    found = told("aaaa", [Member("web-1", ("a",))])
    assert found.passed
    assert (found.kept, found.notes) == (("each of 1 replica answered",), ())


# Several clients


@pytest.mark.parametrize("names", ["abc" * 10, "aabbcc" * 5, "abc" * 10 + "b", "abc" * 10 + "ca"])
def test_counts_that_differ_by_one_at_most_are_right_for_several_clients(names: str) -> None:
    found = told(names, concurrency=4)
    assert found.passed, found.faults
    assert found.concurrency == 4


def test_counts_that_differ_by_two_are_wrong_for_several_clients() -> None:
    assert kinds(told("abc" * 10 + "b", concurrency=4)) == []
    assert kinds(told("abc" * 10 + "bb", concurrency=4)) == ["uneven"]


def test_counts_are_not_judged_where_requests_failed() -> None:
    """A request that failed had its turn somewhere."""
    found = told(["!timeout", "!timeout", "!timeout", *"abcab", *"abab"], concurrency=4)
    assert kinds(found) == ["failed"]
    assert "the counts are not judged: a request that fails takes a turn, too" in found.notes


# Who it is


def test_whoever_never_answers_is_missing_and_the_others_are_still_judged() -> None:
    found = told("ac" * 10)
    assert kinds(found) == ["missing"]
    assert found.faults[0].message == "web-2 never answered: all of 20 answers came from others"
    assert found.faults[0].replicas == ("web-2",)
    assert found.kept == ("every window of 2 answers came from 2 replicas",)
    assert counts(found) == [("web-1", 10), ("web-2", 0), ("web-3", 10)]


def test_a_stranger_is_named() -> None:
    found = told("abcx" * 5)
    assert kinds(found) == ["foreign"]
    assert found.faults[0].message == "5 answers came from none of the known replicas: x"
    assert counts(found)[-1] == ("x", 5)


def test_two_replicas_that_give_one_identity_are_both_named_and_the_order_is_left_alone() -> None:
    """Reliability case 36."""
    members = (Member("web-1", ("a",)), Member("web-2", ("a",)), Member("web-3", ("c",)))
    found = told("aac" * 10, members)
    assert kinds(found) == ["duplicate"]
    assert found.faults[0].message == "web-1 and web-2 give the same identity a"
    assert found.faults[0].replicas == ("web-1", "web-2")
    assert counts(found) == [("web-1, web-2", 20), ("web-3", 10)]
    assert "the order is not judged: not every replica can be told from the others" in found.notes


def test_a_replica_with_several_identities_is_named_and_still_has_its_turns() -> None:
    """Reliability case 37."""
    members = (Member("web-1", ("a", "A")), *THREE[1:])
    found = told("abcAbc" * 5, members)
    assert kinds(found) == ["wandering"]
    assert found.faults[0].message == "web-1 gives 2 identities: a, A"
    assert found.faults[0].replicas == ("web-1",)
    assert counts(found) == [("web-1", 10), ("web-2", 10), ("web-3", 10)]
    assert "every window of 3 answers came from 3 replicas" in found.kept


def test_strangers_may_be_of_a_replica_that_is_known_to_have_several_identities() -> None:
    members = (Member("web-1", ("a", "A")), *THREE[1:])
    found = told("abcZbc" * 5, members)
    assert kinds(found) == ["wandering", "foreign", "order"]
    assert found.faults[1].message.endswith(": Z; they may be of web-1")


def test_a_replica_that_does_not_answer_by_itself_is_told_with_the_reason_and_is_not_missing_as_well() -> None:
    members = (*THREE[:2], Member("web-3", error="connection refused"))
    found = told("ab" * 10, members)
    assert kinds(found) == ["silent"]
    assert found.faults[0].message == "web-3 does not answer by itself: connection refused"
    assert counts(found) == [("web-1", 10), ("web-2", 10), ("web-3", 0)]
    assert "each of 3 replicas answered" not in found.kept


def test_answers_that_name_nobody_are_a_fault() -> None:
    found = told("abc-abc")
    assert kinds(found) == ["nameless"]
    assert found.faults[0].message == "1 of 7 answers hold no identity"


def test_many_strangers_are_counted_and_the_first_are_named() -> None:
    """A server that makes an identity for every request."""
    found = told(["a", "b", "c", *(f"x{number}" for number in range(30))], promise=LEAST)
    assert found.faults[-1].message == "30 answers came from none of the known replicas: x0, x1, x2 and 27 more"


def test_no_answer_at_all_passes_for_nobody() -> None:
    found = told(["!connection refused"] * 20)
    assert kinds(found) == ["failed"]
    assert counts(found) == [("web-1", 0), ("web-2", 0), ("web-3", 0)]
    assert (found.median, found.p99) == (None, None)


# What is promised


def test_other_clients_take_turns_too_so_that_the_order_is_not_judged() -> None:
    found = told("aabbc" * 5, promise=replace(TURNS, others=7))
    assert found.passed
    assert found.notes[0].startswith("the order is not judged: other clients made 7 requests meanwhile; seen: ")


def test_an_algorithm_without_turns_is_judged_by_who_answers_only() -> None:
    assert told("aaabbc" * 20, promise=LEAST).passed
    assert told("aaabbc" * 20, promise=LEAST, concurrency=3).passed
    assert kinds(told("aaabb" * 20, promise=LEAST)) == ["missing"]
    assert kinds(told("aaabbcx" * 20, promise=LEAST)) == ["foreign"]


def test_without_turns_few_answers_cannot_tell_who_is_missing() -> None:
    found = told("abababab", promise=LEAST)
    assert found.passed
    assert f"8 answers cannot tell who is missing: at least {surely_all(3)} can" in found.notes


def test_shares_by_chance_are_judged_as_chance_makes_them() -> None:
    assert told(["a"] * 30 + ["b"] * 45 + ["c"] * 25, promise=DNS).passed
    found = told(["a"] * 90 + ["b"] * 5 + ["c"] * 5, promise=DNS)
    assert kinds(found) == ["uneven"] * 3
    assert "web-1 gave 90 of 100 answers, not 33 ± 28" in [fault.message for fault in found.faults]


def test_of_an_unknown_balancer_only_the_instances_are_counted() -> None:
    found = told("xyxyxz" * 5, (), LEAST)
    assert found.passed
    assert found.kept == ("30 answers came from 3 instances",)
    assert counts(found) == [("x", 15), ("y", 10), ("z", 5)]


def test_where_replicas_can_only_be_counted_their_number_is_judged() -> None:
    four = replace(ALONE, replicas=4)
    assert kinds(told("wxyz" * 5, (), four)) == []
    assert kinds(told("xyz" * 5, (), four)) == ["missing"]
    assert kinds(told("vwxyz" * 5, (), four)) == ["foreign"]
    assert told("xyz", (), four).passed


def test_a_series_that_ended_early_says_so() -> None:
    found = judge(series("abc" * 3, wanted=100), THREE, ALONE)
    assert found.passed
    assert "9 of 100 requests were made" in found.notes


# Numbers


@pytest.mark.parametrize(("replicas", "requests"), [(1, 100), (4, 100), (10, 100), (60, 600)])
def test_ten_rounds_are_enough_where_each_has_its_turn(replicas: int, requests: int) -> None:
    assert enough(replicas, turns=True) == requests


def test_by_chance_it_takes_more_to_leave_nobody_out() -> None:
    """The probability that one of so many is left out, at most: n (1 - 1/n)^k."""
    for replicas in (2, 5, 60, 300):
        requests = surely_all(replicas)
        assert replicas * (1 - 1 / replicas) ** requests <= 1e-9 < replicas * (1 - 1 / replicas) ** (requests - 1)
        assert enough(replicas, turns=False) == max(100, requests)


def test_percentiles_are_values_that_occurred() -> None:
    times = [float(number) for number in range(1, 101)]
    assert (percentile(times, 0.5), percentile(times, 0.99), percentile(times, 1)) == (50, 99, 100)
    assert (percentile([7.0], 0.5), percentile([], 0.5)) == (7.0, None)


def test_times_are_those_of_answers_only() -> None:
    found = told(["a", "b", "c", "!timeout"])
    assert (found.median, found.p99, found.seconds) == (2.0, 3.0, 2.0)
