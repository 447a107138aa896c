"""Requests and answers as JSON, on the way to a helper and back.

The helper's side has the standard library only; ours reads what comes back with msgspec, which checks every type.
bytes are base64. The host is the process None, which no JSON key can be: it is written as 0, which no process is.
"""

from __future__ import annotations

import base64
import json
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from fleetctl.errors import FleetError
from fleetctl.vantage.base import Answer, Request

HOST = 0


def encode(message: Request | Answer) -> bytes:
    """One line of JSON. Text that is no Unicode (a name with broken bytes) gets question marks."""
    text = json.dumps(plain(message), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode(errors="replace") + b"\n"


def plain(value: object) -> object:
    """Dataclasses as objects without the fields that have their default, the rest as JSON has it."""
    if is_dataclass(value):
        given = ((field, getattr(value, field.name)) for field in fields(value))
        return {field.name: plain(item) for field, item in given if item != field.default}
    if isinstance(value, Mapping):
        return {str(HOST if key is None else key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value


def decode_request(data: bytes) -> Request:
    """The helper's side. Raises ValueError, TypeError or KeyError for what is no request."""
    return cast(Request, built(Request, json.loads(data)))


def built(kind: Any, value: Any) -> Any:
    """A value of that type from what JSON has in its place: dataclasses, tuples, optional and plain values, which is
    all that a request consists of."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return cast(Any, kind)(**{name: built(hints[name], item) for name, item in value.items()})
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        return tuple(built(arguments[0], item) for item in value)
    if origin in (Union, types.UnionType):
        return None if value is None else built(next(one for one in arguments if one is not type(None)), value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def decode_answer(data: bytes) -> Answer:
    """Our side, which trusts nothing. Raises FleetError for what is no answer."""
    import msgspec

    try:
        answer = msgspec.json.decode(data, type=Answer)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise FleetError(f"the helper container's answer cannot be read: {error}") from error
    filters = {None if pid == HOST else pid: found for pid, found in answer.filters.items()}
    return replace(answer, filters=filters)
