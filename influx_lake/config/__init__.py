"""The configuration: reads, validates and resolves a lake.yaml."""

from influx_lake.config.catalogs.options import CatalogConfig
from influx_lake.config.connections import (
    InfluxDB3Config,
    InfluxDB3ParquetConfig,
    LandingZoneConfig,
    LineProtocolConfig,
    SourceConfig,
    TlsConfig,
)
from influx_lake.config.lake.alerts import AlertKind, AlertOptions, EmailOptions, MailSecurity
from influx_lake.config.lake.example import example_lake
from influx_lake.config.lake.json_schema import lake_json_schema
from influx_lake.config.lake.lake import Lake, Pattern
from influx_lake.config.lake.lake_store import read_lake
from influx_lake.config.lake.loader import find_config, lake_of, load_lake
from influx_lake.config.lake.operation import Automation, OperationOptions, PoolOptions, RunOptions
from influx_lake.config.measurements.checks import CheckOptions, FreshnessOptions, Severity, ValueRule
from influx_lake.config.measurements.guards import OnChangedValues, OnShrink, Tolerance
from influx_lake.config.measurements.measurement import Measurement
from influx_lake.config.measurements.options import SchemaEvolution
from influx_lake.config.references.secret import Secret, leaks, redact
from influx_lake.config.references.stores import LAKE, STORES
from influx_lake.config.report.diagnostics import ConfigurationProblems, Problem
from influx_lake.config.sources.discovery import Discovered, read_discovered, write_discovered
from influx_lake.config.tables.file_options import Compression, WriteOptions
from influx_lake.config.tables.types import Nanoseconds, OnTypeConflict, RenamedColumns, TimeType, TypeOptions, Unsigned
from influx_lake.config.tables.write_modes import Publish, WriteMode
from influx_lake.config.values.column_names import ColumnNames, column_name

__all__ = [
    "AlertKind",
    "AlertOptions",
    "Automation",
    "CatalogConfig",
    "CheckOptions",
    "ColumnNames",
    "Compression",
    "ConfigurationProblems",
    "Discovered",
    "EmailOptions",
    "FreshnessOptions",
    "InfluxDB3Config",
    "InfluxDB3ParquetConfig",
    "Lake",
    "LandingZoneConfig",
    "LineProtocolConfig",
    "MailSecurity",
    "Measurement",
    "Nanoseconds",
    "OnChangedValues",
    "OnShrink",
    "OnTypeConflict",
    "OperationOptions",
    "Pattern",
    "PoolOptions",
    "Problem",
    "Publish",
    "RenamedColumns",
    "RunOptions",
    "SchemaEvolution",
    "Secret",
    "Severity",
    "SourceConfig",
    "TimeType",
    "TlsConfig",
    "Tolerance",
    "TypeOptions",
    "Unsigned",
    "ValueRule",
    "WriteMode",
    "WriteOptions",
    "column_name",
    "example_lake",
    "find_config",
    "lake_json_schema",
    "lake_of",
    "leaks",
    "load_lake",
    "read_discovered",
    "redact",
    "write_discovered",
]

# Registered last, since it imports documents, which import references, which import stores.
STORES[LAKE] = read_lake
