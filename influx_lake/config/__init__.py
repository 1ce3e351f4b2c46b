"""What the user declares: `lake.yaml`, read, checked and resolved."""

from influx_lake.config.alerts import AlertKind, AlertOptions, EmailOptions, MailSecurity
from influx_lake.config.catalog import CatalogConfig
from influx_lake.config.checks import CheckOptions, FreshnessOptions, Severity, ValueRule
from influx_lake.config.column_names import ColumnNames, column_name
from influx_lake.config.connections import (
    InfluxDB3Config,
    InfluxDB3ParquetConfig,
    LandingZoneConfig,
    LineProtocolConfig,
    SourceConfig,
    TlsConfig,
)
from influx_lake.config.discovery import read_discovered, write_discovered
from influx_lake.config.example import example_lake
from influx_lake.config.files import Compression, WriteOptions
from influx_lake.config.guards import OnChangedValues, OnShrink, Tolerance
from influx_lake.config.json_schema import lake_json_schema
from influx_lake.config.lake import Lake, Pattern
from influx_lake.config.lake_store import read_lake
from influx_lake.config.loader import find_config, lake_of, load_lake
from influx_lake.config.measurement import Measurement
from influx_lake.config.modes import WriteMode
from influx_lake.config.operation import Automation, OperationOptions, PoolOptions, RunOptions
from influx_lake.config.options import SchemaEvolution
from influx_lake.config.problems import ConfigurationProblems, Problem
from influx_lake.config.secret import Secret, leaks, redact
from influx_lake.config.stores import LAKE, STORES
from influx_lake.config.types import Nanoseconds, OnTypeConflict, RenamedColumns, TimeType, TypeOptions, Unsigned

__all__ = [
    "AlertKind",
    "AlertOptions",
    "Automation",
    "CatalogConfig",
    "CheckOptions",
    "ColumnNames",
    "Compression",
    "ConfigurationProblems",
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

# It reads documents, which hold references, which are read from stores: so it is the last to be known.
STORES[LAKE] = read_lake
