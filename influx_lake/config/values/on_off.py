"""Options that hold options of their own, or `off`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

OFF = frozenset({"off", "no", "false"})


@dataclass(frozen=True)
class Switched:
    """Reads an annotated `Options | None`: nothing written is every default of the options, `off` is None."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(read_switched, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        found = handler(schema)
        written = [kind for kind in found.get("anyOf", [found]) if kind != {"type": "null"}]
        return {"anyOf": [*written, {"enum": ["off", False, None]}]}


def or_empty(value: Any) -> Any:
    """What is written; no options at all where nothing is."""
    return {} if value is None else value


def read_switched(value: Any) -> Any:
    """What is written, as pydantic takes it.

    Raises:
        ValueError: It is neither options nor `off`.
    """
    if value is None:
        return {}
    if value is False or (isinstance(value, str) and value.strip().lower() in OFF):
        return None
    if not isinstance(value, dict | BaseModel):
        raise ValueError(  # noqa: TRY004 - pydantic makes findings of these only
            "is neither `off` nor options of its own, `{option: value}`, or `{}` where each of them has a default"
        )
    return value
