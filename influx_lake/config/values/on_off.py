"""Options that are a mapping of options, or `off`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

OFF = frozenset({"off", "no", "false"})


@dataclass(frozen=True)
class OnOff:
    """A validator for `Options | None`: an empty value means the defaults, `off` means None."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(read_on_off, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        found = handler(schema)
        written = [kind for kind in found.get("anyOf", [found]) if kind != {"type": "null"}]
        return {"anyOf": [*written, {"enum": ["off", False, None]}]}


def or_empty(value: Any) -> Any:
    """The value, or an empty mapping where there is none."""
    return {} if value is None else value


def read_on_off(value: Any) -> Any:
    """The value, as pydantic validates it.

    Raises:
        ValueError: It is neither a mapping nor `off`.
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
