"""Sorts the rows of a window, however many there are, in memory that does not depend on it.

Runs of rows are sorted as they come and wait on disk in small chunks. Of every chunk the key of its first row is kept:
in the order of these keys chunks are read again, some at a time, and what is not larger than the first key of the next
chunk can be handed on. Everything is done to whole columns; no row is touched one by one.

DuckDB's and DataFusion's own sorts were measured for this, and give up where a window has many times the rows that the
memory holds.
"""

from __future__ import annotations

import itertools
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.sort_order import SortTerm
from influx_lake.iceberg.column_coding import ColumnCoding
from influx_lake.iceberg.spill import Spill

BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is held in memory at once.

    Attributes:
        run_bytes: Rows that are sorted before they go to disk.
        chunk_bytes: What is read again at once, of each run.
        round_bytes: What is read again before the rows that are settled are handed on.
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
        for rows in sorter.sort(batches):
            for begin in range(0, len(rows), BATCH_ROWS):
                yield sorter.coding.restore(rows.slice(begin, BATCH_ROWS))


@dataclass(frozen=True, slots=True)
class _Run:
    """Rows in order on disk, in chunks.

    Attributes:
        schema: How they are coded.
        firsts: The key columns of the first row of each chunk.
        offsets: Where each chunk begins on disk, and where the last one ends.
    """

    schema: pa.Schema
    firsts: pa.RecordBatch
    offsets: array[int]

    def chunk(self, number: int) -> tuple[int, int]:
        """Where a chunk begins and ends."""
        return self.offsets[number], self.offsets[number + 1]


class _Sorter:
    """One sort of rows of one schema."""

    def __init__(self, coding: ColumnCoding, keys: Sequence[tuple[int, bool]], limits: Limits) -> None:
        self.coding = coding
        self._keys = [number for number, _ in keys]
        self._limits = limits
        self._spill: Spill | None = None
        self._order = pc.SortOptions(
            [
                (str(number), *(("descending", "at_end") if descending else ("ascending", "at_start")))
                for number, descending in keys
            ]
        )

    def close(self) -> None:
        """Remove what waits on disk."""
        if self._spill is not None:
            self._spill.close()

    def sort(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield all rows in order, coded; they are on disk only when there are more than a run of them."""
        runs: list[_Run] = []
        waiting: list[pa.RecordBatch] = []
        size = 0
        for batch in batches:
            # By its size as it came: columns that are not coded keep the whole message they came in.
            size += batch.nbytes
            waiting.append(self.coding.code(batch))
            if size >= self._limits.run_bytes:
                runs.append(self._written_run(waiting))
                size = 0
        if waiting and not runs:
            yield self._sorted(waiting)
            return
        if waiting:
            runs.append(self._written_run(waiting))
        while len(runs) > self._limits.runs:
            runs = self._with_fewer(runs)
        if runs:
            yield from self._merged(runs)

    def _written_run(self, batches: list[pa.RecordBatch]) -> _Run:
        if self._spill is None:
            self._spill = Spill()
        return self._written(self._spill, [self._sorted(batches)])

    def _with_fewer(self, runs: list[_Run]) -> list[_Run]:
        """Merge groups of runs to one run each, in a file of its own."""
        fewer = Spill()
        try:
            groups = [runs[first : first + self._limits.runs] for first in range(0, len(runs), self._limits.runs)]
            merged = [self._written(fewer, self._merged(group)) for group in groups]
        except BaseException:
            fewer.close()
            raise
        self.close()
        self._spill = fewer
        return merged

    def _written(self, spill: Spill, ordered: Iterable[pa.RecordBatch]) -> _Run:
        """Write rows that come in order."""
        firsts, offsets = [], array("q")
        for rows in ordered:
            length = max(1, len(rows) * self._limits.chunk_bytes // max(1, rows.nbytes))
            begins = range(0, len(rows), length)
            offsets.extend(spill.append(rows.slice(begin, length)) for begin in begins)
            firsts.append(rows.select(list(map(str, self._keys))).take(pa.array(begins, pa.int64())))
        offsets.append(spill.size)
        return _Run(self.coding.schema, pa.concat_batches(firsts), offsets)

    def _merged(self, runs: list[_Run]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of runs in order.

        Of each run only its last chunk in memory can hold rows that are not settled: the next chunk of every run is not
        smaller than the first key that is still to be read.
        """
        assert self._spill is not None
        firsts = pa.concat_batches([self.coding.current(run.firsts) for run in runs])
        # Of large windows there are very many chunks: no objects of Python for each.
        first_chunks = list(itertools.accumulate((len(run.firsts) for run in runs), initial=0))
        order = array("q", self._order_of([firsts]).cast(pa.int64()).to_pylist())
        waiting, size = [], 0
        for following, number in enumerate(order, start=1):
            owner = bisect_right(first_chunks, number) - 1
            begin, end = runs[owner].chunk(number - first_chunks[owner])
            waiting.append(self.coding.current(self._spill.read(begin, end, runs[owner].schema)))
            size += end - begin
            if size >= self._limits.round_bytes and following < len(order):
                settled, rest = self._split(waiting, firsts.slice(order[following], 1))
                waiting, size = [rest], 0
                yield settled
                # What differs in size from round to round leaves gaps, which add up over a large window.
                pa.default_memory_pool().release_unused()
        yield self._sorted(waiting)

    def _split(self, batches: list[pa.RecordBatch], bound: pa.RecordBatch) -> list[pa.RecordBatch]:
        """The rows up to a key, in order, and the others; the list is emptied."""
        order = self._order_of([*batches, bound])
        # The sort is stable: the bound, which is the last of all, comes after the rows that are equal to it.
        place = pc.index(order, len(order) - 1).as_py()
        return _gathered(batches, [order.slice(0, place), order.slice(place + 1)])

    def _sorted(self, batches: list[pa.RecordBatch]) -> pa.RecordBatch:
        """The rows in order; the list is emptied, so that they are not held twice."""
        batches[:] = map(self.coding.current, batches)
        return _gathered(batches, [self._order_of(batches)])[0]

    def _order_of(self, batches: Sequence[pa.RecordBatch]) -> pa.Array:
        """Where the rows of all batches stand, in order."""
        columns = []
        for number in self._keys:
            values = pa.concat_arrays([batch.column(str(number)) for batch in batches])
            columns.append(self.coding.comparable(number, values))
        return pc.sort_indices(pa.table(columns, list(map(str, self._keys))), options=self._order)


def _gathered(batches: list[pa.RecordBatch], orders: Sequence[pa.Array]) -> list[pa.RecordBatch]:
    """Rows of all batches, one result for each order; column by column, so that few of them are held twice."""
    schema = batches[0].schema
    columns = [[batch.column(number) for batch in batches] for number in range(len(schema))]
    batches.clear()
    made: list[list[pa.Array]] = [[] for _ in orders]
    for chunks in columns:
        values = pa.concat_arrays(chunks)
        chunks.clear()
        for taken, order in zip(made, orders, strict=True):
            taken.append(pc.take(values, order, boundscheck=False))
    return [pa.RecordBatch.from_arrays(arrays, schema=schema) for arrays in made]
