"""Long tables as other engines read them, and as tails and seals fill them."""

from __future__ import annotations

from influx_lake_tests.integration.iceberg.engine_cases import long_tables
from influx_lake_tests.integration.typed_lake import TypedLake, through_duckdb, through_polars


def test_duckdb_and_polars_read_a_long_table(typed_lake: TypedLake) -> None:
    of, expected = long_tables(typed_lake)
    table = typed_lake.table(of)
    assert typed_lake.types(of) == {
        "time": "timestamptz",
        "measurement": "string",
        "tags": "map<string, string>",
        "metric_name": "string",
        "metric_value": "double",
        "value_string": "string",
    }
    for rows in (through_duckdb(table), through_polars(table)):
        found = [
            (row["measurement"], as_tags(row["tags"]), row["metric_name"], row["metric_value"], row["value_string"])
            for row in rows
        ]
        assert sorted(found, key=repr) == sorted(expected, key=repr)


def as_tags(value: object) -> dict[str, str]:
    """A map as an engine gives it."""
    if isinstance(value, dict):
        return dict(sorted(value.items()))
    assert isinstance(value, list)
    return {pair["key"]: pair["value"] for pair in value} if value and isinstance(value[0], dict) else dict(value)
