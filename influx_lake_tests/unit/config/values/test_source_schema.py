"""Some columns of a measurement, and what is known of the others."""

import pytest

from influx_lake.config.values.conditions import All, IsNull, Not
from influx_lake.config.values.source_schema import TIME, Column, ColumnType, MeasurementSchema, Role

SCHEMA = MeasurementSchema(
    "cpu",
    (
        Column(TIME, Role.TIME, ColumnType.TIME),
        Column("host", Role.TAG, ColumnType.STRING),
        Column("zone", Role.TAG, ColumnType.STRING),
        Column("a", Role.FIELD, ColumnType.FLOAT),
        Column("b", Role.FIELD, ColumnType.INTEGER),
    ),
)


def test_some_columns_keep_their_order_and_the_time() -> None:
    some = SCHEMA.select(["b", "host"])
    assert [column.name for column in some.columns] == [TIME, "host", "b"]
    assert [column.name for column in some.left_out] == ["zone", "a"]
    assert some.whole == SCHEMA
    assert some.select(["host"]).whole == SCHEMA
    assert SCHEMA.select([column.name for column in SCHEMA.columns]) == SCHEMA


def test_a_name_that_is_no_column() -> None:
    with pytest.raises(ValueError, match="'cpu' has no column 'c'"):
        SCHEMA.select(["a", "c"])


def test_conditions_add_up() -> None:
    first, second = IsNull("a"), Not(IsNull("b"))
    some = SCHEMA.select(["a"], first)
    assert some.where == first
    assert some.select(["a"]).where == first
    assert some.select(["a"], second).where == All((first, second))
    assert some.select(["a"], second).whole == SCHEMA
    assert SCHEMA.select([*SCHEMA.tags, *SCHEMA.fields], first).whole == SCHEMA


def test_a_point_needs_a_field_where_others_are_left_out() -> None:
    assert not SCHEMA.needs_a_field
    assert not SCHEMA.select(["a", "b"]).needs_a_field
    assert SCHEMA.select(["host", "a"]).needs_a_field
    assert not SCHEMA.select(["host"]).needs_a_field


def test_a_column_that_is_left_out_is_known() -> None:
    some = SCHEMA.select(["a"])
    assert some.column("b") == SCHEMA.columns[-1]
    assert some.column("c") is None
