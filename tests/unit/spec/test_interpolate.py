"""Interpolation follows Compose's grammar, but for unset variables, which are errors."""

from __future__ import annotations

import pytest

from fleetctl.spec.interpolate import InterpolationError, interpolate

VARIABLES = {"SET": "value", "EMPTY": "", "DOLLAR": "$SET"}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain", "plain"),
        ("$SET", "value"),
        ("${SET}", "value"),
        ("a${SET}b$SET-c", "avaluebvalue-c"),
        ("${UNSET:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${SET:-d}", "value"),
        ("${SET:?e}", "value"),
        ("${EMPTY?e}", ""),
        ("${SET:+r}", "r"),
        ("${EMPTY:+r}", ""),
        ("${EMPTY+r}", "r"),
        ("${UNSET+r}", ""),
        ("${UNSET:-${EMPTY:-${SET}}}", "value"),
        ("${UNSET:-a$$b}", "a$b"),
        ("${UNSET-}", ""),
        ("$$", "$"),
        ("$${SET}", "${SET}"),
        ("$$$SET", "$value"),
        ("${SET:-${UNSET}}", "value"),
        ("${UNSET:+${UNSET}}", ""),
        ("${DOLLAR}", "$SET"),
    ],
)
def test_a_variable_is_replaced(text: str, result: str) -> None:
    """Every form gives its value; values are not interpolated again, and unused branches are not looked up."""
    assert interpolate(text, VARIABLES) == result


@pytest.mark.parametrize(
    ("text", "offset", "part"),
    [
        ("ab$UNSET", 2, "UNSET is not set"),
        ("${UNSET}", 0, "UNSET is not set"),
        ("${UNSET:?tell me}", 0, "tell me"),
        ("${EMPTY:?}", 0, "EMPTY is needed"),
        ("x${UNSET:-${OTHER}}", 10, "OTHER is not set"),
        ("$", 0, "lone"),
        ("$1", 0, "lone"),
        ("${", 0, "name"),
        ("${SET", 0, "not closed"),
        ("${SET:-a", 0, "not closed"),
        ("${SET/a/b}", 0, "unknown"),
        ("${UNSET:-" * 30 + "}" * 30, 0, "nested deeper"),
        ("${BIG}${BIG}", 0, "1 MiB"),
    ],
)
def test_what_cannot_be_replaced_is_an_error_with_its_place(text: str, offset: int, part: str) -> None:
    with pytest.raises(InterpolationError, match=part) as caught:
        interpolate(text, {**VARIABLES, "BIG": "x" * (1 << 20)})
    if offset:
        assert caught.value.offset == offset
