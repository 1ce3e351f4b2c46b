"""Rows that were erased are left out, by the source where it can."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from influx_lake.config.measurements.erased import ErasedRows
from influx_lake.config.tables.shared_tables import LongOptions
from influx_lake.config.tables.types import TypeOptions
from influx_lake.config.values.conditions import All, AnyOf, Compared, Condition, IsNull, Not, Operator
from influx_lake.errors import ConfigurationError
from influx_lake.transforms import TransformedSource
from influx_lake.transforms.transformed import transformed
from influx_lake_tests.unit.transforms.memory_source import DAY, SCHEMA, MemorySource, measurement

ROWS = [
    {"time": DAY.start_us * 1000 + number, "host": host, "region": region, "count": number}
    for number, (host, region) in enumerate(product(("a", "b", None), ("x", None)))
]


def source(*erased: ErasedRows, **options: object) -> TransformedSource:
    return TransformedSource(MemorySource(ROWS), replace(measurement(**options), erased=erased))


def counts(found: TransformedSource) -> list[int]:
    schema = found.schema("cpu")
    with found.read(schema, DAY) as rows:
        return [count for batch in rows for count in batch.column(batch.schema.get_field_index("count")).to_pylist()]


@pytest.mark.parametrize(
    ("where", "left"),
    [
        ("host = 'a'", [2, 3, 4, 5]),
        ("host = 'a' AND region = 'x'", [1, 2, 3, 4, 5]),
        ("host = 'a' OR region = 'x'", [3, 5]),
        ("NOT (host = 'a')", [0, 1, 4, 5]),
        ("host IS NULL", [0, 1, 2, 3]),
        ("host IN ('a', 'b')", [4, 5]),
    ],
)
def test_rows_for_which_the_condition_is_null_stay(where: str, left: list[int]) -> None:
    found = source(ErasedRows(where=where))
    assert counts(found) == left
    condition = found.plan("cpu").condition
    assert condition is not None
    assert [number for number, row in enumerate(ROWS) if truth(condition, row)] == left


def test_with_a_row_filter_and_a_time() -> None:
    at = DAY.start.isoformat()
    assert counts(source(ErasedRows(where="host = 'a'"), where="count > 0 or host = 'a'")) == [2, 3, 4, 5]
    assert counts(source(ErasedRows(where="host = 'b'", start=at))) == [0, 1, 4, 5]
    assert counts(source(ErasedRows(where="host = 'b'", end=at))) == [0, 1, 2, 3, 4, 5]
    assert counts(source(ErasedRows(start=at))) == []
    assert source(ErasedRows(where="host = 'a'")).schema("cpu") == SCHEMA


def test_rows_with_values_that_cannot_be_cast_are_left_out_by_their_others() -> None:
    of = replace(
        measurement(on_cast_error="quarantine"),
        types=TypeOptions(types={"region": "int"}),
        erased=(ErasedRows(where="region = 5"), ErasedRows(where="host = 'a'")),
    )
    assert counts(TransformedSource(MemorySource(ROWS), of)) == [2, 3, 4, 5]


def test_a_column_that_the_source_has_no_more_is_null() -> None:
    assert counts(source(ErasedRows(where="former > 8"), ErasedRows(where="former = 1 OR host = 'a'"))) == [2, 3, 4, 5]
    assert counts(source(ErasedRows(where="md5(former) = 'x'"), where="count > 1")) == [2, 3, 4, 5]


def test_a_column_that_has_another_name_by_now_is_not_guessed() -> None:
    with pytest.raises(ConfigurationError, match="names region, and no column has this name"):
        source(ErasedRows(where="region = 'x'"), rename={"region": "area"}).schema("cpu")


@pytest.mark.parametrize(
    ("erased", "left"),
    [
        (ErasedRows(where="tags['host'] = 'a'"), [2, 3, 4, 5]),
        (ErasedRows(where="metric_name = 'count' AND metric_value > 1"), [0, 1]),
        (ErasedRows(start=DAY.start), []),
    ],
)
def test_of_a_long_table_rows_are_left_out_by_its_own_columns(erased: ErasedRows, left: list[int]) -> None:
    found = transformed(MemorySource(ROWS), replace(measurement(), erased=(erased,), layout=LongOptions()))
    schema = found.schema("cpu")
    with found.read(schema, DAY) as rows:
        read = [value for batch in rows for value in batch.column("metric_value").to_pylist()]
    assert read == left
    assert found.counts("cpu", [DAY]) == [len(left)]


def truth(condition: Condition, row: dict[str, object]) -> bool | None:
    """What SQL says of a row."""
    match condition:
        case Compared():
            value = row.get(condition.column)
            same = value == condition.literal
            return None if value is None else same == (condition.operator is Operator.EQUAL)
        case IsNull():
            return row.get(condition.column) is None
        case Not():
            part = truth(condition.part, row)
            return None if part is None else not part
        case All() | AnyOf():
            parts = [truth(part, row) for part in condition.parts]
            decided = isinstance(condition, AnyOf)
            return decided if decided in parts else None if None in parts else not decided
