"""Computes a roll-up with DuckDB, in memory that does not depend on how many rows there are.

What DuckDB keeps for a group of rows does not all count against its memory limit, and cannot wait on disk: the values
that a percentile is taken of, for one. So a window of many rows is put on disk as it comes, and then computed in parts
that each hold some of the groups.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config.measurements.rollups import Aggregate, Percentile, Rollup
from influx_lake.config.values.buckets import BucketRun
from influx_lake.errors import DataRefused, LakeError, MissingExtra, StorageError
from influx_lake.iceberg.window_rows import Rows
from influx_lake.rollups.columns import ComputedColumn, RollupColumns
from influx_lake.rollups.query import RollupQuery, as_input, input_schema

if TYPE_CHECKING:
    import duckdb

BATCH_ROWS = 65_536
_GROUP_BYTES, _ROW_BYTES, _VALUE_BYTES = 128, 32, 64
"""What DuckDB keeps in memory, generously: of a group, and of a value in one of them."""
_PERCENTILE_BYTES = 24
"""Of each value that a percentile is taken of: the list of them grows by doubling."""
_INCOMING, _ON_DISK = "incoming", "points"


@dataclass(slots=True)
class Points:
    """Rows of the measurement's table on their way into DuckDB, which turns errors into texts: here they are kept.

    Attributes:
        schema: Their columns.
        batches: The rows.
        at_most: How many there are at most.
        failure: The error that ended them.
        rows: How many have come.
    """

    schema: pa.Schema
    batches: Iterable[pa.RecordBatch]
    at_most: int
    failure: BaseException | None = None
    rows: int = 0

    def reader(self, columns: RollupColumns) -> pa.RecordBatchReader:
        """The rows as queries take them, once."""
        wanted = input_schema(columns, self.schema)
        return pa.RecordBatchReader.from_batches(wanted, self._batches(columns, wanted))

    def _batches(self, columns: RollupColumns, wanted: pa.Schema) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self.batches:
                self.rows += len(batch)
                yield as_input(batch, columns, wanted)
        except BaseException as error:
            self.failure = error
            raise


@dataclass(frozen=True, slots=True)
class ComputedRows:
    """The rows of a roll-up, computed while they are read."""

    schema: pa.Schema
    parts: Callable[[], Iterator[pa.RecordBatch]] = field(repr=False)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self.parts():
            columns = [values.cast(kind) for values, kind in zip(batch.columns, self.schema.types, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)


@contextmanager
def computing(rollup: Rollup, columns: RollupColumns, runs: Sequence[BucketRun], points: Points) -> Iterator[Rows]:
    """Compute a roll-up from rows as they come; what waits on disk goes when the context is left.

    Raises:
        MissingExtra: DuckDB is not installed.
        DataRefused: A sum is larger than its type (while the rows are read).
        StorageError: The memory or the disk does not suffice (likewise), or there is no such folder.
        LakeError: Whatever reading the points raised (likewise).
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtra(f"the roll-up {rollup.name}", "duckdb") from error
    with _folder(rollup) as folder:
        options: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{rollup.memory_limit}B",
            "temp_directory": str(folder),
            # Sums of floats depend on their order: with one thread, on that of the rows.
            "threads": 1,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        with duckdb.connect(folder / "points.duckdb", config=options) as connection:
            computation = _Computation(connection, rollup, columns, RollupQuery(columns, runs), points)
            yield ComputedRows(columns.schema, computation.batches)


