"""Plain YAML scalars as YAML 1.2 (and Compose) reads them; what readers of YAML disagree on is refused."""

from __future__ import annotations

import re

Value = str | int | float | bool | None

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEANS = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_NORWAY = frozenset(form for word in ("yes", "no", "on", "off") for form in (word, word.title(), word.upper()))
_FIRST = frozenset("0123456789+-.~nNtTfFyYoO")

# YAML 1.2 core schema, https://yaml.org/spec/1.2.2/#103-core-schema
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

# YAML 1.1 forms, https://yaml.org/type/: numbers and dates there, other numbers or plain text in YAML 1.2.
_HAZARDS = (
    (
        re.compile(r"[-+]?0[0-9_]+"),
        "a leading zero means octal to some readers of YAML and nothing to others",
    ),
    (
        re.compile(r"[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*"),
        "some readers of YAML take this for a number in base 60",
    ),
    (
        re.compile(r"[-+]?(0b[01_]+|0x[0-9a-fA-F_]*_[0-9a-fA-F_]*|[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?)"),
        "some readers of YAML take this for a number, others for text",
    ),
    (
        re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?"),
        "some readers of YAML take this for a date, others for text",
    ),
)
_LONGEST_NUMBER = 40


class Ambiguous(ValueError):
    """Two readers of YAML would read this plain scalar differently; the text says how, `hint` how to mend it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def resolve_plain(text: str) -> Value:
    """The value of a plain (unquoted) scalar; raises Ambiguous for the hazards of YAML 1.1 against 1.2."""
    if not text:
        return None
    if text[0] not in _FIRST:
        return text
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text in _NORWAY:
        truth = "true" if text.lower() in ("yes", "on") else "false"
        raise Ambiguous(
            f"{text} is a truth value to some readers of YAML and text to others",
            f'write "{text}" in quotes for the text, or {truth} for the truth value',
        )
    return _resolve_number(text) if text[0] in "0123456789+-." else text


def _resolve_number(text: str) -> Value:
    if len(text) > _LONGEST_NUMBER:
        return _refuse_long_number(text)
    for pattern, message in _HAZARDS:
        if pattern.fullmatch(text):
            raise Ambiguous(
                message,
                f'write "{text}" in quotes for the text, or the plain decimal number',
            )
    if _INTEGER.fullmatch(text):
        return int(text, 0 if text.startswith(("0o", "0x")) else 10)
    if _NOT_FINITE.fullmatch(text):
        raise Ambiguous("not a finite number", f'write "{text}" in quotes for the text')
    if _FLOAT.fullmatch(text):
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise Ambiguous("the number is too large", f'write "{text}" in quotes for the text')
        return number
    return text


def _refuse_long_number(text: str) -> str:
    """Text that merely begins like a number stays text; Python refuses integers beyond 4300 digits."""
    if re.fullmatch(r"[-+]?[0-9_.:]+", text):
        raise Ambiguous(f"a number of {len(text)} characters", "write it in quotes for the text")
    return text
