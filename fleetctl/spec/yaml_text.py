"""A document as YAML text that every reader of YAML takes for the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def render_yaml(document: Mapping[str, Any]) -> str:
    """The YAML text of a document; text that some reader of YAML might take for something else is quoted."""
    import yaml

    from fleetctl.spec.scalars import Ambiguous, resolve_plain

    class Dumper(yaml.SafeDumper):
        """SafeDumper knows YAML 1.1 only; YAML 1.2 has other numbers, such as 1e3."""

        def ignore_aliases(self, data: object) -> bool:
            return True

    def represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        try:
            plain = text.isprintable() and resolve_plain(text) == text
        except Ambiguous:
            plain = False
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')

    Dumper.add_representer(str, represent_text)
    return str(yaml.dump(dict(document), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1 << 20))
