"""Rows that any asset returns, into its table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.values.windows import Window
from influx_lake.errors import ConfigurationError
from influx_lake.orchestration.partition_events import describe_partition
from influx_lake.orchestration.partitions import joined
from influx_lake.orchestration.window_metadata import commit_facts, partition_facts, table_facts

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


def store_partitions(
    context: dg.OutputContext,
    catalog: Catalog,
    identifier: tuple[str, ...],
    time_column: str,
    output: object,
    windows: Mapping[str, Window],
) -> None:
    """Replace the windows of an asset's table by the rows it returned.

    Windows that touch are replaced in one commit, in one pass over the rows.

    Raises:
        LakeError: The rows cannot be stored; see `replace_window`.
    """
    from influx_lake.iceberg.load.replace import replace_window
    from influx_lake.iceberg.target import Provenance, TableTarget
    from influx_lake.iceberg.window_load import WindowLoad

    stream = as_reader(output)
    strings = (column.name for column in stream.schema if pa.types.is_string(column.type))
    target = TableTarget(identifier, time_column=time_column, dictionary_columns=frozenset(strings))
    adopt = bool(context.definition_metadata.get("adopt", False))
    provenance = Provenance(f"dagster:{context.asset_key.to_user_string()}", context.run_id, adopt)
    spans = joined(windows.values())
    if len(spans) > 1:
        raise ConfigurationError(
            f"the run's partitions of {target.name} leave gaps between them ({', '.join(map(str, spans))})",
            remedy="Materialise the partitions on either side of a gap in runs of their own",
        )
    rows = _CountedRows(stream, time_column, windows)
    commit = replace_window(WindowLoad(catalog, target, provenance, spans[0], lambda _: nullcontext(rows)))
    facts = {**table_facts(commit), **(commit_facts(commit) if len(windows) == 1 else {})}
    for key, window in windows.items():
        describe_partition(context.asset_key, key, {**partition_facts(window, rows.counts[key]), **facts})


def as_reader(output: object) -> pa.RecordBatchReader:
    """The rows of a table, reader, frame or relation as a stream of batches with plain types.

    Raises:
        ConfigurationError: The object is none of them.
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
    """A Polars LazyFrame, computed in pieces."""
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
    """Frames bring text in several layouts; a table has one."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    return pa.string() if pa.types.is_string_view(kind) or pa.types.is_large_string(kind) else kind


def _cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        # Arrow cannot look up string views, which is what the categories of a Polars frame are.
        values = pa.DictionaryArray.from_arrays(values.indices, values.dictionary.cast(kind))
    return values.cast(kind)


@dataclass
class _CountedRows:
    """Rows on their way to the table, counted by partition."""

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
