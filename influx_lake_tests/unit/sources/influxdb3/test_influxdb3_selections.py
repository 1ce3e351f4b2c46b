"""What is left out is not asked of an InfluxDB 3."""

import pytest

from influx_lake.config.values.conditions import All, Compared, IsNull, Not, Operator
from influx_lake.config.values.source_schema import TIME, Column, ColumnType, MeasurementSchema, Role
from influx_lake.sources.influxdb3.conditions import row_condition

SCHEMA = MeasurementSchema(
    "cpu",
    (
        Column(TIME, Role.TIME, ColumnType.TIME),
        Column("host", Role.TAG, ColumnType.STRING),
        Column('a "b"', Role.FIELD, ColumnType.FLOAT),
        Column("n", Role.FIELD, ColumnType.INTEGER),
        Column("u", Role.FIELD, ColumnType.UINTEGER),
    ),
)


def test_a_whole_measurement_has_no_condition() -> None:
    assert row_condition(SCHEMA) is None


def test_a_point_needs_a_field_where_others_are_left_out() -> None:
    assert row_condition(SCHEMA.select(['a "b"', "n", "u"])) is None
    assert row_condition(SCHEMA.select(["host", 'a "b"', "n"])) == '("a ""b""" IS NOT NULL OR "n" IS NOT NULL)'
    assert row_condition(SCHEMA.select(["host"])) is None


def test_a_condition_may_look_at_what_is_left_out() -> None:
    where = All((Compared("host", Operator.EQUAL, "o'b"), Not(IsNull("u")), Compared("u", Operator.LESS, 2**63)))
    assert row_condition(SCHEMA.select(["n"], where)) == (
        '"n" IS NOT NULL AND ("host" = \'o\'\'b\' AND NOT ("u" IS NULL) AND "u" < CAST(\'9223372036854775808\' AS '
        "BIGINT UNSIGNED))"
    )


def test_a_condition_that_is_not_taken_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="exactly"):
        row_condition(SCHEMA.select(["n"], Compared("n", Operator.LESS, 1.5)))


@pytest.mark.parametrize(
    ("operator", "said"),
    [
        (Operator.EQUAL, "({f} >= {low} AND {f} <= {high})"),
        (Operator.NOT_EQUAL, "({f} < {low} OR {f} > {high})"),
        (Operator.LESS, "{f} < {low}"),
        (Operator.LESS_OR_EQUAL, "{f} <= {high}"),
        (Operator.GREATER, "{f} > {high}"),
        (Operator.GREATER_OR_EQUAL, "{f} >= {low}"),
    ],
)
def test_zeros_are_equal_also_where_the_server_orders_them(operator: Operator, said: str) -> None:
    zeros = {"low": "CAST('-0.0' AS DOUBLE)", "high": "CAST('0.0' AS DOUBLE)", "f": '"a ""b"""'}
    schema = SCHEMA.select([*SCHEMA.tags, *SCHEMA.fields], Compared('a "b"', operator, 0))
    assert row_condition(schema) == said.format(**zeros)
