"""Adds messages that are not points to the table of dead letters, each once."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.values.windows import EPOCH, MICROSECOND, Window
from influx_lake.iceberg.commit.window_commit import WindowCommit
from influx_lake.iceberg.load.ensure import table_for
from influx_lake.iceberg.load.message_plan import Beside, StreamPlan
from influx_lake.iceberg.merge.written_rows import WrittenFiles, WrittenRows
from influx_lake.iceberg.staging.staged import Staging
from influx_lake.iceberg.streams.position import StreamPosition, position_in
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.writer.writer import write_files
from influx_lake.replication.streams.ledger import LedgerTable
from influx_lake.sources.messages.message import DEAD_LETTERS

if TYPE_CHECKING:
    from influx_lake.iceberg.window_rows import Rows


def add_dead_letters(place: LedgerTable, rows: pa.Table, position: StreamPosition) -> None:
    """Add dead letters, unless the table already has those of these messages.

    Args:
        place: The table.
        rows: The dead letters: rows of `DEAD_LETTERS`.
        position: The stream's position after these messages.

    Raises:
        LakeError: The table cannot be written; its class tells what can be done.
    """
    held = position_in(place.table(), position.stream)
    if not len(rows) or (held is not None and held.sequence >= position.sequence):
        return
    staged = table_for(place.catalog, place.target, DEAD_LETTERS, place.provenance)
    staging = Staging(DEAD_LETTERS, place.target, staged)
    ends = pc.min_max(rows.column("time").cast(pa.int64())).as_py()
    window = Window(EPOCH + ends["min"] * MICROSECOND, EPOCH + (ends["max"] + 1) * MICROSECOND)
    load = WindowLoad(
        catalog=place.catalog,
        target=place.target,
        provenance=place.provenance,
        window=window,
        read=_not_read,
        complete_until=window.start,
        stream=position,
    )
    shaped = (staged.shape.apply(batch) for batch in rows.to_batches())
    files = write_files(staged.table, place.target, shaped, staged.shape.schema)
    written = WrittenRows(place.target, [WrittenFiles(staged.table, files)])
    WindowCommit(load, staging, StreamPlan(Beside(written, len(rows)), place.target, position)).run()


def _not_read(window: Window) -> AbstractContextManager[Rows]:
    raise NotImplementedError(f"the dead letters of {window} are written already")
