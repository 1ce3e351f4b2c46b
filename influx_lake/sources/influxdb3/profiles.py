"""Profiles of windows, computed by the server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema
from influx_lake.sources.arrow_types import ARROW_TYPES
from influx_lake.sources.influxdb3.groups import BIN
from influx_lake.sources.profile import ColumnProfile, Profile
from influx_lake.sql_quoting import identifier

COLUMNS_AT_ONCE = 100
"""The most columns of one statement: DataFusion's planning time grows with their square."""

# A sum of this type overflows after 2^63 rows.
_WHOLE = "DECIMAL(38, 0)"


def parts_of(schema: MeasurementSchema) -> Iterator[MeasurementSchema]:
    """Split the schema into the parts of several statements."""
    for begin in range(0, len(schema.columns), COLUMNS_AT_ONCE):
        yield MeasurementSchema(schema.measurement, schema.columns[begin : begin + COLUMNS_AT_ONCE])


def aggregates(schema: MeasurementSchema, scales: Mapping[str, float]) -> dict[str, str]:
    """The expressions that profile each column, by the names that `profile` reads."""
    return {
        f"{place}_{part}": expression
        for place, column in enumerate(schema.columns)
        for part, expression in _expressions(column, scales.get(column.name, 1.0))
    }


def profile_columns(schema: MeasurementSchema) -> pa.Schema:
    """The columns of a result: the start of a window, then the aggregates."""
    columns = [pa.field(BIN, pa.timestamp("ns"))]
    for place, column in enumerate(schema.columns):
        value = pa.int64() if column.type is ColumnType.TIME else ARROW_TYPES[column.type]
        types = {"count": pa.int64(), "total": pa.string(), "low": value, "high": value}
        columns += [pa.field(f"{place}_{part}", types[part]) for part, _ in _expressions(column, 1.0)]
    return pa.schema(columns)


def profile(schema: MeasurementSchema, group: Mapping[str, Any]) -> Profile:
    """The profile of one group of the result."""
    return {
        column.name: ColumnProfile(
            group[f"{place}_count"],
            group.get(f"{place}_low"),
            group.get(f"{place}_high"),
            int(group[f"{place}_total"] or 0),
        )
        for place, column in enumerate(schema.columns)
    }


def _expressions(column: Column, scale: float) -> Iterator[tuple[str, str]]:
    name = identifier(column.name)
    value, summed = name, f"CAST({name} AS {_WHOLE})"
    match column.type:
        case ColumnType.FLOAT:
            # A value too large for the scale becomes NULL here, and then also exceeds the other side's maximum.
            summed = f"CAST(TRY_CAST({name} * CAST('{scale!r}' AS DOUBLE) AS BIGINT) AS {_WHOLE})"
        case ColumnType.BOOLEAN:
            summed = f"CASE WHEN {name} THEN 1 ELSE 0 END"
        case ColumnType.STRING:
            summed = f"octet_length(CAST({name} AS VARCHAR))"
        case ColumnType.TIME:
            nanoseconds = f"CAST({name} AS BIGINT)"
            value = f"(({nanoseconds} - (({nanoseconds} % 1000) + 1000) % 1000) / 1000)"
            summed = f"CAST({value} AS {_WHOLE})"
    yield "count", f"count({name})"
    # As text, which every protocol transfers exactly.
    yield "total", f"CAST(sum({summed}) AS VARCHAR)"
    if column.type is not ColumnType.BOOLEAN:
        yield "low", f"min({value})"
        yield "high", f"max({value})"
