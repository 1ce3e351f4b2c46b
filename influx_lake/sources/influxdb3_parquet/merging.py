"""Merges points that are in several files, as the server shows them.

A point is identified by its tags and time. Where files hold the same point, each field has the last value that is not
null, in the server's order of files: InfluxDB 3 Core sorts them by descending first time and numbers them, so the file
with the earliest first time wins. Source: `iox_query/src/provider/deduplicate.rs` and
`influxdb3_write/src/write_buffer/ persisted_files.rs` of InfluxDB 3.10.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.values.source_schema import TIME, MeasurementSchema


class Ordered(Protocol):
    """A file, with what determines its rank."""

    @property
    def min_time(self) -> int: ...

    @property
    def sequence(self) -> int: ...


_File = TypeVar("_File", bound=Ordered)


def server_order(files: Iterable[_File]) -> list[_File]:
    """The files in the server's order, the winner last; of equal ones the newer wins."""
    return sorted(files, key=lambda file: (-file.min_time, file.sequence))


def newest_wins(files: Iterable[_File]) -> list[_File]:
    """The files in the order of their writing, so that the value written last wins."""
    return sorted(files, key=lambda file: file.sequence)


def oldest_wins(files: Iterable[_File]) -> list[_File]:
    """The reverse order, by which InfluxDB 3 Core 3.6 shows points once all of their values are persisted."""
    return newest_wins(files)[::-1]


def merged(parts: Sequence[pa.Table], schema: MeasurementSchema) -> pa.Table:
    """One row for each point.

    Args:
        parts: The rows of each file, the winner last, all with the same columns.
        schema: The tags and fields among the columns.
    """
    rows = pa.concat_tables(parts)
    keys, fields = [*schema.tags, TIME], list(schema.fields)
    if len(parts) == 1 or pc.count_distinct(rows[TIME]).as_py() == len(rows):
        return rows
    last = pc.ScalarAggregateOptions(skip_nulls=True, min_count=0)
    # Threads would lose the order, which decides the last value.
    grouped = rows.group_by(keys, use_threads=False).aggregate([(name, "last", last) for name in fields])
    return grouped.rename_columns([*keys, *fields]).select(rows.column_names).cast(rows.schema)
