"""Formats single values: as text for people, and as JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import pyarrow as pa

from influx_lake.cli.results.times import is_time, iso

_LARGEST_INTEGER_DIGITS = 38


def plain(value: Any, kind: pa.DataType) -> Any:
    """A value as JSON; numbers that JSON cannot represent are strings, times are ISO 8601, bytes hexadecimal.

    Args:
        value: The value, as from `python_values`.
        kind: Its type.
    """
    if value is not None and is_time(kind):
        return iso(value, kind)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, dict | list):
        return _nested(value, kind)
    if pa.types.is_decimal(kind) and not kind.scale and kind.precision == _LARGEST_INTEGER_DIGITS:
        # The type of a sum of integers.
        return int(value)
    return value.hex() if isinstance(value, bytes) else str(value)


def _nested(value: Any, kind: pa.DataType) -> Any:
    if pa.types.is_map(kind):
        return {_key(plain(key, kind.key_type)): plain(each, kind.item_type) for key, each in value}
    if pa.types.is_struct(kind):
        return {field.name: plain(value[field.name], field.type) for field in kind}
    return [plain(each, kind.value_type) for each in value]


def shown(value: Any, kind: pa.DataType) -> str:
    """A value as text; empty for null."""
    found = plain(value, kind)
    if found is None:
        return ""
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, dict):
        return ", ".join(f"{key}={'' if each is None else each}" for key, each in found.items())
    return json.dumps(found, ensure_ascii=False) if isinstance(found, list) else str(found)


def is_number(kind: pa.DataType) -> bool:
    """Whether a type is numeric."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _key(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
