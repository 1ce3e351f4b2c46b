"""Loads one window of a roll-up: from the measurement's table to the roll-up's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from influx_lake.config import Measurement, Nanoseconds, SchemaEvolution, TypeOptions
from influx_lake.config.measurements.rollups import Rollup
from influx_lake.config.values.buckets import bucket_runs
from influx_lake.config.values.windows import Window
from influx_lake.errors import WindowNotLoaded
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.scan.reader import arrow_schema, conform, open_table, read_tasks
from influx_lake.iceberg.scan.row_filter import RowFilter
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake.iceberg.window_load import ProgressMeter, WindowLoad
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.iceberg.window_rows import Rows
from influx_lake.replication.loading import load_rows
from influx_lake.rollups.columns import RollupColumns, rollup_columns
from influx_lake.rollups.computation import Points, computing
from influx_lake.rollups.guards import EmptiedGuard, check_points_not_lost

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


@dataclass(slots=True)
class RollupWindow:
    """A window of a roll-up to compute and load.

    Attributes:
        catalog: The catalog of both tables.
        rollup: The roll-up.
        run_id: The run, recorded in the snapshot.
        lineage: For each column, the columns of the measurement's table it is computed from; set by the load.
        points: The number of rows it was computed from; set by the load.
        snapshot_id: The snapshot of the measurement's table; set by the load.
    """

    catalog: Catalog
    measurement: Measurement
    rollup: Rollup
    window: Window
    run_id: str
    lineage: Mapping[str, Sequence[str]] = field(default_factory=dict)
    points: int = 0
    snapshot_id: int | None = None
    _progress: ProgressMeter = field(default_factory=ProgressMeter)

    @property
    def subject(self) -> str:
        """The measurement."""
        return self.measurement.name

    def load(self) -> WindowLoad:
        """The load: rows and write options.

        Raises:
            WindowNotLoaded: The measurement's table does not cover the window, or no longer covers all points that the
                roll-up was computed from.
        """
        measurement, rollup, self._progress = self.measurement, self.rollup, ProgressMeter()
        table = open_table(self.catalog, measurement.identifier, measurement.share)
        state = table_state(table)
        loaded_until = _loaded_until(state.coverage, measurement, self.window, datetime.now(UTC))
        check_points_not_lost(self.catalog, measurement, rollup, self.window, state.coverage)
        schema, names = arrow_schema(table.schema()), measurement.types
        columns = rollup_columns(
            rollup, measurement.table_name, schema, state.tags, names.nanoseconds_column, measurement.time_column
        )
        runs = bucket_runs(rollup.bucket, self.window, measurement.scheme.timezone)
        self.lineage, self.snapshot_id = columns.lineage, table.metadata.current_snapshot_id

        @contextmanager
        def read(window: Window) -> Iterator[Rows]:
            points = _points(table, window, columns)
            with computing(rollup, columns, runs, points) as rows:
                yield rows
            self.points = points.rows

        return WindowLoad(
            self.catalog,
            rollup_target(measurement, rollup, columns),
            Provenance(rollup_identity(measurement, rollup), self.run_id, rollup.adopt),
            self.window,
            read,
            complete_until=loaded_until,
            guard=EmptiedGuard(measurement, rollup),
            progress=self._progress,
        )

    def loaded(self, done: WindowResult) -> WindowResult:
        """The result of the load, with its duration."""
        return replace(done, seconds=self._progress.seconds, read_seconds=self._progress.read_seconds)


def roll_up_window(
    catalog: Catalog, measurement: Measurement, rollup: Rollup, window: Window, *, run_id: str
) -> WindowResult:
    """Load one window of a roll-up; the arguments are those of `RollupWindow`.

    Raises:
        WindowShrank: The window no longer has points, and the roll-up has aggregates.
        LakeError: The roll-up's table is unchanged; the class tells what can be done.
    """
    return load_rows(RollupWindow(catalog, measurement, rollup, window, run_id))


def rollup_identity(measurement: Measurement, rollup: Rollup) -> str:
    """The owner recorded in a roll-up's table: it changes with the roll-up's definition."""
    definition = {"every": str(rollup.bucket)}
    if rollup.by is not None:
        definition["by"] = ",".join(rollup.by)
    if measurement.scheme.timezone != "UTC":
        definition["timezone"] = measurement.scheme.timezone
    place = f"{quote(measurement.full_name)}/{quote(rollup.name)}"
    return f"rollup://{place}?{urlencode(definition, safe=',/')}"


def rollup_target(measurement: Measurement, rollup: Rollup, columns: RollupColumns) -> TableTarget:
    """The `TableTarget` of a roll-up, for its loads."""
    by = tuple(column.name for column in columns.by)
    return TableTarget(
        identifier=rollup.identifier,
        time_column=columns.time,
        key=by,
        tags=by,
        write=rollup.write,
        properties=rollup.table_properties,
        types=TypeOptions(nanoseconds=Nanoseconds.REFUSE, time_type=measurement.types.time_type),
        # Computed columns are promoted with the measurement's columns.
        schema_evolution=SchemaEvolution.FULL,
        partition=rollup.iceberg_partition,
    )


def _points(table: Table, window: Window, columns: RollupColumns) -> Points:
    """Read the rows of a window that the roll-up is computed from, file by file."""
    projection = table.schema().select(*dict.fromkeys((columns.time, columns.order, *columns.inputs)))
    row_filter = RowFilter.of([window], table, columns.time)
    schema = arrow_schema(projection)
    with catalog_errors(f"plan a scan of {'.'.join(table.name())}"):
        tasks = list(table.scan(row_filter=row_filter.expression(table)).plan_files())
    batches = read_tasks(table, tasks, row_filter, projection)
    at_most = sum(task.file.record_count for task in tasks)
    return Points(schema, (conform(batch, schema) for batch in batches), at_most)


def _loaded_until(coverage: Coverage, measurement: Measurement, window: Window, now: datetime) -> datetime:
    """The end of the measurement's coverage within a window.

    A load of a window that began less than the measurement's lag ago covers none of it yet: its rows are rolled up, and
    none of the roll-up's window is covered either.

    Raises:
        WindowNotLoaded: None of the window is covered, and a load could have covered some of it.
    """
    began_within_lag = window.start >= now - measurement.lag
    if window in coverage.not_tailed(window) and not began_within_lag:
        raise WindowNotLoaded(
            f"{measurement.table_name} holds nothing of the window, which a roll-up would be computed from",
            remedy="Load it first: influx-lake replicate, or materialise the measurement's asset",
        )
    gaps = coverage.gaps(window)
    return gaps[0].start if gaps else window.end
