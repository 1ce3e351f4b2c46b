"""Lists the databases of a server."""

from __future__ import annotations

from contextlib import closing

from influx_lake.config.connections import (
    AutoConfig,
    InfluxDB1Config,
    InfluxDB2Config,
    InfluxDB3Config,
    ServerConfig,
    SourceConfig,
)
from influx_lake.errors import ConfigurationError


def databases_of(config: ServerConfig) -> list[str]:
    """The databases, or buckets, that the credentials can read.

    Raises:
        SourceError: The server does not list them.
    """
    found: SourceConfig = config
    if isinstance(config, AutoConfig):
        from influx_lake.sources.detection import detected

        found = detected(config)
    match found:
        case InfluxDB1Config():
            return _of_influxdb1(found)
        case InfluxDB2Config():
            return _of_influxdb2(found)
        case InfluxDB3Config():
            return _of_influxdb3(found)
    raise ConfigurationError(
        f"a source of type {found.type} cannot list databases", remedy="Name one database in each entry of `sources`"
    )


def _of_influxdb1(config: InfluxDB1Config) -> list[str]:
    from influx_lake.sources.influxql import InfluxDB1Server, InfluxQLSource

    with closing(InfluxQLSource(InfluxDB1Server(config))) as source:
        return source.databases()


def _of_influxdb2(config: InfluxDB2Config) -> list[str]:
    from influx_lake.sources.influxql import InfluxDB2Server

    server = InfluxDB2Server(config)
    return server.buckets()


def _of_influxdb3(config: InfluxDB3Config) -> list[str]:
    from influx_lake.sources.influxdb3.http_queries import HttpQueries

    with closing(HttpQueries(config)) as queries:
        return queries.databases()
