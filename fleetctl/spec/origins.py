"""Where each value of a service comes from: a place in a file, the baseline, or a default."""

from __future__ import annotations

from collections.abc import Mapping

from fleetctl.spec.positions import Node, Table
from fleetctl.spec.site import Site
from fleetctl.spec.wording import join


def record(site: Site) -> dict[str, str]:
    """Key path within the service -> file:line:column, for all values and lists that the file has there.

    Items of lists stand under their list's key: short forms expand, so the indices of the file would mislead.
    """
    found: dict[str, str] = {}
    if site.node is not None:
        _descend(site.node, "", found)
    return found


def _descend(node: Node, path: str, found: dict[str, str]) -> None:
    if isinstance(node, Table):
        for key, child in node.entries.items():
            if not isinstance(child, Table) or not child.entries:
                found[join(path, key)] = str(node.marks[key])
            _descend(child, join(path, key), found)


def origin_of(path: str, origins: Mapping[str, str]) -> str:
    """The origin of a key path: its own, else that of the nearest key above, else "default"."""
    while path:
        if path in origins:
            return origins[path]
        cut = max(path.rfind("."), path.rfind("["))
        path = path[:cut] if cut > 0 else ""
    return "default"
