"""Several files become one tree: the later file wins, key by key."""

from __future__ import annotations

from fleetctl.spec.positions import Items, Node, Scalar, Table

# Lists that are one value; all others are added to.
_REPLACED = frozenset(("command", "entrypoint", "test"))
# Keys that may be a list of KEY=VALUE or a mapping; both become mappings before they merge.
_PAIRS = frozenset(("environment", "labels", "args", "sysctls"))
# Lists of names that may be mappings too.
_NAMES = frozenset(("networks", "depends_on"))


def merge_trees(base: Node, above: Node, key: str = "") -> Node:
    """`base` with what `above` says: mappings merge, lists are appended without repeats, other values replaced.

    `command`, `entrypoint` and `healthcheck.test` are replaced as a whole; of two mounts at one target the later wins.
    """
    if key in _PAIRS:
        base, above = _as_table(base, pairs=True), _as_table(above, pairs=True)
    elif key in _NAMES and type(base) is not type(above):
        base, above = _as_table(base, pairs=False), _as_table(above, pairs=False)
    if isinstance(base, Table) and isinstance(above, Table):
        entries, marks = dict(base.entries), dict(base.marks)
        for name, node in above.entries.items():
            entries[name] = merge_trees(entries[name], node, name) if name in entries else node
            marks[name] = above.marks[name]
        return Table(base.mark, entries, marks)
    if isinstance(base, Items) and isinstance(above, Items) and key not in _REPLACED:
        return _append(base, above, key)
    return above


def _append(base: Items, above: Items, key: str) -> Items:
    added = {_identity(node, key) for node in above.items} - {None}
    kept = [node for node in base.items if _identity(node, key) not in added]
    return Items(base.mark, kept + above.items)


def _identity(node: Node, key: str) -> str | None:
    """What makes two list items the same thing: the target of a mount, else the text."""
    if isinstance(node, Scalar):
        if key == "volumes":
            parts = node.text.split(":")
            return parts[1] if len(parts) > 1 else parts[0]
        return node.text
    if isinstance(node, Table):
        target = node.entries.get("target")
        return target.text if key == "volumes" and isinstance(target, Scalar) else None
    return None


def _as_table(node: Node, *, pairs: bool) -> Node:
    if not isinstance(node, Items):
        return node
    table = Table(node.mark)
    for item in node.items:
        if not isinstance(item, Scalar):
            return node
        name, separator, text = item.text.partition("=") if pairs else (item.text, "", "")
        value = text if separator else None
        table.entries[name] = Scalar(item.mark, text, value, castable=True)
        table.marks[name] = item.mark
    return table
