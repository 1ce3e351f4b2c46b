"""A source of type `auto`, whose server's version is detected on first use."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from influx_lake.config.connections import AutoConfig, SourceConfig
from influx_lake.config.values.conditions import Condition
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.errors import ConfigurationError
from influx_lake.sources.conditions import takes
from influx_lake.sources.http import HttpConnection, HttpFailures
from influx_lake.sources.http.credentials import header_value
from influx_lake.sources.http.documents import json_of
from influx_lake.sources.listing import Listing, listing_of
from influx_lake.sources.protocol import RowStream, ServerInfo, Source
from influx_lake.sources.row_confirmation import Counts, RowConfirmation, row_confirmation_of
from influx_lake.sources.selected_counts import selected_counts
from influx_lake.sources.window_counts import counts_of

_VERSION = re.compile(r"v?([1-9])\.")


class DetectedSource:
    """A source of the type that its server turns out to be.

    Creating one contacts nothing; its first use detects the version.

    Args:
        config: The server.
        open_source: Opens a source of a known type.
    """

    def __init__(self, config: AutoConfig, open_source: Callable[[SourceConfig], Source]) -> None:
        self._config = config
        self._open_source = open_source
        self._lock = threading.Lock()
        self._found: Source | None = None

    @property
    def identity(self) -> str:
        return self._source.identity

    def __repr__(self) -> str:
        return f"DetectedSource({str(self._config.address)!r})"

    def server(self) -> ServerInfo:
        return self._source.server()

    def measurements(self) -> list[str]:
        return self._source.measurements()

    def listing(self) -> Listing:
        return listing_of(self._source)

    def schema(self, measurement: str) -> MeasurementSchema:
        return self._source.schema(measurement)

    def read(self, schema: MeasurementSchema, window: Window) -> AbstractContextManager[RowStream]:
        return self._source.read(schema, window)

    def count(self, measurement: str, window: Window) -> int:
        return self._source.count(measurement, window)

    def counts(self, measurement: str, windows: Sequence[Window]) -> list[int]:
        return counts_of(self._source, measurement, windows)

    def takes(self, schema: MeasurementSchema, condition: Condition) -> bool:
        return takes(self._source, schema, condition)

    def selected_counts(self, schema: MeasurementSchema, windows: Sequence[Window]) -> list[int]:
        return selected_counts(self._source, schema, windows)

    def first_time(self, measurement: str) -> datetime | None:
        return self._source.first_time(measurement)

    def row_confirmation(self, schema: MeasurementSchema) -> RowConfirmation:
        return _DetectedConfirmation(self, schema)

    def close(self) -> None:
        with self._lock:
            if self._found is not None:
                self._found.close()

    @property
    def _source(self) -> Source:
        with self._lock:
            if self._found is None:
                self._found = self._open_source(detected(self._config))
            return self._found


@dataclass(frozen=True, slots=True)
class _DetectedConfirmation:
    """The row confirmation of the detected version, which is detected on first use."""

    detected: DetectedSource
    schema: MeasurementSchema

    def arrived(self, batch: pa.RecordBatch) -> Counts:
        return self._confirmation.arrived(batch)

    def at_source(self, window: Window) -> Counts:
        return self._confirmation.at_source(window)

    @property
    def _confirmation(self) -> RowConfirmation:
        return row_confirmation_of(self.detected._source, self.schema)


def detected(config: AutoConfig) -> SourceConfig:
    """The configuration for the version of the server.

    Raises:
        SourceError: No server answers, or one that is not InfluxDB.
        ConfigurationError: The version needs other options.
    """
    version = version_of(config)
    try:
        return config.of_version(version)
    except ValidationError as error:
        mistakes = (f"{'.'.join(map(str, each['loc'])) or 'options'}: {each['msg']}" for each in error.errors())
        # Not chained: pydantic's error contains the input.
        message = f"InfluxDB {version} answers at {config.address}, which needs other options: {'; '.join(mistakes)}"
    raise ConfigurationError(message, remedy=f"Set the options of InfluxDB {version}, or write type: influxdb{version}")


def version_of(config: AutoConfig) -> int:
    """The major version of the server.

    Raises:
        SourceError: No server answers, or one that is not InfluxDB.
    """

    def headers() -> Mapping[str, str]:
        # InfluxDB 3 identifies itself only to authenticated clients; the others ignore the token.
        return {} if config.token is None else header_value("Bearer", config.token, config)

    connection = HttpConnection(config, headers)
    try:
        return _version(connection, HttpFailures(config, f"InfluxDB at {config.address}"))
    finally:
        connection.close()


def _version(connection: HttpConnection, failures: HttpFailures) -> int:
    """The major version, by `/ping`, else by other endpoints and headers."""
    _, headers, body = connection.look("/ping", failures)
    said = _object(body)
    words = [str(said.get("version", "")), headers.get("X-Influxdb-Version", "")]
    found = next((int(match[1]) for word in words if (match := _VERSION.match(word))), None)
    if found in (1, 2, 3):
        return found
    if "cluster-uuid" in headers:
        return 3
    if "X-Influxdb-Build" not in headers and "X-Influxdb-Version" not in headers:
        raise failures.odd("the server does not identify itself as InfluxDB")
    _, _, setup = connection.look("/api/v2/setup", failures)
    return 2 if "allowed" in _object(setup) or headers.get("X-Influxdb-Build", "").lower() == "cloud" else 1


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = json_of(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
