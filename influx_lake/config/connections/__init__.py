"""Source types: one pydantic model for each `type` of an entry of `sources`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from influx_lake.config.connections.auto import AutoConfig
from influx_lake.config.connections.base import CloseSecret, SourceConfig
from influx_lake.config.connections.influxdb1 import InfluxDB1Config
from influx_lake.config.connections.influxdb2 import InfluxDB2Config, QueryLanguage
from influx_lake.config.connections.influxdb3 import InfluxDB3Config, Protocol
from influx_lake.config.connections.influxdb3_parquet import InfluxDB3ParquetConfig
from influx_lake.config.connections.kafka import KafkaConfig
from influx_lake.config.connections.landing_zone import LandingZoneConfig
from influx_lake.config.connections.line_protocol import LineProtocolConfig
from influx_lake.config.connections.point_files import PointFilesConfig
from influx_lake.config.connections.records import LandedMeasurement, RecordOptions
from influx_lake.config.connections.server import ServerConfig, TlsConfig
from influx_lake.config.values.locations import LocalFile

__all__ = [
    "DEFAULT_TYPE",
    "SOURCE_TYPES",
    "AutoConfig",
    "CloseSecret",
    "InfluxDB1Config",
    "InfluxDB2Config",
    "InfluxDB3Config",
    "InfluxDB3ParquetConfig",
    "KafkaConfig",
    "LandedMeasurement",
    "LandingZoneConfig",
    "LineProtocolConfig",
    "LocalFile",
    "PointFilesConfig",
    "Protocol",
    "QueryLanguage",
    "RecordOptions",
    "ServerConfig",
    "SourceConfig",
    "TlsConfig",
    "source_model",
]

DEFAULT_TYPE = "influxdb3"
"""The default `type`."""

SOURCE_TYPES: Mapping[str, type[SourceConfig]] = MappingProxyType(
    {
        "influxdb3": InfluxDB3Config,
        "influxdb2": InfluxDB2Config,
        "influxdb1": InfluxDB1Config,
        "influxdb3_parquet": InfluxDB3ParquetConfig,
        "landing_zone": LandingZoneConfig,
        "auto": AutoConfig,
        "line_protocol": LineProtocolConfig,
        "kafka": KafkaConfig,
    }
)
"""The models by `type`."""


def source_model(options: Mapping[str, Any]) -> type[SourceConfig] | None:
    """The model for the `type` of an entry; None for an unknown type."""
    kind = options.get("type", DEFAULT_TYPE)
    return SOURCE_TYPES.get(kind) if isinstance(kind, str) else None