@dataclass(frozen=True, slots=True)
class _Computation:
    connection: duckdb.DuckDBPyConnection
    rollup: Rollup
    columns: RollupColumns
    query: RollupQuery
    points: Points

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows of the roll-up, with its columns in their order."""
        try:
            # The bare stream: DuckDB lets pyarrow read ahead of it in a reader, without bounds.
            self.connection.register(_INCOMING, self.points.reader(self.columns).__arrow_c_stream__())
            for query in self._queries():
                yield from self.connection.execute(query).to_arrow_reader(BATCH_ROWS)
        except LakeError:
            raise
        except Exception as error:
            if self.points.failure is not None:
                raise self.points.failure from None
            raise self._translated(error) from error

    def _queries(self) -> Iterator[str]:
        at_most = self.points.at_most
        if self._bytes(rows=at_most, groups=at_most) <= self._budget:
            yield self.query.result(_INCOMING)
            return
        self.connection.execute(self.query.kept(_INCOMING, _ON_DISK))
        needed = self._bytes(rows=self.points.rows, groups=self._number(self.query.groups(_ON_DISK)))
        parts = max(1, math.ceil(needed / self._budget))
        self._check_largest(parts)
        for part in range(parts):
            yield self.query.result(_ON_DISK, (part, parts) if parts > 1 else None)

    @property
    def _budget(self) -> int:
        """What the groups of a part may take: DuckDB needs the other half for rows on their way."""
        return self.rollup.memory_limit // 2

    def _bytes(self, *, rows: int, groups: int) -> int:
        each_group = _GROUP_BYTES + sum(map(_bytes_of, self.columns.computed))
        return groups * each_group + rows * self._percentiles * _PERCENTILE_BYTES

    @property
    def _percentiles(self) -> int:
        return sum(isinstance(each.function, Percentile) for each in self.columns.computed)

    def _check_largest(self, parts: int) -> None:
        """Stop before the values of one group, which cannot be computed in parts, take more than the memory."""
        if parts == 1 or not self._percentiles:
            return
        largest = self._number(self.query.largest_group(_ON_DISK))
        needed = largest * self._percentiles * _PERCENTILE_BYTES
        if needed > self.rollup.memory_limit:
            raise StorageError(
                f"the roll-up {self.rollup.name} takes percentiles of {largest:,} rows in one bucket, for which its "
                f"memory_limit of {self.rollup.memory_limit / 1e6:,.0f} MB does not suffice",
                remedy=f"Set memory_limit to {math.ceil(needed / 1e6)}MB, or compute shorter buckets, or by more tags",
            )

    def _number(self, query: str) -> int:
        found = self.connection.execute(query).fetchone()
        return int(found[0] or 0) if found else 0

    def _translated(self, error: Exception) -> Exception:
        """An error in the words of this project: errors of a stream of rows come with DuckDB's text only."""
        text = str(error)
        if "Out of Memory Error" in text:
            limit = f"memory_limit of {self.rollup.memory_limit / 1e6:,.0f} MB"
            return StorageError(
                f"the roll-up {self.rollup.name} could not be computed in its {limit}: {_first_line(text)}",
                remedy="Raise memory_limit, free space in spill_directory, or name another one",
            )
        if "IO Error" in text:
            return StorageError(
                f"the rows of the roll-up {self.rollup.name} could not wait on disk: {_first_line(text)}",
                remedy="Free space in spill_directory (by default the system's folder for temporary files)",
            )
        if "Conversion Error" in text or "Out of Range Error" in text:
            sums = ", ".join(each.name for each in self.columns.computed if each.function is Aggregate.SUM)
            return DataRefused(
                f"a sum of the roll-up {self.rollup.name} ({sums}) is larger than its column can hold: "
                f"{_first_line(text)}",
                remedy="Leave the sum out, take shorter buckets, or make the field a decimal(38, 0) with `types`",
            )
        return error


def _bytes_of(column: ComputedColumn) -> int:
    by_value = column.function in (Aggregate.FIRST, Aggregate.LAST) or not pa.types.is_primitive(column.input_type)
    return _VALUE_BYTES if by_value else _ROW_BYTES


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


@contextmanager
def _folder(rollup: Rollup) -> Iterator[Path]:
    try:
        folder = tempfile.TemporaryDirectory(
            prefix="influx-lake-rollup-", dir=rollup.spill_directory, ignore_cleanup_errors=True
        )
    except OSError as error:
        where = rollup.spill_directory or tempfile.gettempdir()
        raise StorageError(
            f"the rows of the roll-up {rollup.name} cannot wait on disk, in {where}: {error.strerror}",
            remedy="Name a folder that is there and can be written to in spill_directory",
        ) from error
    with folder as name:
        yield Path(name)
