"""Asks a server for its statistics, by its version."""

from __future__ import annotations

from collections.abc import Sequence

from influx_lake.config.connections import (
    AutoConfig,
    InfluxDB1Config,
    InfluxDB2Config,
    InfluxDB3Config,
    SourceConfig,
)
from influx_lake.sources.detection import detected
from influx_lake.sources.usage.server_statistics import SourceUsage


def usage_of(config: SourceConfig, measurements: Sequence[str]) -> SourceUsage:
    """The statistics of a server about a database.

    Args:
        config: The source.
        measurements: The measurements to ask for one by one.

    Raises:
        SourceError: It cannot be reached, or not with these credentials.
    """
    if isinstance(config, AutoConfig):
        config = detected(config)
    match config:
        case InfluxDB1Config():
            from influx_lake.sources.usage.influxdb1 import usage_of_influxdb1

            return usage_of_influxdb1(config, measurements)
        case InfluxDB2Config():
            from influx_lake.sources.usage.influxdb2 import usage_of_influxdb2

            return usage_of_influxdb2(config, measurements)
        case InfluxDB3Config():
            from influx_lake.sources.usage.influxdb3 import usage_of_influxdb3

            return usage_of_influxdb3(config, measurements)
    return SourceUsage(not_told={"everything": "files have no server with statistics"})
