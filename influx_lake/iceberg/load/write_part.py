"""Writes a part of a window to files, which another process commits."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime

from influx_lake.config import WriteMode
from influx_lake.iceberg.load.stream_ingest import open_stream
from influx_lake.iceberg.merge.copy_on_write import joins_whole_rows
from influx_lake.iceberg.parts.written_part import PartFiles, TableLayout, WrittenPart, shape_digest
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.window_load import WindowLoad


def write_part(load: WindowLoad, source_rows: int | None = None) -> WrittenPart:
    """Write the rows of a part of a window to files that are committed later, together with the other parts.

    The table is created on first use, without rows.

    Args:
        load: The load of the part, as if the part were a window of its own.
        source_rows: The number of rows that the source counted before.

    Raises:
        LakeError: Its class tells what can be done about it; all files are deleted.
    """
    began = datetime.now(UTC)
    with open_stream(replace(load, target=_as_they_come(load.target))) as ingest:
        written = ingest.write()
        statistics, [files] = ingest.statistics, written.parts
        return WrittenPart(
            id=uuid.uuid4().hex,
            window=load.window,
            began=began,
            columns=ingest.staging.columns,
            shape=shape_digest(ingest.shape),
            files=PartFiles(statistics.rows, TableLayout.of(files.table), files.files),
            quarantined=ingest.quarantine.hand_over(),
            first_us=statistics.first_us,
            last_us=statistics.last_us,
            preview=statistics.preview,
            with_nanoseconds=load.target.with_nanoseconds,
            source_rows=source_rows,
        )


def _as_they_come(target: TableTarget) -> TableTarget:
    """The target with unsorted files where rows are joined later: the last row of a point counts."""
    if target.write.mode is not WriteMode.UPSERT or not joins_whole_rows(target):
        return target
    return replace(target, write=target.write.model_copy(update={"sort_by": None}))
