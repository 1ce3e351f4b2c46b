"""Tails the open windows of a measurement: loads the points that have arrived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from influx_lake.config import Measurement, Publish
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.errors import ConfigurationError, naming
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.window_load import ProgressMeter
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.replication.loading import restart_on_interruption
from influx_lake.replication.modes import load_tail
from influx_lake.replication.observing import observed
from influx_lake.replication.planning.due import open_windows, tail_lag
from influx_lake.replication.removed.erased import without_erased
from influx_lake.replication.removed.offloaded_measurement import declared_still
from influx_lake.replication.window import load_of
from influx_lake.sources.protocol import Source
from influx_lake.transforms import LoadContext, declared_columns, transformed

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


@dataclass(frozen=True, slots=True)
class TailWindow:
    """An open window of a measurement to tail.

    Attributes:
        source: The source of the window.
        catalog: The catalog of its table.
        run_id: The run, recorded in the snapshot.
        schema: The measurement's columns.
    """

    source: Source
    catalog: Catalog
    measurement: Measurement
    window: Window
    run_id: str
    schema: MeasurementSchema

    @property
    def subject(self) -> str:
        """The measurement."""
        return self.measurement.name


@dataclass(frozen=True, slots=True)
class TailResult:
    """The result of a tail.

    Attributes:
        measurement: The measurement.
        until: All points before it that had arrived are in the table.
        commits: The commits, oldest first; none where there was nothing new.
        seconds: The duration, in seconds.
        read_seconds: The part of the duration spent waiting for the source.
    """

    measurement: Measurement
    until: datetime
    commits: tuple[WindowResult, ...]
    seconds: float
    read_seconds: float

    @property
    def rows(self) -> int:
        """The number of added rows."""
        return sum(commit.rows - commit.previous_rows for commit in self.commits)

    @property
    def last_time(self) -> datetime | None:
        """The time of the newest added row."""
        return max((commit.last_time for commit in self.commits if commit.last_time is not None), default=None)


def tail_measurement(
    source: Source,
    catalog: Catalog,
    measurement: Measurement,
    *,
    run_id: str,
    declared: Sequence[str] = (),
    now: datetime | None = None,
) -> TailResult:
    """Add the new points of the windows that are not due yet, up to the tail's lag before now.

    Repeating it, after a crash or from two processes, adds nothing twice. A tailed window is still due when it has
    closed: then it is loaded as a whole.

    Args:
        source: The measurement's source.
        catalog: The catalog of its table.
        measurement: The measurement; without a `tail` it is loaded up to its own lag before now.
        run_id: The run, recorded in the snapshots.
        declared: The identities of the measurement's sources, its main one first, where it has several.
        now: The present; default: this moment.

    Raises:
        ConfigurationError: `write.publish` is `after_checks`.
        LakeError: The error names measurement and window; its class tells what can be done.
    """
    if measurement.write.publish is Publish.AFTER_CHECKS:
        raise ConfigurationError(
            "`write: {publish: after_checks}` is for closed windows: a tail shows the open one before any check",
            remedy="Load windows once they have closed: influx-lake replicate",
            measurement=measurement.name,
        )
    progress, now = ProgressMeter(), now or datetime.now(UTC)
    until = now - tail_lag(measurement)
    commits: list[WindowResult] = []
    with naming(measurement.name):
        measurement = without_erased(measurement, catalog)
        source = transformed(source, measurement, LoadContext(run_id, now))
        windows = list(open_windows(measurement, now))
        table = find_table(catalog, measurement.identifier, measurement.share)
        source, schema = declared_still(source, source, measurement, table, windows)
        for window in windows:
            work = TailWindow(source, catalog, measurement, window, run_id, schema)
            with observed(work) as done, naming(window=window):
                began, read = progress.seconds, progress.read_seconds
                load = load_of(
                    source,
                    catalog,
                    measurement,
                    schema,
                    window,
                    run_id=run_id,
                    now=now,
                    declared=declared,
                    progress=progress,
                )
                done.extend(restart_on_interruption(load, lambda load: load_tail(load, until)))
                if done:
                    seconds, read_seconds = progress.seconds - began, progress.read_seconds - read
                    declared_now = declared_columns(source, schema)
                    done[-1] = replace(
                        done[-1], schema=schema, declared=declared_now, seconds=seconds, read_seconds=read_seconds
                    )
                commits += done
    return TailResult(measurement, until, tuple(commits), progress.seconds, progress.read_seconds)
