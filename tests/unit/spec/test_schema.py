"""The published JSON Schema is the one that the loader's shapes give, and editors can use it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fleetctl.spec.schema import json_schema, render_schema

PUBLISHED = Path(__file__).resolve().parents[3] / "docs" / "fleet.schema.json"


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from parts(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from parts(value)


def test_the_published_schema_is_current() -> None:
    """To publish again: python -c "from fleetctl.spec.schema import render_schema; print(render_schema(), end='')"."""
    assert PUBLISHED.read_text() == render_schema()


def test_every_reference_leads_to_a_definition() -> None:
    schema = json_schema()
    references = {part["$ref"] for part in parts(schema) if isinstance(part.get("$ref"), str)}
    assert references == {f"#/$defs/{name}" for name in schema["$defs"]}


def test_every_key_is_described_and_unknown_ones_are_refused() -> None:
    schema = json_schema()
    for name, definition in [("the file", schema), *schema["$defs"].items()]:
        assert definition["additionalProperties"] is False, name
        assert definition["description"], name
        for key, value in definition["properties"].items():
            assert "description" in value or "$ref" in value, f"{name}.{key}"


def test_a_variable_may_stand_for_any_single_value() -> None:
    """`replicas: ${N:-3}` is text to an editor, so wherever a number, truth value or word is wanted, text is, too."""
    for part in parts(json_schema()):
        alternatives = part.get("anyOf", [])
        kinds = {alternative.get("type") for alternative in alternatives if isinstance(alternative, dict)}
        if kinds & {"integer", "number", "boolean"}:
            assert "string" in kinds, json.dumps(part)
    assert all("const" not in part for part in parts(json_schema()))
