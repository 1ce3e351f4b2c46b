"""The files of a source for loads by Spark: a source for the driver, and the location of a window's points."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from influx_lake.config import LandingZoneConfig, LineProtocolConfig, SourceConfig
from influx_lake.config.connections import InfluxDB3ParquetConfig
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.sources.influxdb3_parquet import InfluxDB3ParquetSource
from influx_lake.sources.landing_zone import LandingZone
from influx_lake.sources.line_protocol import LineProtocolFiles
from influx_lake.sources.points.measurement import MeasurementPoints
from influx_lake.sources.points.source import PointsSource
from influx_lake.sources.protocol import Source
from influx_lake.spark.parsed_files import Frame, ParsedFiles
from influx_lake.spark.parsing import FilesConfig
from influx_lake.spark.session import SparkSource
from influx_lake.spark.shuffled_points import Declared
from influx_lake.spark.slices import Spans


@dataclass(frozen=True, slots=True)
class FoundPoints:
    """The points of a window, as executors get them.

    Attributes:
        spans: Where they lie in time.
        source: The source that executors read; None where points are shuffled.
        declared: The measurement as the driver knows it, where points are shuffled.
        frames: The frames to shuffle, each with the positions of its files by their numbers.
    """

    spans: Spans
    source: SourceConfig | None = None
    declared: Declared | None = None
    frames: list[tuple[Frame, dict[int, int]]] = field(default_factory=list)


class SparkFiles(Protocol):
    """The files of a source."""

    @property
    def source(self) -> Source:
        """The source for the driver, which reads everything but rows."""
        ...

    def found(self, measurement: str, window: Window, schema: MeasurementSchema) -> FoundPoints:
        """Find the points of a window.

        Args:
            measurement: The measurement.
            window: The window.
            schema: The columns of its table.

        Raises:
            SourceError: A file that the window needs cannot be read.
            EngineError: Spark could not parse it.
        """
        ...

    def close(self) -> None:
        """Release them."""
        ...


class PointFiles:
    """Files of points: executors parse them, and Spark shuffles the points by time.

    Args:
        spark: The Spark session.
        config: The source.
    """

    def __init__(self, spark: SparkSource, config: FilesConfig) -> None:
        self._config = config
        self._parsed = ParsedFiles(spark, config)
        self._archive = (
            LandingZone(config, self._parsed)
            if isinstance(config, LandingZoneConfig)
            else LineProtocolFiles(config, self._parsed)
        )
        self.source = PointsSource(self._archive)

    def found(self, measurement: str, window: Window, schema: MeasurementSchema) -> FoundPoints:  # noqa: ARG002 - all
        units = self._archive.units(window, measurement)
        keys = {key for unit in units for key in unit.measurements if key.name == measurement}
        wanted = tuple(key for key in keys if self._archive.wants(key))
        points = MeasurementPoints(units, wanted)
        first, last, values = points.spans()
        tags, fields = self.source.declared(measurement)
        # A row has about as many values as there are fields.
        spans = Spans(first, last, np.maximum(values // max(1, len(points.fields)), 1))
        declared = Declared(
            self.source.identity, wanted, tags, fields, self._archive.merges_numbers, self._config.staging_limit
        )
        return FoundPoints(spans, declared=declared, frames=self._parsed.frames(units))

    def close(self) -> None:
        self.source.close()


class PersistedFiles:
    """The files of an InfluxDB 3 Core, sorted by time: each executor reads its slices itself.

    Args:
        config: The source.
    """

    def __init__(self, config: InfluxDB3ParquetConfig) -> None:
        self._config = config
        self._source = InfluxDB3ParquetSource(config)
        self.source: Source = self._source

    def found(self, measurement: str, window: Window, schema: MeasurementSchema) -> FoundPoints:  # noqa: ARG002 - all
        first, last, rows = self._source.spans(measurement)
        return FoundPoints(Spans(first, last, rows).within(window), source=self._config)

    def close(self) -> None:
        self._source.close()


def spark_files(spark: SparkSource, config: SourceConfig) -> SparkFiles:
    """The files of a source.

    Raises:
        TypeError: It is not a source of files.
    """
    match config:
        case LandingZoneConfig() | LineProtocolConfig():
            return PointFiles(spark, config)
        case InfluxDB3ParquetConfig():
            return PersistedFiles(config)
    raise TypeError(f"Spark cannot load from {type(config).__name__}")
