"""Finds the `influxdb3_parquet` sources that are archives of a server's database."""

from __future__ import annotations

from collections.abc import Mapping

from influx_lake.config.connections import AutoConfig, InfluxDB3Config, SourceConfig
from influx_lake.config.connections.influxdb3_parquet import InfluxDB3ParquetConfig


def archives_of(sources: Mapping[str, SourceConfig], config: SourceConfig) -> tuple[str, ...]:
    """The names of the sources that read the Parquet files of a server's database.

    Args:
        sources: The lake's sources.
        config: The server's configuration.
    """
    if not isinstance(config, InfluxDB3Config | AutoConfig):
        return ()
    return tuple(
        name
        for name, other in sources.items()
        if isinstance(other, InfluxDB3ParquetConfig)
        and other.database == config.database
        and (other.server is None or other.server.address == config.address)
    )
