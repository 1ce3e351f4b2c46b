"""Reads rows from InfluxDB servers, files and topics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from influx_lake.errors import MissingExtra
from influx_lake.sources.protocol import RowStream, ServerInfo, Source

if TYPE_CHECKING:
    from influx_lake.config.connections import (
        AutoConfig,
        InfluxDB1Config,
        InfluxDB2Config,
        InfluxDB3Config,
        InfluxDB3ParquetConfig,
        KafkaConfig,
        PointFilesConfig,
        SourceConfig,
    )

__all__ = ["RowStream", "ServerInfo", "Source", "open_reliable_source", "open_source"]


def open_source(config: SourceConfig) -> Source:
    """The source for a configuration. Nothing is contacted before it is used."""
    from influx_lake.config.connections import (
        AutoConfig,
        InfluxDB1Config,
        InfluxDB2Config,
        InfluxDB3Config,
        InfluxDB3ParquetConfig,
        KafkaConfig,
        PointFilesConfig,
    )

    opening: tuple[tuple[type[SourceConfig], Callable[[Any], Source]], ...] = (
        (InfluxDB3Config, _influxdb3),
        (InfluxDB3ParquetConfig, _influxdb3_parquet),
        (PointFilesConfig, _point_files),
        (AutoConfig, _auto),
        (InfluxDB2Config, _influxdb2),
        (InfluxDB1Config, _influxdb1),
        (KafkaConfig, _kafka),
    )
    for kind, opened in opening:
        if isinstance(config, kind):
            return opened(config)
    raise TypeError(f"no source is known for {type(config).__name__}")


def open_reliable_source(config: SourceConfig) -> Source:
    """The source for a configuration, with retries of transient failures by its options.

    Sources of files need none: the libraries that open files retry themselves, and a file does not change while it is
    read.
    """
    from influx_lake.config.connections import ServerConfig
    from influx_lake.sources.reliable import ReliableSource, limits_of

    source = open_source(config)
    if not isinstance(config, ServerConfig):
        return source
    return ReliableSource(source, config, limits_of(config.address.url, config), confirms_always=config.confirms_always)


def _auto(config: AutoConfig) -> Source:
    from influx_lake.sources.detection import DetectedSource

    return DetectedSource(config, open_source)


def _influxdb1(config: InfluxDB1Config) -> Source:
    from influx_lake.sources.influxql import InfluxDB1Server, InfluxQLSource

    return InfluxQLSource(InfluxDB1Server(config))


def _influxdb2(config: InfluxDB2Config) -> Source:
    from influx_lake.config.connections import QueryLanguage

    if config.query_language is QueryLanguage.FLUX:
        from influx_lake.sources.flux import FluxSource

        return FluxSource(config)
    from influx_lake.sources.influxql import InfluxDB2Server, InfluxQLSource

    return InfluxQLSource(InfluxDB2Server(config))


def _influxdb3(config: InfluxDB3Config) -> Source:
    from influx_lake.sources.influxdb3 import InfluxDB3Source

    return InfluxDB3Source(config)


def _influxdb3_parquet(config: InfluxDB3ParquetConfig) -> Source:
    from influx_lake.sources.influxdb3_parquet import InfluxDB3ParquetSource

    return InfluxDB3ParquetSource(config)


def _kafka(config: KafkaConfig) -> Source:
    from influx_lake.sources.messages.source import TopicSource

    return TopicSource(config)


def _point_files(config: PointFilesConfig) -> Source:
    from influx_lake.config.connections import LandingZoneConfig, LineProtocolConfig

    try:
        from influx_lake.sources.landing_zone import landing_zone_source
        from influx_lake.sources.line_protocol import line_protocol_source
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        raise MissingExtra("reading files of points", "files") from error
    match config:
        case LandingZoneConfig():
            return landing_zone_source(config)
        case LineProtocolConfig():
            return line_protocol_source(config)
    raise TypeError(f"no source is known for {type(config).__name__}")
