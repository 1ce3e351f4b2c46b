"""Upsert mode: updates points of a window, adds new ones and keeps the others, in one snapshot."""

from __future__ import annotations

from contextlib import ExitStack, closing

from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.load.ingest import Ingest
from influx_lake.iceberg.load.opening import open_ingest
from influx_lake.iceberg.merge.copy_on_write import Merge, as_read, joins_whole_rows
from influx_lake.iceberg.merge.keep_unmatched import KeepUnmatched
from influx_lake.iceberg.merge.key_set import DisplacedRows, KeySet
from influx_lake.iceberg.merge.point_key import point_key
from influx_lake.iceberg.scan.reader import arrow_schema
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
    """Read the rows, and plan the upsert; closing `kept` deletes what is buffered until the commit."""
    target, key = load.target, point_key(load.target, ingest.shape.schema)
    # In files of sorted rows, it is lost which of two rows of a point was written last.
    if joins_whole_rows(target):
        schema = arrow_schema(ingest.table.schema())
        merge = kept.enter_context(closing(Merge(load, schema, key, target.write.merge_fields)))
        with catalog_errors(f"keep rows of {target.name} aside"):
            merge.take(as_read(ingest.batches(), ingest.table))
        return merge
    points, other = KeySet(key, load.window), DisplacedRows(key, load.window)
    written = ingest.write(lambda rows: other.record(points.record(as_read(rows, ingest.table))))
    return kept.enter_context(closing(KeepUnmatched(load, ingest.table, written, ingest.statistics, points, other)))
