"""The check `schema_drift`: whether the table's columns match the source's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.checks.outcome import SHOWN, Outcome
from influx_lake.checks.subject import Subject
from influx_lake.iceberg.columns.field_variants import arranged
from influx_lake.iceberg.columns.known_columns import share_of
from influx_lake.iceberg.columns.promotion import holds
from influx_lake.iceberg.columns.row_mapping import ShapedColumn, shape_of
from influx_lake.iceberg.columns.schema import iceberg_type
from influx_lake.transforms.columns import arrow_schema

if TYPE_CHECKING:
    from pyiceberg.types import IcebergType


def schema_drift(subject: Subject) -> Outcome:
    """Compare the columns of source and table; no rows are read."""
    if subject.table is None:
        return Outcome(True, "nothing is loaded yet")
    declared = arrow_schema(subject.schema)
    schema = subject.table.schema()
    expected = arranged(shape_of(declared, subject.target, schema), declared, subject.target, schema).columns
    table_types = {column.name: column.field_type for column in schema.fields}
    missing = [column for column in expected if column.name not in table_types]
    unfit = [
        column
        for column in expected
        if column.name in table_types and not holds(table_types[column.name], _kind(column))
    ]
    # `value__string` beside `value` holds what does not fit there, as `on_type_conflict: new_column` has it.
    unfit = [column for column in unfit if f"{column.name}__{str(_kind(column)).partition('(')[0]}" not in table_types]
    known = {column.name for column in expected} | {
        subject.measurement.time_column,
        subject.measurement.types.nanoseconds_column,
    }
    left = sorted(name for name in table_types.keys() - known if name.rpartition("__")[0] not in known)
    if share_of(subject.table) is not None:
        # In a shared table they may belong to another measurement.
        left = []
    figures = {
        "columns": len(table_types),
        "missing": len(missing),
        "changed": len(unfit),
        "left_the_source": len(left),
    }
    if not (missing or unfit or left):
        return Outcome(True, f"{len(table_types)} columns, as in the source", figures)
    changes = [
        *({"column": column.name, "source": str(_kind(column)), "table": "missing"} for column in missing),
        *({"column": each.name, "source": str(_kind(each)), "table": str(table_types[each.name])} for each in unfit),
        *({"column": name, "source": "gone", "table": str(table_types[name])} for name in left),
    ]
    differences = "; ".join(
        f"{each['column']} (source: {each['source']}, table: {each['table']})" for each in changes[:SHOWN]
    )
    return Outcome(
        False, f"columns differ: {differences}", {**figures, "changes": pa.Table.from_pylist(changes[:SHOWN])}
    )


def _kind(column: ShapedColumn) -> IcebergType:
    return iceberg_type(column.type)
