"""Files of environment variables, in the syntax that Compose reads."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fleetctl.errors import Problem
from fleetctl.spec.interpolate import InterpolationError, interpolate
from fleetctl.spec.tree import MAX_BYTES

_LINE = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*(?:([=:])[ \t]*|(?=\n|$|#))")
_BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|$)")
_AFTER = re.compile(r"[ \t]*(?:#[^\n]*)?(?=\n|$)")
_SINGLE = re.compile(r"'([^']*)'")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_COMMENT = re.compile(r"[ \t]#.*")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "$": "$$"}


def read_variables(
    data: bytes, label: str, variables: Mapping[str, str], problems: list[Problem]
) -> dict[str, tuple[str | None, int]]:
    """NAME -> (value, line) of a file of `KEY=VALUE` lines; the value of a bare KEY is None.

    'single quotes' keep everything, "double quotes" know \\n and \\$; values outside single quotes are interpolated
    from `variables`, which win, and from lines above. Mistakes go to `problems`; `label` names the file there.
    """
    if len(data) > MAX_BYTES:
        problems.append(Problem(f"{label}:1:1", "", "the file is larger than 1 MiB"))
        return {}
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        problems.append(Problem(f"{label}:{line}:1", "", "not UTF-8 text", "save the file as UTF-8"))
        return {}
    found: dict[str, tuple[str | None, int]] = {}
    at, line = 0, 1
    while at < len(text):
        start = at
        blank = _BLANK.match(text, at)
        if blank and blank.end() > at:
            at = blank.end()
        else:
            try:
                at = _read_line(text, at, line, variables, found)
            except InterpolationError as error:
                problems.append(Problem(f"{label}:{line}:1", "", str(error), error.hint))
                end = text.find("\n", at)
                at = len(text) if end < 0 else end + 1
        line += text.count("\n", start, at)
    return found


def _read_line(
    text: str, at: int, line: int, variables: Mapping[str, str], found: dict[str, tuple[str | None, int]]
) -> int:
    """Read the assignment at `at` into `found` and return where the next line begins."""
    match = _LINE.match(text, at)
    if match is None:
        raise InterpolationError("not KEY=VALUE", at, "write NAME=value; names have letters, digits and _")
    name, operator = match.groups()
    if not operator:
        found[name] = (None, line)
        return _next_line(text, match.end())
    value, end = _read_value(text, match.end())
    if "\0" in value:
        raise InterpolationError(f"{name} contains a NUL byte", at)

    def lookup(wanted: str) -> str | None:
        return variables[wanted] if wanted in variables else found.get(wanted, (None, 0))[0]

    found[name] = (interpolate(value, lookup), line)
    return _next_line(text, end)


def _next_line(text: str, at: int) -> int:
    after = _AFTER.match(text, at)
    if after is None:
        raise InterpolationError("unexpected text after the value", at, "quote the whole value")
    return after.end() + 1


def _read_value(text: str, at: int) -> tuple[str, int]:
    """The value at `at`, ready for interpolation ($ that must stay is doubled), and where it ends."""
    quote = text[at : at + 1]
    if quote in ("'", '"'):
        match = (_SINGLE if quote == "'" else _DOUBLE).match(text, at)
        if match is None:
            raise InterpolationError(f"the quote {quote} is not closed", at, "close it, or quote the quote")
        inner = match.group(1)
        if quote == "'":
            return inner.replace("$", "$$"), match.end()
        return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[0]), inner), match.end()
    end = text.find("\n", at)
    line = text[at:] if end < 0 else text[at:end]
    value = "" if line.startswith("#") else _COMMENT.sub("", line, count=1)
    return value.strip(" \t"), at + len(line)
