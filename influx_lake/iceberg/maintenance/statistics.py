"""Counts distinct values of columns, as theta sketches in a Puffin file, with which Trino and Spark plan joins."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.maintenance.options import Kind, StatisticsOptions
from influx_lake.errors import ConfigurationError, MissingExtra
from influx_lake.iceberg.columns.known_columns import as_known
from influx_lake.iceberg.commit.metadata_commit import commit_metadata
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.maintenance.task import Maintained, TableTask, figures_of, open_actual
from influx_lake.iceberg.scan.manifest_cache import planned_files
from influx_lake.iceberg.scan.reader import check_readable, read_tasks
from influx_lake.iceberg.storage.puffin import Blob, PuffinFile, write_puffin
from influx_lake.iceberg.table_state.changes import number
from influx_lake.iceberg.table_state.current_state import states_to_carry_over

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot
    from pyiceberg.table.statistics import StatisticsFile
    from pyiceberg.table.update import TableUpdate
    from pyiceberg.types import NestedField

THETA = "apache-datasketches-theta-v1"
"""The blob type of a compact theta sketch of a column's values."""
_DISTINCT = "ndv"
"""The property of such a blob with the number of distinct values."""


def statistics(task: TableTask, options: StatisticsOptions) -> Maintained:
    """Count the distinct values of columns (by default of the tags), and record them for the current snapshot.

    Columns are read batch by batch; a sketch takes some ten kilobytes, however many values there are, and is exact up
    to some thousands of them. A snapshot that has sketches of the columns is not read again.

    Raises:
        ConfigurationError: A column does not exist, or has a type whose values are not counted.
        MissingExtra: DataSketches is not installed.
        LakeError: Nothing was done.
    """
    table = open_actual(task)
    check_readable(table)
    figures, snapshot = figures_of(task, table), table.current_snapshot()
    fields = _fields(table, options, task)
    done: dict[str, int] = {"columns_counted": 0, "rows_read": 0}
    if snapshot is not None and fields and not _is_counted(table, snapshot, fields):
        done = {"columns_counted": len(fields), "rows_read": number(snapshot, "total-records")}
        if not task.dry_run:
            done["rows_read"] = _count(task, table, snapshot, fields)
    return Maintained(Kind.STATISTICS, task.target.name, figures, figures, done, task.dry_run)


def _fields(table: Table, options: StatisticsOptions, task: TableTask) -> list[NestedField]:
    from pyiceberg.types import DoubleType, LongType, StringType, TimestampType, TimestamptzType

    # For these types, DataSketches hashes the same bytes as other engines do.
    kinds = (StringType, LongType, DoubleType, TimestampType, TimestamptzType)
    there = {field.name: field for field in as_known(table).schema().fields}
    names = options.columns or [name for name in _tags(table) if name in there]
    unknown = [name for name in names if name not in there]
    # The tags of the long layout are one map, which `columns` does not name.
    unfit = [name for name in options.columns if name in there and not isinstance(there[name].field_type, kinds)]
    if unknown or unfit:
        name = (unknown or unfit)[0]
        what = "there is no such column" if unknown else f"values of {there[name].field_type} are not counted"
        raise ConfigurationError(
            f"`maintenance.statistics.columns` names {name!r} of {task.target.name}: {what}",
            remedy="Name columns of text, of whole or floating-point numbers of 64 bits, or of times",
        )
    return [there[name] for name in names if isinstance(there[name].field_type, kinds)]


def _tags(table: Table) -> list[str]:
    """The tags that loads recorded, of any measurement in the table."""
    known = states_to_carry_over(table) or {}
    return list(dict.fromkeys(name for state in known.values() for name in state.tags or ()))


def _is_counted(table: Table, snapshot: Snapshot, fields: Sequence[NestedField]) -> bool:
    counted = {
        number
        for each in table.metadata.statistics
        if each.snapshot_id == snapshot.snapshot_id
        for blob in each.blob_metadata
        if blob.type == THETA
        for number in blob.fields
    }
    return {field.field_id for field in fields} <= counted


def _count(task: TableTask, table: Table, snapshot: Snapshot, fields: Sequence[NestedField]) -> int:
    blobs, rows = _sketched(table, fields)
    path = table.location_provider().new_metadata_location(f"{snapshot.snapshot_id}-{uuid.uuid4()}.stats")
    with catalog_errors(f"write statistics of {task.target.name}"):
        sequence = snapshot.sequence_number or 0
        written = write_puffin(table.io, path, blobs, snapshot_id=snapshot.snapshot_id, sequence_number=sequence)
    file = _file(path, written, snapshot, blobs)

    def plan(now: Table) -> tuple[TableUpdate, ...]:
        from pyiceberg.table.update import SetStatisticsUpdate

        is_there = now.metadata.snapshot_by_id(snapshot.snapshot_id) is not None
        is_said = any(each.statistics_path == path for each in now.metadata.statistics)
        return (SetStatisticsUpdate.model_validate({"statistics": file}),) if is_there and not is_said else ()

    after = commit_metadata(task.catalog, task.target, "write statistics to", plan)
    if all(each.statistics_path != path for each in after.metadata.statistics):
        # The snapshot expired meanwhile.
        with catalog_errors(f"delete {path}"):
            table.io.delete(path)
    return rows


def _sketched(table: Table, fields: Sequence[NestedField]) -> tuple[list[Blob], int]:
    """A sketch of each column, and the number of rows that were read."""
    try:
        from datasketches import update_theta_sketch
    except ModuleNotFoundError as error:
        raise MissingExtra("`maintenance.statistics`", "statistics") from error

    known = as_known(table)
    names = [field.name for field in fields]
    sketches = {name: update_theta_sketch() for name in names}
    rows = 0
    with catalog_errors(f"read {'.'.join(table.name())}"):
        tasks = planned_files(known.scan(selected_fields=tuple(names)))
        texts = tuple(field.name for field in fields if str(field.field_type) == "string")
        for batch in read_tasks(known, tasks, None, known.schema().select(*names), texts):
            rows += len(batch)
            for name in names:
                _feed(sketches[name], batch.column(name))
    found = {name: sketch.compact() for name, sketch in sketches.items()}
    counts = {name: str(round(sketch.get_estimate())) for name, sketch in found.items()}
    blobs = [
        Blob(THETA, found[field.name].serialize(), (field.field_id,), {_DISTINCT: counts[field.name]})
        for field in fields
    ]
    return blobs, rows


def _feed(sketch: Any, values: pa.Array) -> None:
    """Update a sketch with each distinct value of a batch: it takes them one by one."""
    distinct = pc.unique(values)
    if pa.types.is_dictionary(distinct.type):
        distinct = distinct.dictionary_decode()
    if pa.types.is_timestamp(distinct.type):
        distinct = distinct.cast(pa.int64())
    for value in distinct.drop_null().to_pylist():
        sketch.update(value)


def _file(path: str, written: PuffinFile, snapshot: Snapshot, blobs: Sequence[Blob]) -> StatisticsFile:
    from pyiceberg.table.statistics import StatisticsFile

    return StatisticsFile.model_validate(
        {
            "snapshot-id": snapshot.snapshot_id,
            "statistics-path": path,
            "file-size-in-bytes": written.size,
            "file-footer-size-in-bytes": written.footer_size,
            "blob-metadata": [
                {
                    "type": blob.kind,
                    "snapshot-id": snapshot.snapshot_id,
                    "sequence-number": snapshot.sequence_number or 0,
                    "fields": list(blob.fields),
                    "properties": dict(blob.properties),
                }
                for blob in blobs
            ],
        }
    )
