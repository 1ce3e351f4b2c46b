"""Loads planned windows one after the other, with progress and results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from influx_lake.cli import failures
from influx_lake.cli.output import Output
from influx_lake.cli.progress import meter
from influx_lake.errors import LakeError
from influx_lake.replication.facts import window_facts

if TYPE_CHECKING:
    from influx_lake.cli.session import Session
    from influx_lake.config import Measurement
    from influx_lake.config.values.windows import Window
    from influx_lake.iceberg.window_result import WindowResult
    from influx_lake.replication.splitting.helpers import Helpers


@dataclass
class LoadedMeasurement:
    """The loaded windows of one measurement.

    Attributes:
        measurement: The measurement.
        windows: The figures of each window. The results themselves would keep the tables' metadata in memory.
        rows: The sum of their rows.
    """

    measurement: Measurement
    windows: list[dict[str, Any]] = field(default_factory=list)
    rows: int = 0

    def add(self, result: WindowResult) -> None:
        """Add a loaded window."""
        self.windows.append(window_facts(result))
        self.rows += result.rows

    def facts(self) -> dict[str, Any]:
        """The loads as JSON."""
        measurement = self.measurement
        return {
            "measurement": measurement.name,
            "table": measurement.table_name,
            "windows": self.windows,
            "rows": self.rows,
        }


@dataclass
class Loaded:
    """The results of planned windows.

    Attributes:
        plans: The measurements and their windows.
        measurements: The loaded windows by measurement.
        failures: The windows that failed, as JSON.
    """

    plans: Sequence[tuple[Measurement, Sequence[Window]]]
    measurements: list[LoadedMeasurement] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    _tried: set[tuple[str, Window]] = field(default_factory=set)

    @property
    def windows(self) -> int:
        """The number of loaded windows."""
        return sum(len(each.windows) for each in self.measurements)

    @property
    def rows(self) -> int:
        """The sum of their rows."""
        return sum(each.rows for each in self.measurements)

    @property
    def planned(self) -> int:
        """The number of planned windows."""
        return sum(len(windows) for _, windows in self.plans)

    @property
    def left(self) -> list[tuple[Measurement, list[Window]]]:
        """The windows that were not attempted or not finished, by measurement."""
        found = [
            (measurement, [window for window in windows if (measurement.full_name, window) not in self._tried])
            for measurement, windows in self.plans
        ]
        return [(measurement, windows) for measurement, windows in found if windows]

    def tried(self, measurement: Measurement, window: Window) -> None:
        """Note that a window was loaded or failed."""
        self._tried.add((measurement.full_name, window))


def load(
    session: Session,
    loaded: Loaded,
    out: Output,
    *,
    run_id: str,
    source: str | None = None,
    keep_going: bool = False,
    helpers: Callable[[Measurement], Helpers] | None = None,
) -> None:
    """Load windows one after the other.

    Args:
        session: The lake.
        loaded: The plans; gets the results, also where the command is stopped.
        out: Gets a line for each window.
        run_id: The run, recorded in snapshots.
        source: The source of all windows; default: each measurement's own.
        keep_going: Whether a failed window does not stop the others.
        helpers: Gives those who write parts of a measurement's windows.

    Raises:
        ConfigurationError: A token or catalog credential cannot be read, so that no window can be loaded.
    """
    with meter(loaded.planned) as shown:
        for measurement, windows in loaded.plans:
            done = LoadedMeasurement(measurement)
            loaded.measurements.append(done)
            for window in windows:
                if loaded.failures and not keep_going:
                    break
                try:
                    shown.begin(measurement.name, window)
                    result = session.load_window(
                        measurement,
                        window,
                        run_id=run_id,
                        source=source,
                        on_progress=shown.update,
                        helpers=helpers(measurement) if helpers else None,
                    )
                    shown.end()
                except LakeError as error:
                    if error.exit_code != 1:
                        raise
                    failure = failures.of_lake_error(error.about(measurement.name, window))
                    loaded.failures.append(failure.facts)
                    loaded.tried(measurement, window)
                    out.note(f"✗ {failure.text}")
                    failures.note_trace(error)
                    continue
                done.add(result)
                loaded.tried(measurement, window)
                out.line(window_line(measurement, result))


def window_line(measurement: Measurement, result: WindowResult) -> str:
    """The result of a window on one line."""
    before = "" if result.previous_rows in (0, result.rows) else f" (before: {result.previous_rows:,})"
    again = " (as before)" if result.rows and result.previous_rows == result.rows else before
    aside = f" and {result.quarantined_rows:,} in quarantine" if result.quarantined_rows else ""
    return (
        f"✓ {measurement.name} {result.window}  {result.rows:,} rows{again}{aside} in {result.seconds:.2f} s, "
        f"{result.rows_per_second:,.0f} rows/s, {result.bytes_written / 1e6:,.1f} MB"
    )
