"""External sort of the rows of a window, in memory that does not depend on their number.

Rows are sorted in runs, which are spilled to disk column by column. The keys of each run's chunks (their first rows)
stay in memory: their order tells which chunks of each run are next. The keys of these chunks are read, to find the rows
that certainly precede all others; then exactly these rows are read, column by column. So memory does not depend on the
number of runs. No row is processed by itself.

DuckDB's and DataFusion's own sorts were measured for this: they fail where a window has many times the rows that fit
into memory.
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
    """Limits on memory.

    Attributes:
        run_bytes: Bytes of rows that are sorted at once, as a run.
        chunk_bytes: Bytes of a run per chunk, whose first key is kept in memory.
        round_bytes: Bytes that are read back at once, from all runs, and yielded.
        runs: Runs that are merged at once; more runs are merged in several passes.
    """

    run_bytes: int = 24 * 2**20
    chunk_bytes: int = 48 * 2**10
    round_bytes: int = 8 * 2**20
    runs: int = 256


LIMITS = Limits()


def sorted_batches(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, terms: Sequence[SortTerm], limits: Limits = LIMITS
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of all batches in order; rows with equal keys in any order.

    The order is Iceberg's: nulls are smaller than every value, strings are compared by their UTF-8 bytes, floats by
    their total order, from -NaN over -0.0 and 0.0 to NaN. Strings of few distinct values are returned as dictionaries,
    however they were encoded before; all returned batches have the same schema.

    Args:
        batches: The rows.
        schema: Their schema.
        terms: The sort terms; a column that the rows lack is null in all of them, and is skipped.
        limits: Limits on memory.

    Raises:
        StorageError: The disk for temporary files is full, or fails.
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
"""Adjacent rows on disk: their columns, the first row of these, and the one behind the last."""


@dataclass(slots=True)
class _Run:
    """A sorted run on disk. It is written in parts, and read in chunks, which are independent of each other.

    Attributes:
        chunk_rows: Rows per chunk.
        chunk_bytes: The memory that a chunk takes.
        rows: The number of rows.
        firsts: The sort columns of the first row of each chunk: for each part, one array per sort column.
        parts: The parts, each written at once: the number of its first row, and its columns.
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
        """Yield where a range of rows is stored."""
        ends = itertools.chain((first for first, _ in self.parts[1:]), [self.rows])
        for (first, columns), last in zip(self.parts, ends, strict=True):
            if begin < last and first < end:
                yield columns, max(begin, first) - first, min(end, last) - first


@dataclass(slots=True)
class _Cursor:
    """The progress of merging a run.

    Attributes:
        done: The number of its rows that were yielded.
        chunks: The number of its chunks that are read.
    """

    run: _Run
    done: int = 0
    chunks: int = 0

    @property
    def due(self) -> int:
        """The number of rows that are yielded or may be next."""
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
        """Delete what is on disk."""
        self._file.close()

    def sort(self, batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.Array]]:
        """Yield the columns of all rows in order, encoded; rows are spilled only if they exceed one run."""
        runs: list[_Run] = []
        waiting: list[list[pa.Array]] = []
        rows = size = 0
        for batch in batches:
            # By the size of the batch: columns that are not encoded keep the whole message that they came in.
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
        """Merge groups of runs to one run each, in a new file."""
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
        """Write rows behind those of a run; a column's memory is freed once it is written."""
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
            # All rows that are not due are at least as large as the first key of the next chunk.
            bound = [values.slice(int(order[end]), 1) for values in firsts] if end < len(order) else None
            yield from self._settled([cursor for cursor in cursors if cursor.done < cursor.due], bound)
            begin = end
            # Allocations of different sizes leave gaps, which add up over a large window.
            pa.default_memory_pool().release_unused()

    def _settled(self, cursors: list[_Cursor], bound: list[pa.Array] | None) -> Iterator[list[pa.Array]]:
        """Yield the columns of the due rows that are not above a bound, in order, and advance the cursors."""
        due = [(cursor.run, cursor.done, cursor.due) for cursor in cursors]
        pieces = _pieces(due)
        keys = {number: self._read(number, pieces) for number in self._keys}
        order = self._order(keys.values() if bound is None else map(_joined, zip(keys.values(), bound, strict=True)))
        if bound is not None:
            # The sort is stable: the bound, which is the last row, comes after the rows that equal it.
            order = order[: int(np.flatnonzero(order == len(order) - 1)[0])]
        owners = np.repeat(np.arange(len(due)), [end - begin for _, begin, end in due])
        begins = np.cumsum([0, *(end - begin for _, begin, end in due[:-1])])
        # In batches: the number of rows varies from round to round, and large allocations would leave gaps in memory.
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
        """Read the values of a column of some rows, in the current encoding."""
        stretches = [Stretch(columns[number], begin, end) for columns, begin, end in pieces]
        return _joined(
            [
                self.coding.current(number, read(list(alike), self._file))
                for _, alike in itertools.groupby(stretches, key=lambda stretch: stretch.column.type)
            ]
        )

    def _sorted(self, batches: list[list[pa.Array]], scratch: Scratch | None = None) -> Iterator[pa.Array]:
        """Yield each column of the rows in order; empties the list, so that few columns are held twice.

        Args:
            batches: The columns of rows.
            scratch: Memory for a column that is no longer used when the next one is requested.
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
        """A column that was encoded in chunks, in the current encoding; empties the list."""
        values = _joined([self.coding.current(number, chunk) for chunk in chunks])
        chunks.clear()
        return values

    def _order(self, columns: Iterable[pa.Array]) -> Numbers:
        """The indices that sort rows by their sort columns."""
        pairs = zip(self._keys, columns, strict=True)
        return order_of([self.coding.comparable(number, values) for number, values in pairs], self._descending)


def _pieces(ranges: Sequence[tuple[_Run, int, int]]) -> list[_Piece]:
    """Where some rows of each run are stored."""
    return [piece for run, begin, end in ranges for piece in run.pieces(begin, end)]


def _joined(arrays: Sequence[pa.Array]) -> pa.Array:
    return arrays[0] if len(arrays) == 1 else pa.concat_arrays(arrays)
