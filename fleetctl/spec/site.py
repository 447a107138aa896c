"""A value of fleet.yaml and its place: what every check reads from and reports to."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from fleetctl.spec.positions import Items, Mark, Node, Table
from fleetctl.spec.problems import Problems
from fleetctl.spec.wording import join

_KEY = re.compile(r"[a-zA-Z0-9._-]{1,200}", re.ASCII)


class Site(Struct, frozen=True):
    """One node, its mark and its path ("services.web.ports[0]"); problems found anywhere share one list."""

    node: Node | None
    mark: Mark
    path: str
    problems: Problems

    def at(self, *steps: str | int) -> Site:
        """The site below; where the file has nothing there, the nearest place above stands for it."""
        site = self
        for step in steps:
            site = site._below(step)
        return site

    def _below(self, step: str | int) -> Site:
        path = f"{self.path}[{step}]" if isinstance(step, int) else join(self.path, step)
        if isinstance(self.node, Table) and isinstance(step, str) and step in self.node.entries:
            return Site(self.node.entries[step], self.node.entries[step].mark, path, self.problems)
        if isinstance(self.node, Items) and isinstance(step, int) and step < len(self.node.items):
            return Site(self.node.items[step], self.node.items[step].mark, path, self.problems)
        return Site(None, self.mark, path, self.problems)

    def key(self, name: str) -> Site:
        """The site of a key rather than its value: mistakes in names and unknown keys point there."""
        below = self.at(name)
        if isinstance(self.node, Table) and name in self.node.marks:
            return Site(below.node, self.node.marks[name], below.path, self.problems)
        return below

    def has(self, name: str) -> bool:
        """Whether the file has this key here."""
        return isinstance(self.node, Table) and name in self.node.entries

    def report(self, message: str, hint: str | None = None) -> None:
        """Note a mistake at this place."""
        self.problems.add(str(self.mark), self.path, message, hint)


def check_keys(site: Site) -> None:
    """Names of networks, volumes, configs and secrets, as the Compose Specification allows them."""
    if isinstance(site.node, Table):
        for key in site.node.entries:
            if not _KEY.fullmatch(key):
                site.key(key).report("not a name", "use letters, digits and . _ -")


def suggest(wrong: str, known: Iterable[str]) -> str | None:
    """A did-you-mean for a name that is not known, or None."""
    from difflib import get_close_matches

    # Comparing is slow: names of about the same length are enough.
    near = sorted(known, key=lambda name: abs(len(name) - len(wrong)))[:60]
    close = get_close_matches(wrong[:40], near, n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else None
