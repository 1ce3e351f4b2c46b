"""Sorts the rows of a window, however many there are, in memory that does not depend on it.

Runs of rows are sorted as they come and wait on disk, column by column. Every so many rows the key of one is kept: in
the order of these keys it is known which rows of each run come next. Of them the keys are read, to see which are sure
to come before all others; then these rows, and no others, are read into one place, column by column. So what is in
memory does not depend on how many runs there are. No row is touched one by one.

DuckDB's and DataFusion's own sorts were measured for this, and give up where a window has many times the rows that the
memory holds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.tables.sort_order import SortTerm
from influx_lake.iceberg.sort.argsort import Numbers, order_of
from influx_lake.iceberg.sort.key_encoding import ColumnCoding
from influx_lake.iceberg.sort.scratch import Scratch
from influx_lake.iceberg.spill.column_file import StoredColumn, Stretch, read, store
from influx_lake.iceberg.spill.malloc_trim import return_freed_memory
from influx_lake.temporary_files import TemporaryFile

BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is held in memory at once.

    Attributes:
        run_bytes: Rows that are sorted before they go to disk.
        chunk_bytes: How much of a run has one key in memory.
        round_bytes: What is read again, of all runs, and handed on at once.
        runs: How many runs are merged at once; with more of them some are merged beforehand.
    """

    run_bytes: int = 24 * 2**20
    chunk_bytes: int = 48 * 2**10
    round_bytes: int = 8 * 2**20
    runs: int = 256


LIMITS = Limits()


