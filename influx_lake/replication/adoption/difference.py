"""Compares a window of a table with its source row by row, in bounded memory."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.merge.time_buckets import TimeBuckets, filled_pairs
from influx_lake.replication.adoption.comparable_rows import TIME_KEY, ComparableRows, codes
from influx_lake.replication.adoption.lake_side import LakeSide
from influx_lake.sources.protocol import Source


@dataclass(slots=True)
class Difference:
    """The differences between a window of a table and of its source.

    Attributes:
        source_rows: How many rows the source has.
        lake_rows: How many the table has.
        missing: The number of rows of the source that the table lacks.
        doubled: The number of rows that the table has more of a point than the source.
        changed: The number of rows that both have, with other values in the table.
        gone: The number of rows whose points the source does not have.
        columns: The columns whose values differ.
        keys: The keys of the points that the source does not have; see `ComparableRows`.
    """

    source_rows: int = 0
    lake_rows: int = 0
    missing: int = 0
    doubled: int = 0
    changed: int = 0
    gone: int = 0
    columns: tuple[str, ...] = ()
    keys: list[pa.Table] = field(default_factory=list)

    @property
    def is_curable(self) -> bool:
        """Whether loading the window would change anything."""
        return bool(self.missing or self.doubled or self.changed)


def difference(source: Source, lake: LakeSide, rows: ComparableRows, window: Window) -> Difference:
    """Compare a window of a table with its source.

    Both are read once; what exceeds memory is kept in temporary files.

    Raises:
        LakeError: One of the sides cannot be read.
    """
    found = Difference()
    bounds = (TIME_KEY, window.start_us, window.end_us)
    with closing(TimeBuckets(rows.schema, *bounds)) as theirs, closing(TimeBuckets(rows.schema, *bounds)) as ours:
        with source.read(lake.schema, window) as stream:
            for batch in stream:
                theirs.add(rows.of_source(batch))
        for batch in lake.compared(window):
            ours.add(rows.of_lake(batch, lake.held, lake.nanoseconds))
        for one, other in filled_pairs(theirs, ours):
            _add(found, rows, one, other)
    return found


def _add(found: Difference, rows: ComparableRows, theirs: pa.Table, ours: pa.Table) -> None:
    both = pa.concat_tables([theirs, ours])
    points = codes([both.column(name) for name in rows.key])
    source, lake = _counts(points, len(theirs))
    gone = source == 0
    found.source_rows += len(theirs)
    found.lake_rows += len(ours)
    found.missing += int(np.maximum(source - lake, 0).sum())
    found.doubled += int(np.maximum(lake - source, 0)[~gone].sum())
    if gone.any():
        found.gone += int(lake[gone].sum())
        _, first = np.unique(points[len(theirs) :], return_index=True)
        is_gone = gone[points[len(theirs) :][first]]
        found.keys.append(ours.select(rows.key).take(pa.array(first[is_gone])))
    shared = int(np.minimum(source, lake).sum())
    values = [both.column(name) for name in rows.values]
    changed = shared - _matching_rows(codes(values, points), len(theirs))
    if changed:
        found.changed += changed
        differing = [
            said
            for name, said in rows.values.items()
            if _matching_rows(codes([both.column(name)], points), len(theirs)) < shared
        ]
        found.columns = tuple(dict.fromkeys((*found.columns, *differing)))


def _counts(numbers: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each code occurs among the first rows, and among the others."""
    size = int(numbers.max(initial=-1)) + 1
    return np.bincount(numbers[:first], minlength=size), np.bincount(numbers[first:], minlength=size)


def _matching_rows(numbers: np.ndarray, first: int) -> int:
    """The number of rows that have an equal on the other side."""
    one, other = _counts(numbers, first)
    return int(np.minimum(one, other).sum())
