"""Where each value of a service comes from: a place in a file, the baseline, or a default."""

from __future__ import annotations

from collections.abc import Mapping

from fleetctl.spec.positions import Items, Node, Scalar, Table
from fleetctl.spec.site import Site, join


def record(site: Site) -> dict[str, str]:
    """Key path within the service -> file:line:column, for all that the file says there."""
    found: dict[str, str] = {}
    if isinstance(site.node, Table):
        for key, child in site.node.entries.items():
            found[join("", key)] = str(site.node.marks[key])
            _descend(child, join("", key), found)
    return found


def _descend(node: Node, path: str, found: dict[str, str]) -> None:
    if isinstance(node, Table):
        for key, child in node.entries.items():
            found[join(path, key)] = str(node.marks[key])
            _descend(child, join(path, key), found)
    elif isinstance(node, Items):
        for index, child in enumerate(node.items):
            if not isinstance(child, Scalar):
                _descend(child, f"{path}[{index}]", found)
            found[f"{path}[{index}]"] = str(child.mark)


def origin_of(path: str, origins: Mapping[str, str]) -> str:
    """The origin of a key path: its own, else that of the nearest key above, else "default"."""
    while path:
        if path in origins:
            return origins[path]
        cut = max(path.rfind("."), path.rfind("["))
        path = path[:cut] if cut > 0 else ""
    return "default"
