"""Files of environment variables, in the syntax that Compose reads."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fleetctl.spec.interpolate import InterpolationError, interpolate
from fleetctl.spec.problems import Problems
from fleetctl.spec.textfile import decode

MAX_VARIABLES = 5_000
MAX_EXPANDED = 4 << 20
"""Characters of all values together, once their variables are replaced."""

_LINE = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*(?:([=:])[ \t]*|(?=\n|$|#))")
_BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|$)")
_AFTER = re.compile(r"[ \t]*(?:#[^\n]*)?(?=\n|$)")
_SINGLE = re.compile(r"'([^']*)'")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_COMMENT = re.compile(r"[ \t]#.*")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "$": "$$"}


def read_variables(
    data: bytes, label: str, variables: Mapping[str, str], problems: Problems
) -> dict[str, tuple[str | None, int]]:
    """NAME -> (value, line) of a file of `KEY=VALUE` lines; the value of a bare KEY is None.

    'single quotes' keep everything, "double quotes" know \\n and \\$; values outside single quotes are interpolated
    from `variables`, which win, and from lines above. Mistakes go to `problems`, where `label` names the file;
    raises Stop.
    """
    text = decode(data, label, problems)
    found: dict[str, tuple[str | None, int]] = {}
    at, line = 0, 1
    length = 0
    while at < len(text):
        if length > MAX_EXPANDED or len(found) > MAX_VARIABLES:
            problems.stop(f"{label}:{line}:1", "", f"more than {MAX_VARIABLES} variables, or 4 MiB of them")
        start = at
        blank = _BLANK.match(text, at)
        if blank and blank.end() > at:
            at = blank.end()
        else:
            try:
                name, at = _read_line(text, at, line, variables, found)
                length += len(found[name][0] or "")
            except InterpolationError as error:
                problems.add(f"{label}:{line}:1", "", str(error), error.hint)
                end = text.find("\n", at)
                at = len(text) if end < 0 else end + 1
        line += text.count("\n", start, at)
    return found


def _read_line(
    text: str, at: int, line: int, variables: Mapping[str, str], found: dict[str, tuple[str | None, int]]
) -> tuple[str, int]:
    """Read the assignment at `at` into `found`; its name, and where the next line begins."""
    match = _LINE.match(text, at)
    if match is None:
        raise InterpolationError("not KEY=VALUE", at, "write NAME=value; names have letters, digits and _")
    name, operator = match.groups()
    if not operator:
        found[name] = (None, line)
        return name, _next_line(text, match.end())
    value, end = _read_value(text, match.end())
    if "\0" in value:
        raise InterpolationError(f"{name} contains a NUL byte", at)

    def lookup(wanted: str) -> str | None:
        return variables[wanted] if wanted in variables else found.get(wanted, (None, 0))[0]

    found[name] = (interpolate(value, lookup), line)
    return name, _next_line(text, end)


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
