"""Adds the points of messages to the table of a measurement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from influx_lake.config import Measurement, WriteMode
from influx_lake.config.connections import KafkaConfig
from influx_lake.config.values.windows import EPOCH, MICROSECOND, Window
from influx_lake.errors import naming
from influx_lake.iceberg.load.messages import add_messages
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.streams.columns import StreamColumns, columns_in
from influx_lake.iceberg.streams.position import StreamPosition, position_in
from influx_lake.iceberg.target import Provenance
from influx_lake.iceberg.window_load import ProgressMeter, WindowLoad
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.iceberg.window_rows import Rows
from influx_lake.replication.loading import restart_on_interruption
from influx_lake.replication.observing import observed
from influx_lake.replication.removed.erased import without_erased_from
from influx_lake.replication.table_columns import table_target
from influx_lake.sources.messages.batch import batch_source, raw_columns, span_of
from influx_lake.sources.points.staged_file import Unit
from influx_lake.transforms import LoadContext, transformed

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


@dataclass(frozen=True)
class MeasurementMessages:
    """The points of a measurement in some messages, to add to its table.

    Attributes:
        config: The source.
        units: The messages' points.
        catalog: The catalog of the table.
        measurement: The measurement.
        position: The stream's position after these messages.
        before: The sequence that was last added to the table; 0 where there is none.
        run_id: The run, recorded in the snapshot.
        declared: The identities of the sources that the table may hold rows of, its own first.
    """

    config: KafkaConfig
    units: Sequence[Unit]
    catalog: Catalog
    measurement: Measurement
    position: StreamPosition
    before: int
    run_id: str
    declared: tuple[str, ...]

    @property
    def subject(self) -> str:
        """The measurement."""
        return self.measurement.name

    @property
    def window(self) -> Window:
        """The time span of its points, from the first kept window on."""
        whole = self._whole
        return Window(max(whole.start, self._kept_since), whole.end)

    @property
    def is_outside(self) -> bool:
        """Whether all of its points are before the first kept window."""
        return self._whole.end <= self._kept_since

    def count_outside(self) -> int:
        """The number of points before the first kept window: they are left out."""
        whole, since = self._whole, self._kept_since
        if since <= whole.start:
            return 0
        before = Window(whole.start, min(since, whole.end))
        return batch_source(self.config, self.units).count(self.measurement.name, before)

    @cached_property
    def _whole(self) -> Window:
        span = span_of(self.units, self.measurement.name)
        assert span is not None
        first, last = (EPOCH + each // 1000 * MICROSECOND for each in span)
        return Window(first, last + MICROSECOND)

    @cached_property
    def _kept_since(self) -> datetime:
        return self.measurement.kept_since(datetime.now(UTC))

    def table(self) -> Table | None:
        """The measurement's table; None where there is none yet.

        Raises:
            CatalogError: The catalog cannot be reached or refuses.
        """
        return find_table(self.catalog, self.measurement.identifier, self.measurement.share)

    def is_added(self) -> bool:
        """Whether the table has the messages already, because a process added them before it died.

        Raises:
            CatalogError: The catalog cannot be reached or refuses.
        """
        held = position_in(self.table(), self.position.stream)
        return held is not None and held.sequence >= self.position.sequence

    def add(self) -> WindowResult:
        """Add the points in one commit.

        Raises:
            StreamOvertaken: Another process has added these messages, or later ones.
            LakeError: The table is unchanged; the error names the measurement, and its class tells what can be done.
        """
        with observed(self) as done, naming(self.measurement.name):
            progress = ProgressMeter()
            table = self.table()
            before, name = columns_in(table), self.measurement.name
            tags, fields = raw_columns(self.units, name)
            columns = before | StreamColumns(frozenset(tags), frozenset(fields))
            load = self._load(table, columns, progress)
            window_at = self.measurement.scheme.window_at
            result = restart_on_interruption(load, lambda load: add_messages(load, columns, window_at, self.before))
            done.append(replace(result, seconds=progress.seconds, read_seconds=progress.read_seconds))
            return done[-1]

    def _load(self, table: Table | None, columns: StreamColumns, progress: ProgressMeter) -> WindowLoad:
        measurement, now = without_erased_from(self.measurement, table), datetime.now(UTC)
        known = {measurement.name: (columns.tags, columns.fields)}
        plain = batch_source(self.config, self.units, known)
        source = transformed(plain, measurement, LoadContext(self.run_id, now))
        schema = source.schema(measurement.name)
        target = table_target(measurement, schema)
        # A point that is sent again with other fields is still one point.
        write = target.write.model_copy(update={"mode": WriteMode.UPSERT, "merge_fields": True})
        window = self.window

        @contextmanager
        def read(part: Window) -> Iterator[Rows]:
            with source.read(schema, part) as rows:
                yield rows

        return WindowLoad(
            catalog=self.catalog,
            target=replace(target, write=write, erased=measurement.erased),
            provenance=Provenance(self.config.identity, self.run_id, measurement.adopt, self.declared),
            window=window,
            read=read,
            # None of the window counts as loaded, since later points may arrive.
            complete_until=window.start,
            progress=progress,
            stream=self.position,
        )