def sorted_batches(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, terms: Sequence[SortTerm], limits: Limits = LIMITS
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of all batches in order; rows with equal keys in any.

    The order is Iceberg's: nulls are smaller than every value, texts are compared by their UTF-8 bytes, floats by their
    total order, from -NaN over -0.0 and 0.0 to NaN. Texts of few distinct values come as dictionaries, whatever they
    were before; all batches that come have the same schema.

    Args:
        batches: The rows.
        schema: Their schema.
        terms: What to sort by; a column that the rows do not have is null in all of them, and sorts nothing.
        limits: How much is held in memory at once.

    Raises:
        StorageError: The disk that the rows wait on is full, or fails.
    """
    keys = [(schema.names.index(term.column), term.descending) for term in terms if term.column in schema.names]
    if not keys:
        yield from batches
        return
    with closing(_Sorter(ColumnCoding(schema), keys, limits)) as sorter:
        for columns in sorter.sort(batches):
            rows = sorter.coding.restore(columns)
            for begin in range(0, len(rows), BATCH_ROWS):
                yield rows.slice(begin, BATCH_ROWS)


_Piece: TypeAlias = tuple[list[StoredColumn], int, int]
"""Rows that lie together on disk: their columns, and of these the first row and the one behind the last."""


@dataclass(slots=True)
class _Run:
    """Rows in order on disk, in parts, and in chunks, which are not the same.

    Attributes:
        chunk_rows: How many rows a chunk has.
        chunk_bytes: How much memory they take.
        rows: How many rows there are.
        firsts: The sort columns of the first row of each chunk; of each column one array for each part.
        parts: What was written at once: the number of its first row, and its columns.
    """

    chunk_rows: int
    chunk_bytes: int
    rows: int = 0
    firsts: list[list[pa.Array]] = field(default_factory=list)
    parts: list[tuple[int, list[StoredColumn]]] = field(default_factory=list)

    @property
    def chunks(self) -> int:
        return -(-self.rows // self.chunk_rows)

    def pieces(self, begin: int, end: int) -> Iterator[_Piece]:
        """Where rows are, from one to another."""
        ends = itertools.chain((first for first, _ in self.parts[1:]), [self.rows])
        for (first, columns), last in zip(self.parts, ends, strict=True):
            if begin < last and first < end:
                yield columns, max(begin, first) - first, min(end, last) - first


@dataclass(slots=True)
class _Cursor:
    """How far a run is merged.

    Attributes:
        done: How many of its rows are handed on.
        chunks: How many of its chunks may hold rows that are next.
    """

    run: _Run
    done: int = 0
    chunks: int = 0

    @property
    def due(self) -> int:
        """How many rows are done or may be next."""
        return min(self.run.rows, self.chunks * self.run.chunk_rows)


class _Sorter:
    """One sort of rows of one schema."""

    def __init__(self, coding: ColumnCoding, keys: Sequence[tuple[int, bool]], limits: Limits) -> None:
        self.coding = coding
        self._keys = [number for number, _ in keys]
        self._descending = [descending for _, descending in keys]
        self._limits = limits
        self._file = TemporaryFile()
        self._scratch = Scratch()

    def close(self) -> None:
        """Remove what waits on disk."""
        self._file.close()

    def sort(self, batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.Array]]:
        """Yield the columns of all rows in order, coded; they are on disk only if there are more than a run of them."""
        runs: list[_Run] = []
        waiting: list[list[pa.Array]] = []
        rows = size = 0
        for batch in batches:
            # By its size as it came: columns that are not coded keep the whole message they came in.
            rows, size = rows + len(batch), size + batch.nbytes
            waiting.append(self.coding.code(batch))
            if size >= self._limits.run_bytes:
                runs.append(self._written_run(waiting, rows, size))
                rows = size = 0
        if waiting and not runs:
            yield list(self._sorted(waiting))
            return
        if waiting:
            runs.append(self._written_run(waiting, rows, size))
        while len(runs) > self._limits.runs:
            runs = self._with_fewer(runs)
        if runs:
            yield from self._merged(runs)

    def _written_run(self, waiting: list[list[pa.Array]], rows: int, size: int) -> _Run:
        chunk_rows = max(1, self._limits.chunk_bytes * rows // max(1, size))
        run = _Run(chunk_rows, chunk_rows * size // max(1, rows))
        self._append(run, self._sorted(waiting, self._scratch), self._file)
        return run

    def _with_fewer(self, runs: list[_Run]) -> list[_Run]:
        """Merge groups of runs to one run each, in a file of its own."""
        fewer, merged = TemporaryFile(), []
        try:
            for first in range(0, len(runs), self._limits.runs):
                group = runs[first : first + self._limits.runs]
                smallest = min(group, key=lambda run: run.chunk_rows)
                run = _Run(smallest.chunk_rows, smallest.chunk_bytes)
                for columns in self._merged(group):
                    self._append(run, columns, fewer)
                merged.append(run)
        except BaseException:
            fewer.close()
            raise
        self.close()
        self._file = fewer
        return merged

    def _append(self, run: _Run, columns: Iterable[pa.Array], file: TemporaryFile) -> None:
        """Write rows that follow those of a run; a column is dropped when it is written."""
        stored, firsts, rows = [], {}, 0
        for number, values in enumerate(columns):
            rows = len(values)
            if number in self._keys:
                begins = range(-run.rows % run.chunk_rows, rows, run.chunk_rows)
                firsts[number] = values.take(pa.array(begins, pa.int64()))
            stored.append(store(values, file))
        run.firsts.append([firsts[number] for number in self._keys])
        run.parts.append((run.rows, stored))
        run.rows += rows

    def _merged(self, runs: list[_Run]) -> Iterator[list[pa.Array]]:
        """Yield the rows of runs in order, some at a time."""
        return_freed_memory()
        cursors = [_Cursor(run) for run in runs]
        firsts = [
            _joined([self.coding.current(number, part[place]) for run in runs for part in run.firsts])
            for place, number in enumerate(self._keys)
        ]
        order = self._order(firsts)
        owners = np.repeat(np.arange(len(runs)), [run.chunks for run in runs])[order]
        sizes = np.cumsum(np.array([run.chunk_bytes for run in runs])[owners])
        begin = 0
        while begin < len(order):
            before = sizes[begin - 1] if begin else 0
            end = max(begin + 1, int(np.searchsorted(sizes, before + self._limits.round_bytes)))
            for cursor, chunks in zip(cursors, np.bincount(owners[begin:end], minlength=len(runs)), strict=True):
                cursor.chunks += int(chunks)
            # All rows that are not due are no smaller than the first key that was not looked at yet.
            bound = [values.slice(int(order[end]), 1) for values in firsts] if end < len(order) else None
            yield from self._settled([cursor for cursor in cursors if cursor.done < cursor.due], bound)
            begin = end
            # What differs in size from round to round leaves gaps, which add up over a large window.
            pa.default_memory_pool().release_unused()

    def _settled(self, cursors: list[_Cursor], bound: list[pa.Array] | None) -> Iterator[list[pa.Array]]:
        """Yield the columns of the rows that are due and not above a bound, in order; the cursors move behind them."""
        due = [(cursor.run, cursor.done, cursor.due) for cursor in cursors]
        pieces = _pieces(due)
        keys = {number: self._read(number, pieces) for number in self._keys}
        order = self._order(keys.values() if bound is None else map(_joined, zip(keys.values(), bound, strict=True)))
        if bound is not None:
            # The sort is stable: the bound, which is the last of all, comes after the rows that are equal to it.
            order = order[: int(np.flatnonzero(order == len(order) - 1)[0])]
        owners = np.repeat(np.arange(len(due)), [end - begin for _, begin, end in due])
        begins = np.cumsum([0, *(end - begin for _, begin, end in due[:-1])])
        # Not all at once: how many they are differs much, and would leave gaps in memory.
        for first in range(0, len(order), BATCH_ROWS):
            taken = order[first : first + BATCH_ROWS]
            owned = owners[taken]
            counts = np.bincount(owned, minlength=len(due))
            ranges = []
            for cursor, count in zip(cursors, counts.tolist(), strict=True):
                ranges.append((cursor.run, cursor.done, cursor.done + count))
                cursor.done += count
            pieces = _pieces(ranges)
            in_pieces = pa.array(taken - (begins - np.cumsum(counts) + counts)[owned])
            begins += counts
            yield [
                pc.take(keys[number], pa.array(taken), boundscheck=False)
                if number in keys
                else pc.take(self._read(number, pieces), in_pieces, boundscheck=False)
                for number in range(self.coding.width)
            ]

    def _read(self, number: int, pieces: Sequence[_Piece]) -> pa.Array:
        """The values of a column of some rows, coded as they are now."""
        stretches = [Stretch(columns[number], begin, end) for columns, begin, end in pieces]
        return _joined(
            [
                self.coding.current(number, read(list(alike), self._file))
                for _, alike in itertools.groupby(stretches, key=lambda stretch: stretch.column.type)
            ]
        )

    def _sorted(self, batches: list[list[pa.Array]], scratch: Scratch | None = None) -> Iterator[pa.Array]:
        """Each column of the rows in order; the list is emptied, so that few columns are held twice.

        Args:
            batches: The columns of rows.
            scratch: Where columns may lie that are done with when the next one is asked for.
        """
        waiting = [list(chunks) for chunks in zip(*batches, strict=True)]
        batches.clear()
        keys = {number: self._whole(number, waiting[number]) for number in self._keys}
        order = pa.array(self._order(keys.values()))
        for number, chunks in enumerate(waiting):
            if number in keys:
                yield pc.take(keys.pop(number), order, boundscheck=False)
            elif scratch is not None and scratch.has_room_for(
                parts := [self.coding.current(number, c) for c in chunks]
            ):
                chunks.clear()
                yield scratch.taken(parts, order)
            else:
                yield pc.take(self._whole(number, chunks), order, boundscheck=False)

    def _whole(self, number: int, chunks: list[pa.Array]) -> pa.Array:
        """A column that was coded in chunks, as it would be now; the list is emptied."""
        values = _joined([self.coding.current(number, chunk) for chunk in chunks])
        chunks.clear()
        return values

    def _order(self, columns: Iterable[pa.Array]) -> Numbers:
        """Where rows stand, in order, by their sort columns."""
        pairs = zip(self._keys, columns, strict=True)
        return order_of([self.coding.comparable(number, values) for number, values in pairs], self._descending)


def _pieces(ranges: Sequence[tuple[_Run, int, int]]) -> list[_Piece]:
    """Where some rows of each run are."""
    return [piece for run, begin, end in ranges for piece in run.pieces(begin, end)]


def _joined(arrays: Sequence[pa.Array]) -> pa.Array:
    return arrays[0] if len(arrays) == 1 else pa.concat_arrays(arrays)
