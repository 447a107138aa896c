"""Types of single values in fleet.yaml, and what all its mappings have in common."""

# Annotations are read at run time, so they must be real objects: no `from __future__ import annotations`.
from typing import Annotated

from msgspec import Meta, Struct

Duration = Annotated[
    str,
    Meta(
        extra={"wanted": 'a duration such as "10s" or "1m30s"'},
        examples=["10s", "1m30s"],
    ),
]
Bytes = Annotated[
    int | str,
    Meta(extra={"wanted": 'a size such as "128m"'}, examples=["128m", "1.5g"]),
]
Memory = Annotated[str, Meta(extra={"wanted": 'a size such as "128m", as text'}, examples=["128m", "1.5g"])]
"""As Bytes, but Compose takes no bare number here."""
Processors = Annotated[
    float | str,
    Meta(extra={"wanted": 'a number of processors such as "0.5"'}, examples=["0.5"]),
]
Port = Annotated[int, Meta(ge=1, le=65535)]
Plain = str | int | float | bool | None
"""A value of an environment variable, label or option; numbers and truth values become their text."""
Pairs = Annotated[
    dict[str, Plain] | list[str],
    Meta(extra={"wanted": "a mapping, or a list of KEY=VALUE"}),
]
Options = dict[str, str | int | float]
Command = Annotated[
    str | list[str] | None,
    Meta(extra={"wanted": "text (split as a shell would) or a list of arguments"}),
]


class Shape(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A mapping with known keys."""
