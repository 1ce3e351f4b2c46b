"""Which source holds the files that another one's server has persisted."""

from __future__ import annotations

from collections.abc import Mapping

from influx_lake.config.connections import AutoConfig, InfluxDB3Config, SourceConfig
from influx_lake.config.connections.influxdb3_parquet import InfluxDB3ParquetConfig


def archives_of(sources: Mapping[str, SourceConfig], config: SourceConfig) -> tuple[str, ...]:
    """The sources that read the Parquet files of a server's database, by name.

    Args:
        sources: The lake's sources.
        config: The server.
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
