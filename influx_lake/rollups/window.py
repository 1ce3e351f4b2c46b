"""One window of a roll-up, from the measurement's table to its own."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pyarrow as pa

from influx_lake.config import Measurement, Nanoseconds, SchemaEvolution, TypeOptions
from influx_lake.config.measurements.rollups import Rollup
from influx_lake.config.values.buckets import bucket_runs
from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.windows import Window
from influx_lake.errors import WindowNotLoaded, naming
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.scan.reader import arrow_schema, conform, open_table, read_tasks
from influx_lake.iceberg.scan.time_filter import TimeFilter
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.rollups.columns import RollupColumns, rollup_columns
from influx_lake.rollups.computing import Points, computing
from influx_lake.rollups.guards import EmptiedGuard, check_points_are_there

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


@dataclass(frozen=True, slots=True)
class RollupResult:
    """What computing one window of a roll-up did.

    Attributes:
        rollup: The roll-up.
        window: The window.
        columns: Its columns.
        commit: What changed in its table.
        points: How many rows of the measurement's table it was computed from.
        snapshot_id: The snapshot of that table.
        seconds: How long all of it took.
    """

    rollup: Rollup
    window: Window
    columns: RollupColumns
    commit: WindowResult
    points: int
    snapshot_id: int | None
    seconds: float

    @property
    def rows(self) -> int:
        """How many rows the roll-up has for the window."""
        return self.commit.rows


def roll_up_window(
    catalog: Catalog, measurement: Measurement, rollup: Rollup, window: Window, *, run_id: str
) -> RollupResult:
    """Compute one window of a roll-up from its measurement's table: afterwards its own table holds exactly that.

    Args:
        catalog: The catalog of both tables.
        measurement: The measurement.
        rollup: One of its roll-ups.
        window: The window.
        run_id: Who does it; kept in the snapshot.

    Raises:
        WindowNotLoaded: The measurement's table holds nothing of the window, or no longer all that the roll-up was
            computed from.
        WindowShrank: It has no points for the window any more, and the roll-up has aggregates.
        LakeError: Of the class that says what can be done about it; the roll-up's table is as it was.
    """
    began = time.monotonic()
    with naming(measurement.name, window):
        table = open_table(catalog, measurement.identifier)
        state = table_state(table)
        loaded_until = _loaded_until(state.coverage, measurement, window)
        check_points_are_there(catalog, measurement, rollup, window, state.coverage)
        columns = rollup_columns(
            rollup,
            measurement.table_name,
            arrow_schema(table.schema()),
            state.tags,
            measurement.types.nanoseconds_column,
        )
        points = _points(table, window, columns)
        runs = bucket_runs(rollup.bucket, window, measurement.scheme.timezone)
        commit = replace_window(
            WindowLoad(
                catalog,
                rollup_target(measurement, rollup, columns),
                Provenance(rollup_identity(measurement, rollup), run_id, rollup.adopt),
                window,
                lambda _: computing(rollup, columns, runs, points),
                complete_until=loaded_until,
                guard=EmptiedGuard(measurement, rollup),
            )
        )
    snapshot = table.metadata.current_snapshot_id
    return RollupResult(rollup, window, columns, commit, points.rows, snapshot, time.monotonic() - began)


def rollup_identity(measurement: Measurement, rollup: Rollup) -> str:
    """Whose rows the table of a roll-up holds: with another definition they are another's."""
    definition = {"every": str(rollup.bucket)}
    if rollup.by is not None:
        definition["by"] = ",".join(rollup.by)
    if measurement.scheme.timezone != "UTC":
        definition["timezone"] = measurement.scheme.timezone
    place = f"{quote(measurement.table_name)}/{quote(rollup.name)}"
    return f"rollup://{place}?{urlencode(definition, safe=',/')}"


def rollup_target(measurement: Measurement, rollup: Rollup, columns: RollupColumns) -> TableTarget:
    """The table that a roll-up goes to."""
    by = tuple(column.name for column in columns.by)
    return TableTarget(
        identifier=rollup.identifier,
        dictionary_columns=frozenset(column.name for column in columns.by if pa.types.is_string(column.type)),
        key=by,
        tags=by,
        write=rollup.write,
        properties=rollup.table_properties,
        types=TypeOptions(nanoseconds=Nanoseconds.REFUSE, time_type=measurement.types.time_type),
        # Where the measurement's columns became wider, so do those that are computed of them.
        schema_evolution=SchemaEvolution.FULL,
        partition=rollup.iceberg_partition,
    )


def _points(table: Table, window: Window, columns: RollupColumns) -> Points:
    """The rows of a window that a roll-up is made of, file by file."""
    projection = table.schema().select(*dict.fromkeys((TIME, columns.order, *columns.inputs)))
    wanted = TimeFilter.of([window])
    schema = arrow_schema(projection)
    with catalog_errors(f"plan a scan of {'.'.join(table.name())}"):
        tasks = list(table.scan(row_filter=wanted.expression(table)).plan_files())
    batches = read_tasks(table, tasks, wanted, projection)
    at_most = sum(task.file.record_count for task in tasks)
    return Points(schema, (conform(batch, schema) for batch in batches), at_most)


def _loaded_until(coverage: Coverage, measurement: Measurement, window: Window) -> datetime:
    """Up to when the measurement's table is complete in a window.

    Raises:
        WindowNotLoaded: It holds nothing of it.
    """
    if window in coverage.not_tailed(window):
        raise WindowNotLoaded(
            f"{measurement.table_name} holds nothing of the window, which a roll-up would be computed from",
            remedy="Load it first: influx-lake replicate, or materialise the measurement's asset",
        )
    gaps = coverage.gaps(window)
    return gaps[0].start if gaps else window.end
