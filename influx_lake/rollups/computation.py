"""Computes a roll-up with DuckDB in bounded memory.

DuckDB does not count all of a group's state against its memory limit, and cannot spill it: the values of a percentile,
for one. So the rows of a large window are first written to disk, and then aggregated in parts, each with some of the
groups.
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
"""The memory for each value of a percentile's list, which grows by doubling."""
_INCOMING, _ON_DISK = "incoming", "points"


@dataclass(slots=True)
class Points:
    """The measurement's rows as input of DuckDB; keeps the exception of reading them, of which DuckDB passes on only
    the text.

    Attributes:
        schema: Their columns.
        batches: The batches.
        at_most: The most rows that there can be.
        failure: The exception of reading them.
        rows: The number of rows read so far.
    """

    schema: pa.Schema
    batches: Iterable[pa.RecordBatch]
    at_most: int
    failure: BaseException | None = None
    rows: int = 0

    def reader(self, columns: RollupColumns) -> pa.RecordBatchReader:
        """A single-use reader of the rows."""
        input_columns = input_schema(columns, self.schema)
        return pa.RecordBatchReader.from_batches(input_columns, self._batches(columns, input_columns))

    def _batches(self, columns: RollupColumns, input_columns: pa.Schema) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self.batches:
                self.rows += len(batch)
                yield as_input(batch, columns, input_columns)
        except BaseException as error:
            self.failure = error
            raise


@dataclass(frozen=True, slots=True)
class ComputedRows:
    """The rows of a roll-up, a stream that is computed as it is read."""

    schema: pa.Schema
    parts: Callable[[], Iterator[pa.RecordBatch]] = field(repr=False)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self.parts():
            columns = [values.cast(kind) for values, kind in zip(batch.columns, self.schema.types, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)


@contextmanager
def computing(rollup: Rollup, columns: RollupColumns, runs: Sequence[BucketRun], points: Points) -> Iterator[Rows]:
    """A context that computes a roll-up from a stream of rows; temporary files are deleted at its end.

    Raises:
        MissingExtra: DuckDB is not installed.
        DataRefused: A sum overflows its type (while the rows are read).
        StorageError: The memory or the disk does not suffice (likewise), or there is no such folder.
        LakeError: Reading the measurement's rows failed (likewise).
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
        """Yield the roll-up's rows, with its columns in order."""
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
        """The memory for the groups of one part: half, since DuckDB needs the rest for its input."""
        return self.rollup.memory_limit // 2

    def _bytes(self, *, rows: int, groups: int) -> int:
        each_group = _GROUP_BYTES + sum(map(_bytes_of, self.columns.computed))
        return groups * each_group + rows * self._percentiles * _PERCENTILE_BYTES

    @property
    def _percentiles(self) -> int:
        return sum(isinstance(each.function, Percentile) for each in self.columns.computed)

    def _check_largest(self, parts: int) -> None:
        """Refuse a group whose values exceed the memory, since a group cannot be split."""
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
        """Convert DuckDB's error; one of the input is the kept exception."""
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
