"""Parses and validates cron expressions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from influx_lake.config.values.on_off import OFF
from influx_lake.config.values.validated_names import Form

_FIELDS = {
    "minute": r"[0-5]?[0-9]",
    "hour": r"1?[0-9]|2[0-3]|0[0-9]",
    "day": r"0?[1-9]|[12][0-9]|3[01]",
    "month": r"0?[1-9]|1[0-2]",
    "weekday": r"[0-7]",
}
_DAY, _MONTH = 2, 3
_LONGEST_MONTHS = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
_NAMED = "@hourly|@daily|@weekly|@monthly|@yearly"


def _field(value: str) -> str:
    item = rf"(\*(/[1-9][0-9]?)?|({value})(-({value})(/[1-9][0-9]?)?)?)"
    return rf"{item}(,{item})*"


CRON_PATTERN = rf"^(({' +'.join(map(_field, _FIELDS.values()))})|{_NAMED})$"
_WORDS = (
    "a schedule of five fields as cron has it: minute, hour, day of the month, month, day of the week (0 is Sunday), "
    "each a number, *, a range, a step or a list of them, such as `20 * * * *` for each hour or `0 3 * * 0` for "
    "Sundays at 03:00"
)


class _Possible:
    """A validator that refuses reversed ranges and impossible days."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(_checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(schema)


def _checked(value: str) -> str:
    if value.startswith("@"):
        return value
    fields = value.split()
    for low, high in (bounds for each in fields for bounds in _ranges(each)):
        if high < low:
            raise ValueError(f"has the range {low}-{high}, whose first number must be the smaller one")
    days, months = [*_ranges(fields[_DAY])], [*_ranges(fields[_MONTH])]
    if days and months and "*" not in fields[_DAY] and "*" not in fields[_MONTH]:
        named = {month for low, high in months for month in range(low, high + 1)}
        longest = max(_LONGEST_MONTHS.get(month, 31) for month in named)
        if min(low for low, _ in days) > longest:
            raise ValueError("names a day that no such month has")
    return value


def _ranges(field: str) -> Iterator[tuple[int, int]]:
    """The numbers and ranges of a field."""
    for item in field.split(","):
        span = item.partition("/")[0]
        if span != "*":
            low, _, high = span.partition("-")
            yield int(low), int(high or low)


def _read_off(value: Any) -> Any:
    return None if value is False or (isinstance(value, str) and value.strip().lower() in OFF) else value


class _OrOff:
    """Adds `off` to the JSON Schema."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        written = [kind for kind in handler(schema)["anyOf"] if kind != {"type": "null"}]
        return {"anyOf": [*written, {"enum": ["off", "no", "false", False]}]}


Cron = Annotated[str, Form(CRON_PATTERN, _WORDS), _Possible()]
"""A cron expression of five fields."""
CronOrOff = Annotated[Cron | None, BeforeValidator(_read_off), _OrOff()]
"""A cron expression, or `off` as None."""
