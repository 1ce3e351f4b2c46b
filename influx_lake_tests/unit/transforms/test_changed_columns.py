"""A source that is kept while the columns of its measurement change."""

from __future__ import annotations

from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.transforms import TransformedSource
from influx_lake_tests.unit.transforms.memory_source import COLUMNS, DAY, measurement, points

FOUR = points(*((number, "a", "eu", 1.5, number, True, "x") for number in range(4)))


def test_a_column_that_left_the_source_is_not_asked_for_again() -> None:
    source = FOUR
    shaped = TransformedSource(source, measurement(rename={"busy": "used"}))
    assert "text" in shaped.schema("cpu").fields
    source.schema_ = MeasurementSchema("cpu", COLUMNS[:-1])
    with shaped.read(shaped.schema("cpu"), DAY) as rows:
        assert sum(len(batch) for batch in rows) == 4
    assert "text" not in source.asked[-1].fields
