"""Windows that Spark loads: one driver process for all windows of a step, over Dagster Pipes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

import dagster as dg

from influx_lake.config import Lake, Measurement
from influx_lake.config.values.load_engines import LoadEngine
from influx_lake.config.values.windows import Window
from influx_lake.errors import EngineError, LakeError
from influx_lake.orchestration.partition_events import step_of

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from influx_lake.iceberg.window_result import WindowResult


@dataclass(frozen=True, slots=True)
class SparkWindows:
    """The windows of a lake that Spark loads, and their driver processes.

    Attributes:
        lake: The lake.
    """

    lake: Lake

    def takes(self, measurement: Measurement, window: Window) -> bool:
        """Whether Spark loads a window."""
        return self.lake.engine_of(measurement, measurement.source_of(window)) is LoadEngine.SPARK

    def of_step(self, catalog: Catalog, measurement: Measurement, windows: Sequence[Window]) -> SparkJob:
        """The job for the windows of a step. It starts with the first request for a result."""
        return SparkJob(self.lake, catalog, measurement, windows)


@dataclass(slots=True)
class SparkJob:
    """The windows of a step, loaded by one process that drives Spark.

    Attributes:
        lake: The lake.
        catalog: The catalog of the table.
        measurement: The measurement.
        windows: Its windows.
    """

    lake: Lake
    catalog: Catalog
    measurement: Measurement
    windows: Sequence[Window]
    _messages: Sequence[Any] | None = None
    _lock: Lock = field(default_factory=Lock)

    def result(self, window: Window) -> WindowResult:
        """The result of a window.

        Raises:
            LakeError: The window failed, or one before it.
            EngineError: The process ended without reporting the window.
        """
        from influx_lake.iceberg.scan.reader import open_table
        from influx_lake.orchestration.spark.results import heard, heard_error

        with self._lock:
            # Several threads ask for windows, and one job loads them all.
            messages = self._messages = self._run() if self._messages is None else self._messages
        for message in messages:
            if message.get("loaded", {}).get("window") == str(window):
                table = open_table(self.catalog, self.measurement.identifier, self.measurement.share)
                return heard(message["loaded"], table)
        for message in messages:
            if "error" in message:
                raise heard_error(message["error"])
        raise EngineError("the process that drives Spark ended without reporting the window")

    def _run(self) -> Sequence[Any]:
        from influx_lake.orchestration.spark.drivers import driver_of
        from influx_lake.orchestration.spark.job import REQUEST, JobRequest
        from influx_lake.orchestration.spark.results import joined

        step = step_of()
        request = JobRequest.of(self.lake, self.measurement, self.windows, step.run.run_id)
        driver = driver_of(self.lake.spark)
        try:
            done = driver.run(step, {REQUEST: request.written()})
        except (LakeError, dg.DagsterExecutionInterruptedError):
            raise
        except Exception as error:
            raise EngineError(
                f"{driver.name} ended before it was done: {error}",
                remedy=f"Its output is in {driver.output}; what it committed is in the table, and loading it again "
                "changes nothing",
            ) from None
        return joined(done.get_custom_messages())


@dataclass(frozen=True, slots=True)
class SparkWindow:
    """A window that a job loads; see `LoadedElsewhere`.

    Attributes:
        job: The job.
        subject: The measurement.
        window: The window.
    """

    job: SparkJob
    subject: str
    window: Window

    def result(self) -> WindowResult:
        """The result of the load; the first call runs the job."""
        return self.job.result(self.window)
