"""The JSON Schema of fleet.yaml for editors, made from the shapes that the loader reads."""

from __future__ import annotations

import json
from typing import Any

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TITLE = "fleet.yaml of fleetctl"

# A number or truth value may also stand in quotes, and any value may come from a variable.
_QUOTED = {
    "integer": {"type": "string", "pattern": r"^-?[0-9]+$|\$"},
    "number": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$|\$"},
    "boolean": {"type": "string", "pattern": r"^(true|false)$|\$"},
}


def json_schema() -> Schema:
    """JSON Schema, draft 2020-12, of a fleet.yaml; what needs more than one place of the file is left to the loader."""
    import msgspec

    from fleetctl.spec.compose import Document

    raw = msgspec.json.schema(Document)
    definitions = {_title(name): _refine(shape) for name, shape in raw["$defs"].items()}
    root = definitions.pop("fleet")
    return {"$schema": _DIALECT, **root, "title": _TITLE, "$defs": definitions}


def render_schema() -> str:
    """The text of the schema as it is published."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _title(name: str) -> str:
    """The name of a definition: BuildShape -> build, ServiceExtension -> service-extension."""
    if name == "Document":
        return "fleet"
    words = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")
    return words.removesuffix("-shape")


def _refine(schema: Any) -> Any:
    """References renamed, the null that stands for a key left out removed, quoted numbers allowed."""
    if isinstance(schema, list):
        return [_refine(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    refined = {key: _refine(value) for key, value in schema.items() if key not in ("default", "title", "properties")}
    if "properties" in schema:
        refined["properties"] = {name: _refine(value) for name, value in schema["properties"].items()}
    if "$ref" in refined:
        refined["$ref"] = "#/$defs/" + _title(refined["$ref"].rpartition("/")[2])
    if "default" in schema and "anyOf" in refined:
        refined["anyOf"] = [part for part in refined["anyOf"] if part != {"type": "null"}]
    if "title" in schema and isinstance(schema["title"], str):
        refined["title"] = _title(schema["title"])
    return _unwrap(_allow_quotes(refined))


def _allow_quotes(schema: Schema) -> Schema:
    if "enum" in schema:
        # A variable may stand for the word.
        described = {key: schema.pop(key) for key in ("description",) if key in schema}
        return {**described, "anyOf": [schema, {"type": "string", "pattern": r"\$"}]}
    quoted = _QUOTED.get(str(schema.get("type")))
    if quoted is None:
        return schema
    described = {key: schema.pop(key) for key in ("description", "examples") if key in schema}
    return {**described, "anyOf": [schema, quoted]}


def _unwrap(schema: Schema) -> Schema:
    """An anyOf of one is that one; an anyOf within an anyOf joins it, text beside any text is left out."""
    if "anyOf" not in schema:
        return schema
    parts: list[Schema] = []
    described = {key: value for key, value in schema.items() if key != "anyOf"}
    for part in schema["anyOf"]:
        if set(part) <= {"anyOf", "description", "examples"} and "anyOf" in part:
            described = {**{key: value for key, value in part.items() if key != "anyOf"}, **described}
            parts.extend(part["anyOf"])
        else:
            parts.append(part)
    if any(part == {"type": "string"} for part in parts):
        parts = [part for part in parts if not (part.get("type") == "string" and "pattern" in part)]
    unique = [part for index, part in enumerate(parts) if part not in parts[:index]]
    if len(unique) == 1:
        return {**unique[0], **described}
    return {**described, "anyOf": unique}
