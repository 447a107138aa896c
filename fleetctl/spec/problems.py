"""The list that every check adds its mistakes to."""

from __future__ import annotations

from typing import NoReturn

from fleetctl.errors import Problem

MOST = 50
"""So many mistakes are found in one go; more would not be read, and hostile files must be refused quickly."""


class Stop(Exception):
    """Looking further makes no sense: what is found so far is all."""


class Problems:
    """Mistakes in the order in which they were found."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def __bool__(self) -> bool:
        return bool(self.found)

    def add(self, where: str, path: str, message: str, hint: str | None = None) -> None:
        """Note a mistake: `where` is file:line:column, `path` the key's path or empty; repeats are dropped.

        Raises Stop when there are enough.
        """
        problem = Problem(where, path, message, hint)
        if problem not in self.found:
            self.found.append(problem)
        if len(self.found) >= MOST:
            raise Stop

    def stop(self, where: str, path: str, message: str, hint: str | None = None) -> NoReturn:
        """Note a mistake after which nothing more can be read; raises Stop."""
        self.add(where, path, message, hint)
        raise Stop
