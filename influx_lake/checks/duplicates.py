"""The check `no_duplicate_points`: whether a point is in the table twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.arrow.maps import as_texts, is_map
from influx_lake.checks.outcome import SHOWN, Outcome
from influx_lake.checks.subject import Subject
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.merge.point_key import PointKey, point_key
from influx_lake.iceberg.merge.time_buckets import TimeBuckets, filled
from influx_lake.iceberg.scan.reader import arrow_schema, read_windows

if TYPE_CHECKING:
    from pyiceberg.table import Table

_BELOW = "nanoseconds below"


def no_duplicate_points(subject: Subject) -> Outcome:
    """Find rows with the same series and time, in bounded memory.

    Times are compared with nanoseconds where the table has them.
    """
    rows, surplus, points, examples = 0, 0, 0, list[pa.Table]()
    if subject.table is not None:
        key = point_key(subject.target, arrow_schema(subject.table.schema()))
        for window in subject.windows:
            for part in _slices_of(subject.table, key, window):
                twice = _repeated_keys(part, key)
                rows += len(part)
                points += len(twice)
                surplus += (pc.sum(twice.column("rows")).as_py() or 0) - len(twice)
                if len(twice) and sum(map(len, examples)) < SHOWN:
                    examples.append(twice.slice(0, SHOWN))
    figures = {"rows": rows, "duplicate_rows": surplus, "duplicate_points": points}
    if not surplus:
        return Outcome(True, f"{rows:,} rows, each point once", figures)
    message = f"{surplus:,} of {rows:,} rows repeat a point (same series and time). Materialise the windows again"
    return Outcome(False, message, {**figures, "examples": pa.concat_tables(examples).slice(0, SHOWN)})


def _slices_of(table: Table, key: PointKey, window: Window) -> Iterator[pa.Table]:
    """The keys of a window, in parts that share no time and fit into memory."""
    reader = read_windows(table, [window], key.time, key.all)
    with closing(TimeBuckets(reader.schema, key.time, window.start_us, window.end_us)) as slices:
        for batch in reader:
            slices.add(batch)
        yield from filled(slices)


def _comparable(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values that Arrow can group by, which excludes maps."""
    if not is_map(values.type):
        return values
    return pa.chunked_array([as_texts(chunk) for chunk in values.chunks], pa.string())


def _repeated_keys(rows: pa.Table, key: PointKey) -> pa.Table:
    """The keys that occur more than once, with their row counts."""
    below = key.below_microseconds(rows)
    names = [*key.columns, key.time]
    keyed = pa.table([_comparable(rows.column(name)) for name in names], names=names)
    if below is not None:
        names.append(_BELOW)
        keyed = keyed.append_column(_BELOW, below)
    counted = keyed.group_by(names).aggregate([([], "count_all")])
    counted = counted.filter(pc.greater(counted.column("count_all"), 1))
    return counted.rename_columns(["rows" if name == "count_all" else name for name in counted.column_names])
