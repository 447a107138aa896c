"""Writes beside each value of a YAML text where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fleetctl.spec.wording import join


def annotate(text: str, origins: Mapping[str, str], notes: Mapping[str, str] | None = None) -> str:
    """The same YAML with a comment at the end of every line whose value has an origin, and one below it where there is
    a note. `text` is block style with one value a line, as render_yaml writes it; `origins` is that of
    document_origins, `notes` that of baseline_notes."""
    import yaml

    lines = text.splitlines()
    for path, line in leaves(yaml.compose(text, Loader=yaml.SafeLoader), ""):
        if path in origins:
            lines[line] += f"  # {origins[path]}"
        if notes and path in notes:
            indent = len(lines[line]) - len(lines[line].lstrip())
            lines[line] += f"\n{' ' * indent}# {notes[path]}"
    return "\n".join(lines) + "\n"


def leaves(node: object, path: str) -> Iterator[tuple[str, int]]:
    """Key path and line number, counted from 0, of every value that has no values below it."""
    import yaml

    if isinstance(node, yaml.MappingNode) and node.value:
        for key, child in node.value:
            yield from leaves(child, join(path, key.value))
    elif isinstance(node, yaml.SequenceNode) and node.value:
        for index, child in enumerate(node.value):
            yield from leaves(child, f"{path}[{index}]")
    elif isinstance(node, yaml.Node):
        yield path, node.end_mark.line
