"""Checks a tree against the shapes of compose.py and reads it into them, noting every mistake, not just the first."""

from __future__ import annotations

import types
from functools import cache
from typing import Annotated, Any, Final, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from msgspec import Meta, Struct, structs

from fleetctl.spec.compose_values import Shape
from fleetctl.spec.positions import Items, Scalar, Table
from fleetctl.spec.refused import reason_for
from fleetctl.spec.site import Site, suggest

ShapeT = TypeVar("ShapeT", bound=Shape)


class _Invalid:
    """What a place holds whose mistake is already reported."""


INVALID: Final = _Invalid()

_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_PLAIN_TYPES = frozenset((str, int, float, bool))


class Wanted(Struct, frozen=True):
    """What one place accepts: an annotation of compose.py with its union flattened."""

    scalars: frozenset[type] = frozenset()
    literals: tuple[str, ...] = ()
    items: Wanted | None = None
    values: Wanted | None = None
    shape: type[Shape] | None = None
    null: bool = False
    least: float | None = None
    most: float | None = None
    longest: int | None = None
    described: str | None = None

    def __str__(self) -> str:
        if self.described:
            return self.described
        parts = [" or ".join(map(_quoted, self.literals))] if self.literals else []
        parts += [_NAMES[kind] for kind in (str, int, float, bool) if kind in self.scalars]
        parts += ["a list"] if self.items else []
        parts += ["a mapping"] if self.values or self.shape else []
        return " or ".join(parts)


def read_shape(site: Site, shape: type[ShapeT]) -> ShapeT | None:
    """The mapping at `site` as a `shape`; None, with problems noted, where it cannot be one.

    Parts with mistakes are left out, so that the rest can still be checked; the caller must stop after that when
    problems were noted.
    """
    value = _read(site, Wanted(shape=shape))
    return None if isinstance(value, _Invalid) else cast("ShapeT", value)


def _quoted(text: str) -> str:
    return f'"{text}"'


def _merge(alternatives: list[Wanted]) -> Wanted:
    """One Wanted for a union; no union of compose.py has two alternatives of one kind."""

    def first(name: str) -> Any:
        return next((value for one in alternatives if (value := getattr(one, name)) not in (None, ())), None)

    return Wanted(
        scalars=frozenset().union(*(one.scalars for one in alternatives)),
        literals=first("literals") or (),
        items=first("items"),
        values=first("values"),
        shape=first("shape"),
        null=any(one.null for one in alternatives),
        least=first("least"),
        most=first("most"),
        longest=first("longest"),
        described=first("described"),
    )


