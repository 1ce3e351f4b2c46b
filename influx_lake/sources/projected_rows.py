"""The rows that a projection leaves."""

from __future__ import annotations

from functools import reduce
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.values.source_schema import MeasurementSchema

_Rows = TypeVar("_Rows", pa.RecordBatch, pa.Table)


def with_a_field(rows: _Rows, schema: MeasurementSchema) -> _Rows:
    """The rows that have one of the fields, where others are left out: a point that has none of them is not a row."""
    if not schema.needs_a_field:
        return rows
    have = reduce(pc.or_, (pc.is_valid(rows.column(rows.schema.get_field_index(name))) for name in schema.fields))
    return rows if pc.all(have, min_count=0).as_py() else rows.filter(have)
