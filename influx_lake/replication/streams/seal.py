"""Seals windows of measurements that only a stream fills, once the stream has caught up with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from influx_lake.config import Measurement, WriteMode
from influx_lake.config.connections import KafkaConfig
from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema, Role
from influx_lake.config.values.units import format_duration
from influx_lake.config.values.windows import Window, utc_text
from influx_lake.errors import MeasurementNotFound, StreamBehind
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.streams.position import position_in
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.target import Provenance
from influx_lake.iceberg.window_load import ProgressMeter, WindowLoad
from influx_lake.iceberg.window_rows import Rows
from influx_lake.replication.removed.offloaded_measurement import NoRows
from influx_lake.replication.streams.ledger import Ledger, ledger_in, ledger_target
from influx_lake.replication.table_columns import table_target
from influx_lake.transforms.columns import arrow_schema

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


def seal_of(
    config: KafkaConfig,
    catalog: Catalog,
    measurement: Measurement,
    window: Window,
    *,
    run_id: str,
    now: datetime,
    progress: ProgressMeter,
) -> WindowLoad:
    """The load that seals a window with the rows that the table already has.

    The stream has added all messages of the window once it was caught up at a time that is the measurement's lag after
    the window's end. Later messages are added too, and the window stays sealed.

    Args:
        config: The source.
        catalog: The catalog of the table.
        measurement: The measurement.
        window: The window.
        run_id: The run, recorded in the snapshot.
        now: The present.
        progress: The progress of the load.

    Raises:
        StreamBehind: The stream has not caught up since, or adds earlier messages to the rolled back table again.
        MeasurementNotFound: No message had a point of the measurement yet.
    """
    assert measurement.stream is not None
    ledger_table = find_table(catalog, ledger_target(config, measurement.stream).identifier)
    ledger = ledger_in(ledger_table, measurement.stream) if ledger_table is not None else None
    table = find_table(catalog, measurement.identifier, measurement.share)
    _check_level(ledger, table, measurement, window)
    if table is None:
        raise MeasurementNotFound(
            f"no message of the stream {measurement.stream} had a point of {measurement.name} yet",
            remedy="Check its name, and what writes to the topics; `influx-lake status` lists the names in messages",
        )
    tags = [Column(name, Role.TAG, ColumnType.STRING) for name in sorted(table_state(table).tags or ())]
    if measurement.layout is not None:
        tags = []
    schema = MeasurementSchema(measurement.name, (Column(measurement.time_column, Role.TIME, ColumnType.TIME), *tags))
    target = table_target(measurement, schema)
    write = target.write.model_copy(update={"mode": WriteMode.UPSERT, "merge_fields": False, "key": ()})

    @contextmanager
    def read(_: Window) -> Iterator[Rows]:
        yield NoRows(arrow_schema(schema))

    return WindowLoad(
        catalog=catalog,
        target=replace(target, write=write, tags=None, erased=measurement.erased),
        provenance=Provenance(config.identity, run_id, measurement.adopt),
        window=window,
        read=read,
        complete_until=now - measurement.lag,
        progress=progress,
    )


def _check_level(ledger: Ledger | None, table: Table | None, measurement: Measurement, window: Window) -> None:
    stream = measurement.stream or ""
    remedy = f"Check that it runs: influx-lake stream {stream}; influx-lake status shows its lag"
    if ledger is None or ledger.caught_up_at is None:
        raise StreamBehind(f"the stream {stream} has never caught up with its topics", remedy=remedy)
    if ledger.caught_up_at < window.end + measurement.lag:
        raise StreamBehind(
            f"the stream {stream} last caught up with its topics at {utc_text(ledger.caught_up_at)}, and the window "
            f"is complete once it has caught up after {utc_text(window.end + measurement.lag)} (its end, and the lag "
            f"of {format_duration(measurement.lag)})",
            remedy=remedy,
        )
    held = position_in(table, stream)
    if (held.sequence if held else 0) < ledger.tables.get(measurement.full_name, 0):
        raise StreamBehind(
            f"{measurement.table_name} was rolled back, and the stream {stream} has not added its messages again",
            remedy=f"Restart the stream: influx-lake stream {stream}",
        )
