"""Upsert mode: updates points of a window, adds new ones and keeps the others, in one snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import chain

import pyarrow as pa

from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.load.ingest import Ingest
from influx_lake.iceberg.load.opening import open_ingest
from influx_lake.iceberg.merge.copy_on_write import Merge, as_read
from influx_lake.iceberg.merge.field_merge import FieldMerge
from influx_lake.iceberg.merge.keep_unmatched import KeepUnmatched
from influx_lake.iceberg.merge.key_set import DisplacedRows, KeySet
from influx_lake.iceberg.merge.point_key import PointKey, point_key
from influx_lake.iceberg.scan.reader import arrow_schema, conform
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.window_result import WindowResult


def upsert_window(load: WindowLoad) -> WindowResult:
    """Join a window's rows with those of the table: loaded values win, points that are not loaded stay.

    It is idempotent. Two rows are the same point if they have the same target's key and time; with
    `write.merge_fields`, a loaded null keeps the table's value.

    Raises:
        LakeError: As for `replace_window`.
    """
    with open_ingest(load) as ingest, ExitStack() as kept:
        return ingest.commit(_planner(load, ingest, kept))


def _planner(load: WindowLoad, ingest: Ingest, kept: ExitStack) -> Merge | KeepUnmatched:
    """Read the rows, and plan the upsert; what it buffers until it is committed is closed with `kept`."""
    write, key = load.target.write, point_key(load.target, ingest.shape.schema)
    rows = as_read(ingest.batches(), ingest.table)
    # Files of sorted rows no longer tell which of two rows of a point came last.
    if write.sort_by or (write.merge_fields and load.written is not None):
        return _merge(load, ingest, kept, key, rows)
    points = kept.enter_context(closing(KeySet(key, load.window)))
    other = kept.enter_context(closing(DisplacedRows(key, load.window)))
    fields = None
    if write.merge_fields:
        fields = kept.enter_context(closing(FieldMerge(load, ingest.table, points)))
        encoded = key.encoded(arrow_schema(ingest.table.schema()))
        rows = (conform(batch, encoded) for batch in rows)
        first = next(rows, None)
        rows = chain([] if first is None else [first], rows)
        if first is not None and not fields.is_near(first):
            return _merge(load, ingest, kept, key, rows)
    written = ingest.write(other.record(points.record(rows) if fields is None else fields.merged(rows)))
    planner = KeepUnmatched(load, ingest.table, written, ingest.statistics, points, other, fields)
    return kept.enter_context(closing(planner))


def _merge(load: WindowLoad, ingest: Ingest, kept: ExitStack, key: PointKey, rows: Iterator[pa.RecordBatch]) -> Merge:
    schema = arrow_schema(ingest.table.schema())
    merge = kept.enter_context(closing(Merge(load, schema, key, load.target.write.merge_fields)))
    with catalog_errors(f"keep rows of {load.target.name} aside"):
        merge.take(rows)
    return merge
