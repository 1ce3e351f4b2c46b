"""Stores rows that an asset returned as a frame or a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.values.windows import Window, merged
from influx_lake.errors import CommitConflict, ConfigurationError, UnforeseenError
from influx_lake.orchestration.execution.partition_rows import PartitionWindow, StoredAsset
from influx_lake.orchestration.partition_events import Facts
from influx_lake.orchestration.window_metadata import commit_facts, partition_facts, table_facts

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from influx_lake.iceberg.window_load import ProgressMeter, WindowLoad
    from influx_lake.iceberg.window_result import WindowResult


@dataclass(frozen=True)
class FrameRows:
    """Rows that an asset returned as a table, frame, reader or relation.

    Attributes:
        output: The rows, of all partitions of the run.
        identifier: The table.
        time_column: The table's time column.
        adopt: Whether to take over a table that holds rows of another owner.
    """

    output: object
    identifier: tuple[str, ...]
    time_column: str
    adopt: bool
    at_once = 1

    @contextmanager
    def opened(
        self, context: StoredAsset, catalog: Catalog, partitions: Mapping[str, Window]
    ) -> Iterator[list[PartitionWindow]]:
        """The partitions of the run as one window, in one pass over the rows.

        Raises:
            ConfigurationError: The partitions leave gaps between them.
        """
        spans = merged(partitions.values())
        if len(spans) > 1:
            raise ConfigurationError(
                f"the run's partitions of {'.'.join(self.identifier)} leave gaps between them "
                f"({', '.join(map(str, spans))})",
                remedy="Materialise the partitions on either side of a gap in runs of their own",
            )
        asset = context.asset_key.to_user_string()
        window = _FrameWindow(self, catalog, asset, context.run_id, spans[0], partitions)
        try:
            yield [PartitionWindow(window, window.facts)]
        except UnforeseenError as error:
            # Errors of the asset's own code, raised while its rows are read, are passed on as they are.
            raise error.__cause__ or error from None


@dataclass
class _FrameWindow:
    """The window of a run's partitions.

    Attributes:
        of: The rows that the asset returned.
        catalog: The catalog of its table.
        subject: The asset.
        run_id: The run.
        partitions: The partitions in it.
    """

    of: FrameRows
    catalog: Catalog
    subject: str
    run_id: str
    window: Window
    partitions: Mapping[str, Window]
    _rows: _CountedRows = field(init=False, repr=False)
    _progress: ProgressMeter = field(init=False, repr=False)

    def load(self) -> WindowLoad:
        """The load: rows and write options.

        Raises:
            ConfigurationError: The asset did not return rows.
        """
        from influx_lake.iceberg.target import Provenance, TableTarget
        from influx_lake.iceberg.window_load import ProgressMeter, WindowLoad

        of, streams, self._progress = self.of, [as_reader(self.of.output)], ProgressMeter()

        def read(_: Window) -> AbstractContextManager[_CountedRows]:
            stream = streams.pop() if streams else self._again()
            self._rows = _CountedRows(stream, of.time_column, self.partitions)
            return nullcontext(self._rows)

        return WindowLoad(
            self.catalog,
            TableTarget(of.identifier, time_column=of.time_column),
            Provenance(f"dagster:{self.subject}", self.run_id, of.adopt),
            self.window,
            read,
            progress=self._progress,
        )

    def loaded(self, done: WindowResult) -> WindowResult:
        """The result of the load, with its duration."""
        return replace(done, seconds=self._progress.seconds, read_seconds=self._progress.read_seconds)

    def facts(self, done: WindowResult) -> dict[str, Facts]:
        """The metadata of each partition: its own rows, and the commit's figures where it is the only one."""
        shared = {**table_facts(done), **(commit_facts(done) if len(self.partitions) == 1 else {})}
        counts = self._rows.counts
        return {key: {**partition_facts(window, counts[key]), **shared} for key, window in self.partitions.items()}

    def _again(self) -> pa.RecordBatchReader:
        """The rows again, after a first read did not lead to a commit."""
        if isinstance(self.of.output, pa.RecordBatchReader):
            raise CommitConflict(
                "the table's columns changed while the rows were written, and a RecordBatchReader can be read once",
                remedy="Run the partitions again",
            )
        return as_reader(self.of.output)


def as_reader(output: object) -> pa.RecordBatchReader:
    """A stream of batches with plain types, from a table, reader, frame or relation.

    Raises:
        ConfigurationError: The object is none of these.
    """
    if hasattr(output, "collect_batches"):
        return _lazy_frame_reader(output)
    if not hasattr(output, "__arrow_c_stream__"):
        raise ConfigurationError(
            f"the asset returned {type(output).__module__}.{type(output).__qualname__}, which is not rows",
            remedy="Return a pyarrow Table or RecordBatchReader, a Polars DataFrame or LazyFrame, or a DuckDB relation",
        )
    reader = pa.RecordBatchReader.from_stream(output)
    return _with_plain_types(reader.schema, reader)


def _lazy_frame_reader(frame: Any) -> pa.RecordBatchReader:
    """A Polars LazyFrame, computed in batches."""
    empty = frame.collect_schema().to_frame()
    batches = (batch for part in frame.collect_batches() for batch in pa.RecordBatchReader.from_stream(part))
    return _with_plain_types(pa.RecordBatchReader.from_stream(empty).schema, batches)


def _with_plain_types(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> pa.RecordBatchReader:
    plain = pa.schema([pa.field(field.name, _plain(field.type)) for field in schema])

    def converted(batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = [_cast(column, kind) for column, kind in zip(batch.columns, plain.types, strict=True)]
        return pa.RecordBatch.from_arrays(columns, schema=plain)

    return pa.RecordBatchReader.from_batches(plain, map(converted, batches))


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type with plain strings: frames use several layouts for strings, a table has one."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    return pa.string() if pa.types.is_string_view(kind) or pa.types.is_large_string(kind) else kind


def _cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        # Arrow cannot decode dictionaries of string views, which Polars uses for categories.
        values = pa.DictionaryArray.from_arrays(values.indices, values.dictionary.cast(kind))
    return values.cast(kind)


@dataclass
class _CountedRows:
    """A stream of rows that counts the rows of each partition."""

    stream: pa.RecordBatchReader
    time_column: str
    windows: Mapping[str, Window]
    counts: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = dict.fromkeys(self.windows, 0)

    @property
    def schema(self) -> pa.Schema:
        return self.stream.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self.stream:
            if len(batch):
                if self.time_column in batch.schema.names:
                    self._count(batch.column(self.time_column))
                yield batch

    def _count(self, times: pa.Array) -> None:
        moments = times.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        for key, window in self.windows.items():
            within = pc.and_(pc.greater_equal(moments, window.start_us), pc.less(moments, window.end_us))
            self.counts[key] += pc.sum(within).as_py() or 0