def _understand(annotation: Any) -> Wanted:
    """Read one annotation; types that compose.py does not use are a bug and raise TypeError."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *notes = get_args(annotation)
        changes: dict[str, Any] = {}
        for note in notes:
            if isinstance(note, Meta):
                given = {"least": note.ge, "most": note.le, "longest": note.max_length}
                given["described"] = (note.extra or {}).get("wanted")
                changes.update({name: value for name, value in given.items() if value is not None})
        return _merge([Wanted(**changes), _understand(inner)])
    if origin in (Union, types.UnionType):
        return _merge([_understand(one) for one in get_args(annotation)])
    if origin is Literal:
        return Wanted(literals=get_args(annotation))
    if origin is list:
        return Wanted(items=_understand(get_args(annotation)[0]))
    if origin is dict:
        return Wanted(values=_understand(get_args(annotation)[1]))
    if annotation in (None, type(None)):
        return Wanted(null=True)
    if isinstance(annotation, type) and issubclass(annotation, Shape):
        return Wanted(shape=annotation)
    if annotation in _PLAIN_TYPES:
        return Wanted(scalars=frozenset((annotation,)))
    raise TypeError(f"no rule for {annotation!r}")


class _Field(Struct, frozen=True):
    name: str
    required: bool
    annotation: Any


@cache
def _fields(shape: type[Shape]) -> dict[str, _Field]:
    """The keys of a shape as the file spells them."""
    optional = len(shape.__struct_defaults__)
    names = shape.__struct_fields__
    annotations = get_type_hints(shape, include_extras=True)
    return {
        key: _Field(name, index < len(names) - optional, annotations[name])
        for index, (key, name) in enumerate(zip(shape.__struct_encode_fields__, names, strict=True))
    }


@cache
def _wanted(shape: type[Shape], key: str) -> Wanted:
    """What a key accepts. A key may be left out but not left empty: None is its default, not a value."""
    return structs.replace(_understand(_fields(shape)[key].annotation), null=False)


def _read(site: Site, wanted: Wanted) -> Any:
    node = site.node
    if isinstance(node, Table):
        return _read_table(site, node, wanted)
    if isinstance(node, Items):
        if wanted.items is None:
            return _mismatch(site, wanted, "a list")
        values = [_read(site.at(index), wanted.items) for index in range(len(node.items))]
        # A list with a gap would shift the indices that later checks use for positions.
        return INVALID if any(value is INVALID for value in values) else values
    if isinstance(node, Scalar):
        return _read_scalar(site, node, wanted)
    return INVALID


def _read_table(site: Site, node: Table, wanted: Wanted) -> Any:
    if wanted.shape is not None:
        return _read_fields(site, node, wanted.shape)
    if wanted.values is None:
        return _mismatch(site, wanted, "a mapping")
    read = {key: _read(site.at(key), wanted.values) for key in node.entries}
    return {key: value for key, value in read.items() if value is not INVALID}


def _read_fields(site: Site, node: Table, shape: type[Shape]) -> Shape | _Invalid:
    fields = _fields(shape)
    values: dict[str, Any] = {}
    for key in node.entries:
        field = fields.get(key)
        if field is None:
            _report_unknown(site, key, shape, fields)
            continue
        value = _read(site.at(key), _wanted(shape, key))
        if value is not INVALID:
            values[field.name] = value
    missing = [key for key, field in fields.items() if field.required and key not in node.entries]
    for key in missing:
        site.report(f'the key "{key}" is missing', None)
    if any(field.required and field.name not in values for field in fields.values()):
        return INVALID
    return shape(**values)


def _report_unknown(site: Site, key: str, shape: type[Shape], fields: dict[str, _Field]) -> None:
    reason = reason_for(shape.__name__, key)
    if reason is not None:
        site.key(key).report(f"refused: {reason.message}", reason.hint)
    else:
        close = suggest(key, fields)
        site.key(key).report("unknown key", close or f"known here: {', '.join(fields)}")


def _mismatch(site: Site, wanted: Wanted, found: str, hint: str | None = None) -> _Invalid:
    site.report(f"must be {wanted}, not {found}", hint)
    return INVALID


def _read_scalar(site: Site, node: Scalar, wanted: Wanted) -> Any:
    value = node.value
    if node.refused:
        return INVALID
    if value is None:
        if wanted.null:
            return None
        site.report(f"is empty, must be {wanted}", "give it a value, or delete the key")
        return INVALID
    if isinstance(value, str):
        return _read_text(site, node, value, wanted)
    if isinstance(value, bool):
        fits = bool in wanted.scalars
    elif isinstance(value, int):
        fits = int in wanted.scalars or float in wanted.scalars
    else:
        fits = float in wanted.scalars
    if not fits:
        return _mismatch(site, wanted, _shown(node.text), _quoting_hint(node, wanted))
    if isinstance(value, bool):
        return value
    # Compose writes numbers as Go's %v does: 1.0 becomes 1, 1.10 becomes 1.1, 0x10 becomes 16.
    as_go = str(int(value)) if value == int(value) else str(value)
    if wanted.scalars >= _PLAIN_TYPES and as_go != node.text:
        site.report(
            f"{_shown(node.text)} is the number {as_go}: as text it would change",
            f'write "{node.text}" in quotes',
        )
        return INVALID
    return _bounded(site, value, wanted)


def _quoting_hint(node: Scalar, wanted: Wanted) -> str | None:
    if wanted.described and wanted.described.startswith("a duration"):
        return f'write "{node.text}s" for seconds'
    return f'write "{node.text}" in quotes' if str in wanted.scalars else None


def _read_text(site: Site, node: Scalar, text: str, wanted: Wanted) -> Any:
    if wanted.literals:
        if text in wanted.literals:
            return text
        reason = reason_for("values", f"{site.path.rpartition('.')[2]}={text}")
        if reason is not None:
            site.report(f"{_shown(text)} is refused: {reason.message}", reason.hint)
            return INVALID
        return _mismatch(site, wanted, _shown(text), suggest(text, wanted.literals))
    if str in wanted.scalars:
        if "\0" in text:
            return _mismatch(site, wanted, "text with a NUL byte")
        if wanted.longest is not None and len(text) > wanted.longest:
            return _mismatch(site, wanted, f"text longer than {wanted.longest} characters")
        return text
    if node.castable:
        value = _cast(text, wanted)
        if value is not None:
            return value if isinstance(value, bool) else _bounded(site, value, wanted)
    return _mismatch(site, wanted, _shown(text))


def _cast(text: str, wanted: Wanted) -> int | float | bool | None:
    """Numbers and truth values may stand in quotes or come from a variable, as in Compose."""
    if bool in wanted.scalars and text in ("true", "false"):
        return text == "true"
    if int in wanted.scalars and text.isascii() and text.removeprefix("-").isdigit() and len(text) <= 20:
        return int(text)
    if float in wanted.scalars and len(text) <= 40:
        try:
            return float(text)
        except ValueError:
            return None
    return None


def _bounded(site: Site, value: int | float, wanted: Wanted) -> Any:
    low, high = wanted.least, wanted.most
    # Written so that nan, for which no comparison holds, is out of bounds too.
    if (low is None or value >= low) and (high is None or value <= high):
        return value
    if low is not None and high is not None:
        site.report(f"must be between {low} and {high}, not {value}")
    else:
        site.report(f"must be at least {low}, not {value}" if low is not None else f"must be at most {high}")
    return INVALID


def _shown(text: str) -> str:
    return _quoted(text) if text.isprintable() and len(text) <= 60 else repr(text[:60])
