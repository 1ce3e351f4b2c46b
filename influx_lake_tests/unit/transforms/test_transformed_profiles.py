"""Profiles of some columns of a table ask the source for a projection of what it declared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from influx_lake.sources.profile import profiles_of, read_profiles
from influx_lake.transforms import TransformedSource
from influx_lake_tests.unit.transforms.memory_source import DAY, SCHEMA, MemorySource, measurement, points

POINTS = points(
    (1, "a", "eu", 1.5, 1, True, "x"), (2, "b", None, None, 2, None, "y"), (3, "a", "eu", 99.5, 3, True, "")
)


@pytest.mark.parametrize("options", [{"rename": {"busy": "used"}}, {"fields": {"include": ["busy", "count"]}}])
def test_columns_that_are_left_out_are_declared_as_such(options: dict[str, Any]) -> None:
    source = MemorySource(POINTS.rows)
    shaped = TransformedSource(source, measurement(**options))
    whole = shaped.schema("cpu")
    for left_out in ("host", whole.fields[0]):
        some = replace(whole, columns=tuple(column for column in whole.columns if column.name != left_out))
        assert profiles_of(shaped, some, [DAY], {}) == read_profiles(shaped, some, [DAY], {})
    assert all(asked.whole == SCHEMA for asked in source.asked)
