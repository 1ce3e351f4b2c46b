"""Merges rows by last write wins, and keeps sorted runs disjoint in time.

A *run* is a part of a measurement whose points are distinct and sorted by time. The runs of a measurement do not
overlap, so queries read them unchanged, and new rows are merged only with the runs that they fall into.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.sandbox.storage.columns import TIME, Kind, conform, in_one_chunk, kinds_of

RUN_ROWS = 262_144


class Run:
    """Distinct rows, sorted by time, in memory or in a Parquet file.

    Attributes:
        rows: How many there are.
        first: The earliest time, in nanoseconds.
        last: The latest time.
        table: The rows, if they are in memory.
        path: The file, if they are not.
        keeper: An object that must stay alive as long as the file is needed.
    """

    def __init__(
        self,
        rows: int,
        first: int,
        last: int,
        table: pa.Table | None = None,
        path: Path | None = None,
        keeper: object = None,
    ) -> None:
        self.rows = rows
        self.first = first
        self.last = last
        self.table = table
        self.path = path
        self.keeper = keeper

    @classmethod
    def of(cls, table: pa.Table) -> Run:
        times = table.column(TIME)
        return cls(table.num_rows, times[0].value, times[-1].value, table)


def distinct(table: pa.Table) -> pa.Table:
    """Merge rows of the same tags and time, in the order of writing: the last value that is not null wins.

    Returns:
        The rows sorted by time, in one chunk.
    """
    table = in_one_chunk(table)
    keys = [name for name, kind in kinds_of(table.schema).items() if kind in (Kind.TAG, Kind.TIME)]
    if table.num_rows and _has_repeats(table, keys):
        table = _last_values(table, keys)
    return sort_by_time(table)


def sort_by_time(table: pa.Table) -> pa.Table:
    """Sort stably: rows with equal times keep their order."""
    times = _times(table)
    if len(times) < 2 or pc.all(pc.less_equal(times[:-1], times[1:])).as_py():
        return table
    return table.take(pc.sort_indices(times))


def _has_repeats(table: pa.Table, keys: Sequence[str]) -> bool:
    times = _times(table)
    if pc.all(pc.less(times[:-1], times[1:])).as_py():
        return False
    columns = {
        str(index): times if name == TIME else table.column(name).chunk(0).indices for index, name in enumerate(keys)
    }
    groups = pa.table(columns).group_by(list(columns), use_threads=False).aggregate([])
    return bool(groups.num_rows < table.num_rows)


def _last_values(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    schema = table.schema
    values = [name for name in schema.names if name not in keys]
    # Name columns by position: a field "f_last" must not collide with the aggregate of a field "f".
    numbered = table.select([*keys, *values]).rename_columns([str(index) for index in range(len(schema))])
    wanted = [(str(index), "last") for index in range(len(keys), len(schema))]
    merged = numbered.group_by([str(index) for index in range(len(keys))], use_threads=False).aggregate(wanted)
    positions = {name: index for index, name in enumerate([*keys, *values])}
    arrays = [merged.column(positions[field.name]) for field in schema]
    return in_one_chunk(pa.table(arrays, schema=schema))


def _times(table: pa.Table) -> pa.Array:
    times = table.column(TIME)
    return (times.chunk(0) if times.num_chunks == 1 else times.combine_chunks()).cast(pa.int64())


def cut(table: pa.Table) -> list[Run]:
    """Split sorted distinct rows into runs of at most about RUN_ROWS, never within one time."""
    runs = []
    times = _times(table)
    start, rows = 0, table.num_rows
    while start < rows:
        end = rows if rows - start <= RUN_ROWS * 3 // 2 else _after(times, times[start + RUN_ROWS - 1].as_py())
        runs.append(Run.of(table.slice(start, end - start)))
        start = end
    return runs


def merge_into(runs: Sequence[Run], fresh: pa.Table, schema: pa.Schema, read: Callable[[Run], pa.Table]) -> list[Run]:
    """Merge distinct sorted rows into disjoint runs.

    Args:
        runs: The runs, by time.
        fresh: The newer rows; their values win.
        schema: The schema of the result, which may have more columns than older runs.
        read: Reads the rows of a run.
    """
    if not fresh.num_rows:
        return list(runs)
    times = _times(fresh)
    merged: list[Run] = []
    start = 0
    for index, run in enumerate(runs):
        following = runs[index + 1].first if index + 1 < len(runs) else None
        end = fresh.num_rows if following is None else bisect_left(times, following, lo=start, key=_value)
        piece = fresh.slice(start, end - start)
        merged.extend(_merge_run(run, piece, schema, read) if piece.num_rows else [run])
        start = end
    return merged if runs else cut(fresh)


def _merge_run(run: Run, fresh: pa.Table, schema: pa.Schema, read: Callable[[Run], pa.Table]) -> list[Run]:
    """Merge rows into the one run of their time range."""
    piece = Run.of(fresh)
    apart = piece.first > run.last or piece.last < run.first
    if not apart:
        return cut(distinct(pa.concat_tables([conform(read(run), schema), fresh])))
    in_order = [run, piece] if piece.first > run.last else [piece, run]
    worth_joining = run.rows + piece.rows <= RUN_ROWS and (run.table is not None or run.rows <= RUN_ROWS // 8)
    if worth_joining:
        parts = [fresh if own is piece else conform(read(run), schema) for own in in_order]
        return cut(in_one_chunk(pa.concat_tables(parts)))
    return [part for own in in_order for part in (cut(fresh) if own is piece else [run])]


def _value(scalar: pa.Scalar) -> int:
    return int(scalar.as_py())


def _after(times: pa.Array, value: int) -> int:
    return bisect_right(times, value, key=_value)
