"""Opens the rows of a load: from its source, or from files that were written already."""

from __future__ import annotations

from contextlib import AbstractContextManager

from influx_lake.iceberg.load.ingest import Ingest
from influx_lake.iceberg.load.parts_ingest import open_parts
from influx_lake.iceberg.load.stream_ingest import open_stream
from influx_lake.iceberg.window_load import WindowLoad


def open_ingest(load: WindowLoad) -> AbstractContextManager[Ingest]:
    """Open the rows of a load, with its table ready for them.

    Leaving the context ends the reading, and deletes quarantined rows that were not committed.

    Raises:
        LakeError: The source cannot be read, or the table cannot take such rows; see `table_for`.
    """
    return open_stream(load) if load.written is None else open_parts(load, load.written(load))
