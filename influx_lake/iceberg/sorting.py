"""Sorts the rows of a window, however many there are, in memory that does not depend on it.

Runs of rows are sorted as they come and wait on disk in small chunks. Of every chunk the key of its first row is kept:
in the order of these keys chunks are read again, some at a time, and what is not larger than the first key of the next
chunk can be handed on. Everything is done to whole columns; no row is touched one by one.

DuckDB's and DataFusion's own sorts were measured for this, and give up where a window has many times the rows that the
memory holds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.sort_order import SortTerm
from influx_lake.iceberg.reader import conform
from influx_lake.iceberg.spill import Spill

BATCH_ROWS = 65_536
_BEGIN, _END = "begin", "end"


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
    chunk_bytes: int = 64 * 2**10
    round_bytes: int = 8 * 2**20
    runs: int = 96


LIMITS = Limits()


def sorted_batches(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, terms: Sequence[SortTerm], limits: Limits = LIMITS
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of all batches in order; rows with equal keys in any.

    The order is Iceberg's: nulls are smaller than every value, texts are compared by their UTF-8 bytes, floats by their
    total order, from -NaN over -0.0 and 0.0 to NaN.

    Args:
        batches: The rows.
        schema: Their schema.
        terms: What to sort by; a column that the rows do not have is null in all of them, and sorts nothing.
        limits: How much is held in memory at once.

    Raises:
        StorageError: The disk that the rows wait on is full, or fails.
    """
    keys = [term for term in terms if term.column in schema.names]
    if not keys:
        yield from batches
        return
    with closing(_Sorter(_decoded(schema), keys, limits)) as sorter:
        for rows in sorter.sort(conform(batch, sorter.schema) for batch in batches):
            for batch in rows.to_batches(BATCH_ROWS):
                yield conform(batch, schema)


