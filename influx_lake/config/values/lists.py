"""Validators of lists: no duplicates, a single item in place of a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema, InitErrorDetails, core_schema


@dataclass(frozen=True)
class Distinct:
    """A validator that refuses duplicates, with the path of the second one."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(_each_once, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        found = handler(schema)
        for kind in found.get("anyOf", [found]):
            if kind.get("type") == "array":
                kind["uniqueItems"] = True
        return found


@dataclass(frozen=True)
class OneOrMore:
    """A validator that accepts a single item as a list."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_listed, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        several = handler(schema)
        return {"anyOf": [several["items"], several]}


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _each_once(items: Sequence[Any] | None) -> Sequence[Any] | None:
    repeated = [place for place, item in enumerate(items or ()) if item in (items or ())[:place]]
    if repeated:
        raise ValidationError.from_exception_data("list", [_mistake(place, (items or ())[place]) for place in repeated])
    return items


def _mistake(place: int, item: Any) -> InitErrorDetails:
    error = ValueError("is named twice in this list: take one of them out")
    return InitErrorDetails(type="value_error", loc=(place,), input=str(item), ctx={"error": error})
