"""Loads windows by Spark from a lake's sources of files."""

from __future__ import annotations

import threading

from influx_lake.config import Lake, Measurement
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.errors import ConfigurationError
from influx_lake.sources.protocol import Source
from influx_lake.spark.session import SparkSource, is_submitted
from influx_lake.spark.spark_files import SparkFiles, spark_files
from influx_lake.spark.window_parts import WindowParts
from influx_lake.transforms import LoadContext


class SparkEngine:
    """The Spark session of a lake, and the files that it reads. Both are opened on demand; threads may share it.

    Args:
        lake: The lake.

    Raises:
        ConfigurationError: A service is to drive Spark, and this process is none of its.
    """

    def __init__(self, lake: Lake) -> None:
        if lake.spark.run_on is not None and not is_submitted():
            raise ConfigurationError(
                f"Spark is to be driven by {lake.spark.run_on.service.called} (`run_on` of the section `spark`), and "
                "only runs of Dagster have it do so: here, this machine would have to do all of it",
                remedy="Start a run of Dagster: `influx-lake ui`, or `dagster asset materialize --select ... "
                "--partition ...`. To drive Spark from here, use a lake.yaml without `run_on`",
            )
        self._lake = lake
        self._spark = SparkSource(lake.spark)
        self._files: dict[str, SparkFiles] = {}
        self._lock = threading.Lock()

    def source(self, name: str) -> Source:
        """A source of files, which the driver asks for everything but rows."""
        return self._files_of(name).source

    def distributor(self, name: str) -> SparkDistributor:
        """The distributor of a source's windows; see `Distributor`."""
        return SparkDistributor(self._lake, self._spark, self._files_of(name))

    def close(self) -> None:
        """Release the files, and stop Spark where this engine started it."""
        with self._lock:
            for files in self._files.values():
                files.close()
            self._files.clear()
        self._spark.close()

    def _files_of(self, name: str) -> SparkFiles:
        with self._lock:
            if name not in self._files:
                self._files[name] = spark_files(self._spark, self._lake.source(name))
            return self._files[name]


class SparkDistributor:
    """Writes windows by Spark.

    Args:
        lake: The lake.
        spark: The Spark.
        files: The files of the source.
    """

    def __init__(self, lake: Lake, spark: SparkSource, files: SparkFiles) -> None:
        self._lake = lake
        self._spark = spark
        self._files = files

    def parts(
        self, measurement: Measurement, schema: MeasurementSchema, context: LoadContext, identities: tuple[str, ...]
    ) -> WindowParts:
        """The writer of a window's parts; see `Distributor`."""
        rows = self._lake.spark.rows_per_task
        return WindowParts(self._spark, self._files, self._lake.catalog, measurement, schema, context, identities, rows)
