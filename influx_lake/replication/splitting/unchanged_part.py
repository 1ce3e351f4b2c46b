"""Finds out whether a part that was written earlier still holds what the source has, value by value."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.iceberg.merge.written_rows import read_written
from influx_lake.iceberg.parts.written_part import WrittenPart, shape_digest
from influx_lake.iceberg.staging.staged import stage
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.replication.comparison.value_digests import compared_types, loaded_digests, stored_digests

if TYPE_CHECKING:
    from pyiceberg.table import Table


def is_unchanged(part: WrittenPart, load: WindowLoad, table: Table, schema: MeasurementSchema) -> bool:
    """Whether a written part has the rows that a load of it reads now: as many, and the same value in each column.

    The source's rows are read once more, and so are the files; both are digested. That saves storing the files, and no
    CPU: it takes about as much as writing the part. Columns that differ from load to load are not compared.

    Args:
        part: The part; one with rows in quarantine is never unchanged, since these are not compared.
        load: The load of the part, as if it were a window of its own.
        table: The table, under its own names.
        schema: The measurement's columns.

    Raises:
        FineTimesMet: The rows need the column of nanoseconds by now.
        LakeError: The source's rows, or the files, cannot be read.
    """
    if part.quarantined is not None:
        return False
    with load.read(load.window) as rows:
        shape = stage(table, rows.schema, load.target).shape
        if shape_digest(shape) != part.shape:
            return False
        types = compared_types(shape, schema)
        there = loaded_digests(rows, shape, load.target, types)
    if there.rows != part.rows:
        return False
    with closing(read_written(part.files.layout.applied_to(table), part.files.files)) as batches:
        return stored_digests(batches, load.target, types) == there
