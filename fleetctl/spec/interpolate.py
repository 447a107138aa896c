"""${VAR} in values, with the whole grammar of Compose; a variable that is not set and has no default is an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Lookup = Callable[[str], str | None]

MAX_LENGTH = 1 << 20
MAX_NESTING = 20

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")


class InterpolationError(ValueError):
    """A `$` that cannot be replaced; `offset` counts characters into the text, `hint` says how to mend it."""

    def __init__(self, message: str, offset: int, hint: str | None = None) -> None:
        super().__init__(message)
        self.offset = offset
        self.hint = hint


def interpolate(text: str, variables: Mapping[str, str] | Lookup) -> str:
    """`text` with $V ${V} ${V:-d} ${V-d} ${V:?e} ${V?e} ${V:+r} ${V+r} replaced and $$ turned into $.

    d, e and r may nest. Raises InterpolationError.
    """
    if "$" not in text:
        return text
    lookup = variables if callable(variables) else variables.get
    return _Expander(text, lookup).expand(0, "", 0, wanted=True)[0]


class _Expander:
    """A recursive descent over one text; what is not `wanted` (the unused branch) is parsed, not looked up."""

    def __init__(self, text: str, lookup: Lookup) -> None:
        self.text = text
        self.lookup = lookup

    def expand(self, at: int, stop: str, depth: int, *, wanted: bool) -> tuple[str, int]:
        """The text from `at` to an unnested `stop` (or the end), and where it ended."""
        if depth > MAX_NESTING:
            raise InterpolationError(f"${{…}} nested deeper than {MAX_NESTING}", at)
        parts: list[str] = []
        length = 0
        while at < len(self.text):
            if stop and self.text[at] == stop:
                break
            if self.text[at] == "$":
                part, at = self._variable(at, depth, wanted=wanted)
            else:
                end = self._literal_end(at, stop)
                part, at = self.text[at:end], end
            parts.append(part)
            length += len(part)
            if length > MAX_LENGTH:
                raise InterpolationError("longer than 1 MiB once its variables are replaced", 0)
        return "".join(parts), at

    def _literal_end(self, at: int, stop: str) -> int:
        ends = [self.text.find("$", at)]
        if stop:
            ends.append(self.text.find(stop, at))
        return min((end for end in ends if end >= 0), default=len(self.text))

    def _variable(self, at: int, depth: int, *, wanted: bool) -> tuple[str, int]:
        following = self.text[at + 1 : at + 2]
        if following == "$":
            return "$", at + 2
        if following == "{":
            return self._braced(at, depth, wanted=wanted)
        name = _NAME.match(self.text, at + 1)
        if name is None:
            raise InterpolationError("a lone $", at, "write $$ for a dollar sign, or ${NAME}")
        value = self.lookup(name.group()) if wanted else ""
        if value is None:
            raise self._unset(name.group(), at)
        return value, name.end()

    def _braced(self, at: int, depth: int, *, wanted: bool) -> tuple[str, int]:
        name = _NAME.match(self.text, at + 2)
        if name is None:
            raise InterpolationError(
                "${ must be followed by a name",
                at,
                "write $$ for a dollar sign, or ${NAME}",
            )
        rest = name.end()
        operator = next((op for op in _OPERATORS if self.text.startswith(op, rest)), "")
        value = self.lookup(name.group())
        present = value is not None and (value != "" or not operator.startswith(":"))
        uses_operand = present if operator.endswith("+") else not present
        operand = ""
        if operator:
            operand, rest = self.expand(rest + len(operator), "}", depth + 1, wanted=wanted and uses_operand)
        if self.text[rest : rest + 1] != "}":
            raise InterpolationError(
                "${" + name.group() + " is not closed, or is followed by something unknown",
                at,
                "the forms are ${V} ${V:-default} ${V-default} ${V:?error} ${V?error} ${V:+value} ${V+value}",
            )
        end = rest + 1
        if not wanted:
            return "", end
        if operator.endswith("+"):
            return (operand if present else ""), end
        if present:
            return value or "", end
        if operator.endswith("-"):
            return operand, end
        if operator.endswith("?"):
            said = f": {operand}" if operand else ""
            raise InterpolationError(
                f"the variable {name.group()} is needed{said}",
                at,
                f"set {name.group()}",
            )
        raise self._unset(name.group(), at)

    @staticmethod
    def _unset(name: str, at: int) -> InterpolationError:
        return InterpolationError(
            f"the variable {name} is not set",
            at,
            f"set it in the environment or in .env, or write ${{{name}:-default}}; $$ is a dollar sign",
        )
