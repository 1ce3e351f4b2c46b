"""What the JSON schema of a lake.yaml says of one entry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema  # type: ignore[import-untyped]

from influx_lake.config import lake_json_schema
from influx_lake_tests.unit.config.lake.nonsense_yaml import Inline, plain


@cache
def _validators() -> dict[str, Any]:
    schema = lake_json_schema()
    definitions = {"$defs": schema["$defs"]}
    parts = {name: {**definitions, **part} for name, part in schema["properties"].items()}
    for name in ("sources", "measurements"):
        parts[name] = {**definitions, **schema["properties"][name]["additionalProperties"]}
    parts[""] = {**definitions, "properties": {}, "additionalProperties": schema["additionalProperties"]}
    return {name: jsonschema.Draft202012Validator(part) for name, part in parts.items()}


def valid_in_schema(document: Mapping[str, Any], instead: Any = None) -> bool:
    """Whether the schema takes a document of one section; with `instead` in the place of its nonsense."""
    [(section, written)] = document.items()
    if section not in _validators():
        return False
    entry = next(iter(written.values())) if section in ("sources", "measurements") else written
    if instead is not None:
        entry = _replaced(entry, instead)
    value = plain(entry)
    return not _has_no_json(value) and bool(_validators()[section].is_valid(value))


def _replaced(entry: Any, instead: Any) -> Any:
    if isinstance(entry, Inline):
        return instead
    if isinstance(entry, dict):
        return {name: _replaced(inner, instead) for name, inner in entry.items()}
    return [_replaced(inner, instead) for inner in entry] if isinstance(entry, list) else entry


def _has_no_json(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
