"""Readers of values that several keys share: KEY=VALUE pairs, command lines, quantities, paths in the project."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from fleetctl.spec.compose_values import Plain
from fleetctl.spec.site import Site
from fleetctl.spec.units import UnitError
from fleetctl.spec.wording import join

_QUOTED = re.compile(r"""\\.|'[^']*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
_OPERATORS = re.compile(r"&&|\|\||[()<>|&;`]")

MAX_COMMAND = 32_768

ValueT = TypeVar("ValueT")


def read_quantity(site: Site, parse: Callable[[Any], ValueT], value: object) -> ValueT | None:
    """`parse(value)`, with its UnitError reported at `site`; None for None and for mistakes."""
    if value is None:
        return None
    try:
        return parse(value)
    except UnitError as error:
        site.report(str(error), error.hint)
        return None


def plain_text(value: Plain) -> str:
    """The text of a plain value, as Compose writes it; numbers whose text would change are refused before."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def read_pairs(
    site: Site,
    raw: Mapping[str, Plain] | list[str] | None,
    *,
    bare: Callable[[str], str | None] | None = None,
    origins: dict[str, str] | None = None,
    prefix: str = "",
) -> dict[str, str]:
    """KEY -> VALUE of a mapping or of a list of KEY=VALUE.

    `bare` looks up keys without a value and drops them where it gives None; without `bare` their value is empty.
    The place of each key of a list goes to `origins` under `prefix`.
    """
    pairs: dict[str, str] = {}
    if isinstance(raw, list):
        for index, item in enumerate(raw):
            key, separator, text = item.partition("=")
            if not key:
                site.at(index).report("not KEY=VALUE", "write a name before the =")
            elif key in pairs:
                site.at(index).report(f"{key!r} appears twice", "keep one of them")
            value = text if separator else bare(key) if bare else ""
            if key and value is not None:
                pairs[key] = value
                if origins is not None:
                    origins[join(prefix, key)] = str(site.at(index).mark)
        return pairs
    for key, plain in (raw or {}).items():
        value = bare(key) if plain is None and bare else plain_text(plain)
        if not key:
            site.report("a name is empty", "give it a name")
        elif value is not None:
            pairs[key] = value
    return pairs


def check_names(site: Site, pairs: Mapping[str, str]) -> None:
    """Refuse names of environment variables that no program could read."""
    for name in pairs:
        if "=" in name or "\0" in name or name != name.strip():
            site.report(f"{name[:60]!r} cannot be the name of a variable", "use letters, digits and _")


def read_command(site: Site, raw: str | list[str] | None) -> tuple[str, ...] | None:
    """The arguments of a command; text is split as a POSIX shell splits it, without running one."""
    if raw is None:
        return None
    if isinstance(raw, list):
        return tuple(raw)
    if len(raw) > MAX_COMMAND:
        site.report(f"longer than {MAX_COMMAND} characters", "write a list of arguments")
        return None
    operator = _OPERATORS.search(_QUOTED.sub("", raw))
    if operator is not None:
        # Compose would drop the rest of the line here without a word.
        site.report(f"no shell reads it, so {operator[0]} has no meaning", 'write ["sh", "-c", "..."], or quote it')
        return None
    try:
        return tuple(shlex.split(raw))
    except ValueError as error:
        site.report(f"cannot be split into arguments: {str(error).lower()}", "write a list of arguments")
        return None


def read_list(site: Site, raw: list[str] | None) -> tuple[str, ...]:
    """A list in which nothing appears twice."""
    seen: dict[str, None] = {}
    for index, item in enumerate(raw or ()):
        if item in seen:
            site.at(index).report(f"{item[:60]!r} appears twice", "keep one of them")
        seen[item] = None
    return tuple(seen)


def locate(site: Site, directory: Path, text: str) -> Path | None:
    """The real path of something that must lie within the project; None, with the mistake noted, where it does not.

    Symbolic links are followed first, so that none leads out.
    """
    if "\0" in text or not text:
        site.report("not a path", None)
        return None
    root = os.path.realpath(directory)
    real = os.path.realpath(Path(root) / text)
    if real != root and not real.startswith(root.rstrip("/") + "/"):
        site.report(f"{text[:200]!r} leads out of the project, to {real[:200]!r}", f"copy it into {root}")
        return None
    return Path(real)
