"""The rows of a load, streamed from its source."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa

from influx_lake.iceberg.load.ensure import table_for
from influx_lake.iceberg.load.ingest import Ingest, statistics_of
from influx_lake.iceberg.load.quarantine import Quarantine
from influx_lake.iceberg.merge.written_rows import WrittenFiles, WrittenRows
from influx_lake.iceberg.staging.staged import Staging
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.window_rows import Rows
from influx_lake.iceberg.writer.writer import write_files


@dataclass(frozen=True, slots=True)
class StreamIngest(Ingest):
    """Rows that are streamed from their source.

    Attributes:
        rows: The rows of the source.
    """

    rows: Rows

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows that the table takes."""
        progress, batches = self.load.progress, iter(self.rows)
        while True:
            with progress.reading():
                batch = next(batches, None)
            if batch is None:
                return
            fit = self.shape.apply(self.quarantine.sift(batch))
            if len(fit):
                self.statistics.observe(fit)
                yield fit
                progress.add(len(fit))

    def write(self, rows: Iterable[pa.RecordBatch] | None = None) -> WrittenRows:
        """Write the rows as they come."""
        rows = self.batches() if rows is None else rows
        files = write_files(self.table, self.load.target, rows, self.shape.schema)
        return WrittenRows(self.load.target, [WrittenFiles(self.table, files)])


@contextmanager
def open_stream(load: WindowLoad) -> Iterator[StreamIngest]:
    """Read the rows of a load, with its table ready for them.

    Leaving the context ends the reading, and deletes quarantined rows that were not committed.

    Raises:
        LakeError: The source cannot be read, or the table cannot take such rows; see `table_for`.
    """
    with load.read(load.window) as rows:
        staging = Staging(rows.schema, load.target, table_for(load.catalog, load.target, rows.schema, load.provenance))
        commit_id = str(uuid.uuid4())
        with Quarantine(load, staging.first, commit_id) as quarantine:
            yield StreamIngest(load, staging, statistics_of(load), quarantine, commit_id, rows)
