"""Of several findings those are told that explain the others, each once."""

from __future__ import annotations

import pytest

from fleetctl.diagnosis.consequences import CONSEQUENCES, settle
from fleetctl.diagnosis.scene import finding


@pytest.mark.parametrize(
    ("follows", "cause"), [(follows, cause) for follows, causes in CONSEQUENCES.items() for cause in causes]
)
def test_what_follows_from_another_finding_is_left_out(follows: str, cause: str) -> None:
    both = [finding(one, "web-1", "seen", cure="mend it") for one in (follows, cause)]
    assert [one.cause for one in settle(both)] == [cause]
    assert [one.cause for one in settle(both[:1])] == [follows]


@pytest.mark.parametrize(
    ("follows", "cause"), [(follows, cause) for follows, causes in CONSEQUENCES.items() for cause in causes]
)
def test_a_warning_explains_no_fault(follows: str, cause: str) -> None:
    """A peer's interface that is down is not why another container finds no way back."""
    fault, warning = (finding(one, where, "seen", cure="mend it") for one, where in ((follows, "a"), (cause, "b")))
    assert [one.cause for one in settle([warning.as_warning(), fault])] == [follows, cause]
    assert [one.cause for one in settle([warning.as_warning(), fault.as_warning()])] == [cause]


def test_of_a_fault_and_a_warning_of_the_same_object_the_fault_is_told() -> None:
    fault = finding("stale-server", "web-1", "seen", cure="mend it")
    for both in ([fault, fault.as_warning()], [fault.as_warning(), fault]):
        assert settle(both) == [fault]