class _Sorter:
    """One sort of rows of one schema, which has no dictionaries.

    A run on disk is known by its chunks: a table of the keys of their first rows, and of where they begin and end.
    """

    def __init__(self, schema: pa.Schema, terms: Sequence[SortTerm], limits: Limits) -> None:
        self.schema = schema
        self._columns = [term.column for term in terms]
        self._limits = limits
        self._spill: Spill | None = None
        # Keys are called by numbers: Arrow would read a name with dots or brackets as a path.
        self._order = pc.SortOptions(
            [
                (str(number), *(("descending", "at_end") if term.descending else ("ascending", "at_start")))
                for number, term in enumerate(terms)
            ]
        )

    def close(self) -> None:
        """Remove what waits on disk."""
        if self._spill is not None:
            self._spill.close()

    def sort(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
        """Yield all rows in order; they are on disk only when there are more than a run of them."""
        runs, waiting, size = [], [], 0
        for batch in batches:
            waiting.append(batch)
            size += batch.nbytes
            if size >= self._limits.run_bytes:
                runs.append(self._written_run(waiting))
                size = 0
        if not runs:
            yield self._sorted(self._joined(waiting))
            return
        if waiting:
            runs.append(self._written_run(waiting))
        while len(runs) > self._limits.runs:
            runs = self._with_fewer(runs)
        yield from self._merged(runs)

    def _written_run(self, batches: list[pa.RecordBatch]) -> pa.Table:
        if self._spill is None:
            self._spill = Spill(self.schema)
        chunks = self._written(self._spill, [self._sorted(self._joined(batches))])
        pa.default_memory_pool().release_unused()
        return chunks

    def _with_fewer(self, runs: list[pa.Table]) -> list[pa.Table]:
        """Merge groups of runs to one run each, in a file of its own."""
        fewer = Spill(self.schema)
        try:
            groups = [runs[first : first + self._limits.runs] for first in range(0, len(runs), self._limits.runs)]
            merged = [self._written(fewer, self._merged(group)) for group in groups]
        except BaseException:
            fewer.close()
            raise
        self.close()
        self._spill = fewer
        return merged

    def _written(self, spill: Spill, ordered: Iterable[pa.Table]) -> pa.Table:
        """Write rows that come in order, and return their chunks."""
        chunks = []
        for rows in ordered:
            length = max(1, len(rows) * self._limits.chunk_bytes // max(1, rows.nbytes))
            batches = rows.to_batches(length)
            begins = [spill.append(batch) for batch in batches]
            firsts = rows.take(pa.array(itertools.accumulate(map(len, batches[:-1]), initial=0), pa.int64()))
            columns = [*self._keys(firsts).columns, pa.array(begins), pa.array([*begins[1:], spill.size])]
            chunks.append(pa.table(columns, [*self._key_names, _BEGIN, _END]))
        return pa.concat_tables(chunks)

    def _merged(self, runs: list[pa.Table]) -> Iterator[pa.Table]:
        """Yield the rows of runs in order.

        Of each run only its last chunk in memory can hold rows that are not settled: the next chunk of every run is not
        smaller than the first key that is still to be read.
        """
        assert self._spill is not None
        chunks = pa.concat_tables(runs).combine_chunks()
        chunks = chunks.take(pc.sort_indices(chunks, options=self._order))
        begins, ends = chunks.column(_BEGIN).to_pylist(), chunks.column(_END).to_pylist()
        rest, waiting, size = self.schema.empty_table(), [], 0
        for number, (begin, end) in enumerate(zip(begins, ends, strict=True), start=1):
            waiting.append(self._spill.read(begin, end))
            size += end - begin
            if size >= self._limits.round_bytes and number < len(chunks):
                waiting += rest.to_batches()
                settled, rest = self._split(self._joined(waiting), chunks.slice(number, 1))
                size = 0
                yield settled
        waiting += rest.to_batches()
        yield self._sorted(self._joined(waiting))

    def _split(self, rows: pa.Table, bound: pa.Table) -> tuple[pa.Table, pa.Table]:
        """The rows up to a key, in order, and the others."""
        keys = pa.concat_tables([self._keys(rows), bound.select(self._key_names)]).combine_chunks()
        order = pc.sort_indices(keys, options=self._order)
        # The sort is stable: the bound, which is the last of all, comes after the rows that are equal to it.
        place = pc.index(order, len(rows)).as_py()
        return rows.take(order.slice(0, place)), rows.take(order.slice(place + 1))

    def _sorted(self, rows: pa.Table) -> pa.Table:
        return rows.take(pc.sort_indices(self._keys(rows), options=self._order))

    def _joined(self, batches: list[pa.RecordBatch]) -> pa.Table:
        """The rows of batches without gaps; the list is emptied, so that they are not held twice."""
        rows = pa.Table.from_batches(batches, self.schema).combine_chunks()
        batches.clear()
        return rows

    @property
    def _key_names(self) -> list[str]:
        return [str(number) for number in range(len(self._columns))]

    def _keys(self, rows: pa.Table) -> pa.Table:
        return pa.table([_comparable(rows.column(column)) for column in self._columns], self._key_names)


def _comparable(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values that Arrow compares as Iceberg says: floats as the integers of their bits, the negative ones reversed."""
    if not pa.types.is_floating(values.type):
        return values
    if pa.types.is_float16(values.type):
        values = values.cast(pa.float32())
    width = values.type.bit_width
    kind = pa.int64() if width == 64 else pa.int32()
    largest = pa.scalar(2 ** (width - 1) - 1, kind)
    bits = pa.chunked_array([chunk.view(kind) for chunk in values.chunks], kind)
    return pc.if_else(pc.less(bits, pa.scalar(0, kind)), pc.bit_wise_xor(bits, largest), bits)


def _decoded(schema: pa.Schema) -> pa.Schema:
    """The schema without dictionaries (each batch on disk would need its own) and views (Arrow cannot sort them)."""
    return pa.schema([column.with_type(_plain(column.type)) for column in schema], schema.metadata)


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_string_view(kind):
        return pa.string()
    return pa.binary() if pa.types.is_binary_view(kind) else kind
