"""Tables as InfluxData's plugin influxdb_to_iceberg makes and fills them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.schema import Schema
from pyiceberg.types import BooleanType, DoubleType, IcebergType, LongType, NestedField, StringType, TimestampType


def append(catalog: Catalog, name: str, rows: Sequence[dict[str, Any]]) -> None:
    """Append rows of a query, as a run of the plugin does; the first run makes the table.

    Types are those that pandas finds in the first rows, columns without an absent value there are required, times lose
    their zone and their nanoseconds, and there are no partition fields.

    Args:
        catalog: The catalog.
        name: `namespace.table`.
        rows: The rows, their `time` in nanoseconds.
    """
    columns = {
        column: [row.get(column) for row in rows] for column in dict.fromkeys(key for row in rows for key in row)
    }
    columns["time"] = [time // 1000 for time in columns["time"]]
    catalog.create_namespace_if_not_exists(name.rpartition(".")[0])
    if not catalog.table_exists(name):
        fields = [
            NestedField(number, column, _type(column, values), required=None not in values)
            for number, (column, values) in enumerate(columns.items(), start=1)
        ]
        catalog.create_table(name, Schema(*fields))
    table = catalog.load_table(name)
    schema = table.schema().as_arrow()
    table.append(pa.table([pa.array(columns[field.name], field.type) for field in schema], schema=schema))


def as_in_core_3_6(rows: Sequence[dict[str, Any]], columns: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows as InfluxDB 3 Core 3.6 gives them to plugins: a column without a value is 0, False or an empty text.

    Args:
        rows: The rows.
        columns: What each column has where a row has no value.
    """
    return [columns | row for row in rows]


def _type(name: str, values: list[Any]) -> IcebergType:
    """What pandas makes of values: whole numbers with an absent one are floats, booleans with one are objects."""
    if name == "time":
        return TimestampType()
    kinds = {type(value) for value in values}
    if kinds <= {int, float, type(None)} and kinds != {type(None)}:
        return LongType() if kinds == {int} else DoubleType()
    return BooleanType() if kinds == {bool} else StringType()
