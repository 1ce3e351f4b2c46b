"""Reads a table that is being adopted, as of the snapshot before adoption changed anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config import Measurement, Nanoseconds
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.adoption.repair import SchemaRepair
from influx_lake.iceberg.columns.known_columns import as_known, time_field
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.scan.manifest_cache import planned_files
from influx_lake.iceberg.scan.planning import time_bounds
from influx_lake.iceberg.scan.reader import arrow_schema, conform, read_tasks
from influx_lake.iceberg.scan.row_filter import RowFilter
from influx_lake.replication.changed_values import LakeColumns

if TYPE_CHECKING:
    from pyiceberg.table import FileScanTask, Table


@dataclass(frozen=True, slots=True)
class LakeSide:
    """The table that is adopted.

    Attributes:
        table: The table at the snapshot before the adoption.
        schema: The columns that loads write.
        held: The columns of `schema` that it has in a type for the source's values, with their names in it.
        repair: The schema changes that it needs.
        nanoseconds: The name of its column of times in nanoseconds, where it has one.
    """

    table: Table
    schema: MeasurementSchema
    held: Mapping[str, str]
    repair: SchemaRepair
    nanoseconds: str | None
    _files: list[FileScanTask] = field(default_factory=list)

    @classmethod
    def of(cls, table: Table, measurement: Measurement, schema: MeasurementSchema, repair: SchemaRepair) -> LakeSide:
        """The table of a measurement, as it is now."""
        names = LakeColumns.of(table, measurement, schema).names
        held = {name: there for name, there in names.items() if there not in repair.set_aside}
        whole = measurement.types.nanoseconds_column
        keeps = measurement.types.nanoseconds is Nanoseconds.KEEP and whole in arrow_schema(table.schema()).names
        return cls(table, schema, held, repair, whole if keeps else None)

    @property
    def time(self) -> str:
        """The name of the time column."""
        return self.schema.time

    @property
    def columns(self) -> pa.Schema:
        """The names of the table's columns."""
        return arrow_schema(self.table.schema())

    @property
    def extra(self) -> dict[str, pa.Field]:
        """The columns that the source has no values for: names in the table, each with its name after adoption."""
        known = {*self.held.values(), self.time, self.nanoseconds}
        fields = {each.name: each for each in self.columns if each.name not in known}
        return {
            name: pa.field(self.repair.set_aside.get(name, name), each.type)
            for name, each in fields.items()
            if name in self.repair.set_aside or self.schema.column(name) is None
        }

    def compared(self, window: Window) -> pa.RecordBatchReader:
        """The rows of a window, with the columns that are compared."""
        names = [self.time, *self.held.values(), *([self.nanoseconds] if self.nanoseconds else [])]
        return self._read(window, names)

    def whole(self, window: Window) -> pa.RecordBatchReader:
        """The rows of a window, with every column."""
        return self._read(window, self.columns.names)

    def _read(self, window: Window, names: list[str]) -> pa.RecordBatchReader:
        table = as_known(self.table)
        projection = table.schema().select(*dict.fromkeys(names))
        schema, wanted = arrow_schema(projection), RowFilter.of([window], table, self.time)
        batches = read_tasks(table, self._files_of(window), wanted, projection)
        return pa.RecordBatchReader.from_batches(schema, (conform(batch, schema) for batch in batches))

    def _files_of(self, window: Window) -> list[FileScanTask]:
        """The files that may hold rows of a window.

        The scan is planned once for all windows: a table with hourly appends has as many manifests, and each plan reads
        all of them.
        """
        if not self._files:
            with catalog_errors(f"plan a scan of {'.'.join(self.table.name())}"):
                self._files.extend(planned_files(as_known(self.table).scan()))
        time_id = time_field(self.table, self.time).field_id

        def may_hold(task: FileScanTask) -> bool:
            bounds = time_bounds(task.file, time_id)
            return bounds is None or (bounds[0] < window.end_us and window.start_us <= bounds[1])

        return list(filter(may_hold, self._files))
