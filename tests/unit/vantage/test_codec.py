"""What goes to a helper and comes back is what was meant, and nothing else passes for an answer."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

from fleetctl.errors import FleetError
from fleetctl.state.filters import Filters
from fleetctl.state.network import Interface, Namespace
from fleetctl.state.probes import Outcome, Probe
from fleetctl.vantage.base import Answer, Request
from fleetctl.vantage.codec import decode_answer, decode_request, encode

PLAIN: dict[Any, Any] = {str: 'é "\x1b\n\\', int: 7, float: 1.5, bytes: bytes(range(256))}


def filled(kind: Any, *, truth: bool) -> Any:
    """A value of that type in which everything is there; every bool is `truth`."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{name: filled(hint, truth=truth) for name, hint in hints.items()})  # type: ignore[operator]
    if origin is tuple:
        kinds = arguments[:1] * 2 if arguments[-1] is Ellipsis else arguments
        return tuple(filled(one, truth=truth) for one in kinds)
    if origin is frozenset:
        return frozenset({filled(arguments[0], truth=truth)})
    if origin is Mapping:
        return {filled(arguments[0], truth=truth): filled(arguments[1], truth=truth)}
    if origin in (Union, types.UnionType):
        return filled(arguments[0], truth=truth)
    if origin is Literal:
        return arguments[-1]
    return truth if kind is bool else PLAIN[kind]


@pytest.mark.parametrize("truth", [True, False])
def test_an_answer_in_which_everything_is_there_comes_back_equal(truth: bool) -> None:
    """Written by the standard library, read by msgspec; a field that is added later is in it."""
    answer = filled(Answer, truth=truth)
    assert decode_answer(encode(answer)) == answer


@pytest.mark.parametrize("truth", [True, False])
def test_a_request_in_which_everything_is_there_reads_the_same_on_both_sides(truth: bool) -> None:
    """By the standard library as the helper does, and by msgspec."""
    request = filled(Request, truth=truth)
    line = encode(request)
    assert decode_request(line) == request
    assert msgspec.json.decode(line, type=Request) == request
    assert line.count(b"\n") == 1


def test_what_is_empty_stays_empty_and_unknown_stays_unknown() -> None:
    """() is no fact that is missing."""
    answer = Answer(Namespace(interfaces=(), unknown={"nsid": "why"}), {5: Namespace(nsid=0)})
    assert decode_answer(encode(answer)) == answer
    assert decode_request(encode(Request())) == Request()


def test_the_host_is_told_from_a_process() -> None:
    """None is no JSON key."""
    answer = Answer(filters={None: Filters(unknown={"nft": "a"}), 12: Filters()})
    assert decode_answer(encode(answer)) == answer
    assert decode_request(encode(Request(filters=(None, 12)))) == Request(filters=(None, 12))


def test_a_name_with_broken_bytes_does_no_harm() -> None:
    """As surrogateescape gives it to a program that lists processes."""
    answer = Answer(Namespace((Interface("eth\udcff0", 1, None, 1500, "up"),)))
    assert decode_answer(encode(answer)).host.interfaces == (Interface("eth?0", 1, None, 1500, "up"),)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b'{"host": 1}',
        b'{"host": {"interfaces": [{"name": 1}]}}',
        b'{"namespaces": {"x": {}}}',
        b'{"outcomes": [{"probe": {"vantage": "a", "pid": 1, "address": "b", "port": 1}, "stage": "elsewhere"}]}',
        b'{"host": ' * 2000,
    ],
)
def test_what_is_no_answer_is_refused_in_our_words(line: bytes) -> None:
    """A helper's word is foreign data."""
    with pytest.raises(FleetError, match=r"^the helper container's answer cannot be read: "):
        decode_answer(line)


@pytest.mark.parametrize("line", ["1", "{", '{"pids": ["1"]}', '{"pids": 1}', '{"else": 1}', '{"deep": 1}'])
def test_what_is_no_request_is_refused(line: str) -> None:
    """The helper ends with an error instead of doing something else."""
    with pytest.raises((TypeError, ValueError, KeyError, AttributeError)):
        decode_request(line.encode())


def test_bytes_are_base64() -> None:
    """So that any bytes pass."""
    outcome = Outcome(Probe("host", None, "192.0.2.1", 80), "answer", first=b"\x15\x03\x00")
    assert json.loads(encode(Answer(outcomes=(outcome,))))["outcomes"][0]["first"] == "FQMA"
