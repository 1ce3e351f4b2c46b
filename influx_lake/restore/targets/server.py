"""Writes line protocol to InfluxDB 1, 2 and 3 over HTTP."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from influx_lake.config.connections import AutoConfig, InfluxDB1Config, InfluxDB2Config, InfluxDB3Config, ServerConfig
from influx_lake.config.connections.base import SourceConfig
from influx_lake.config.connections.influxdb1 import ALL_RETENTION_POLICIES
from influx_lake.errors import ConfigurationError
from influx_lake.restore.delivery.batch import Batch
from influx_lake.restore.delivery.refused_points import Answer
from influx_lake.restore.lines.dialect import GO, RUST, Dialect
from influx_lake.restore.targets.write_failures import WriteFailures
from influx_lake.restore.targets.write_responses import answer_of
from influx_lake.sources.detection import detected
from influx_lake.sources.http import HttpConnection, Request
from influx_lake.sources.http.credentials import header_value
from influx_lake.sources.influxql import InfluxDB1Server, InfluxDB2Server

_TAKEN = (200, 204)
_ABOUT_POINTS = (400, 413, 422)
_NO_SUCH_PATH = (404, 405)
_GZIP = 31
_FAST = 1


@dataclass(frozen=True, slots=True)
class WriteEndpoint:
    """The write API of a server, for one measurement.

    Attributes:
        config: The source's configuration.
        where: Its name in messages.
        headers: The credentials.
        path: The path, with its query.
        measurement: The measurement's name there.
        dialect: Its dialect of line protocol.
        other_path: An alternative path, for servers without the first one.
    """

    config: ServerConfig
    where: str
    headers: Mapping[str, str]
    path: str
    measurement: str
    dialect: Dialect
    other_path: str | None = None


def endpoint_of(config: SourceConfig, measurement: str) -> WriteEndpoint:
    """The write API of a source of the lake.

    Args:
        config: The source.
        measurement: The measurement's name, as it will be read back.

    Raises:
        ConfigurationError: The source cannot be written to.
        SourceError: The server's version cannot be determined.
    """
    match config:
        case AutoConfig():
            return endpoint_of(detected(config), measurement)
        case InfluxDB1Config():
            return _influxdb1(config, measurement)
        case InfluxDB2Config():
            server = InfluxDB2Server(config)
            path = "/api/v2/write?" + urlencode({"org": config.org, "bucket": config.bucket})
            return WriteEndpoint(config, server.failures().where, server.headers(), path, measurement, GO)
        case InfluxDB3Config():
            where = f"InfluxDB 3 at {config.address}, database {config.database!r}"
            headers = {} if config.token is None else header_value("Bearer", config.token, config)
            path = "/api/v3/write_lp?" + urlencode({"db": config.database, "precision": "nanosecond"})
            # Cloud Dedicated, Clustered and Serverless have the older path alone.
            other = "/api/v2/write?" + urlencode({"bucket": config.database, "precision": "ns"})
            return WriteEndpoint(config, where, headers, path, measurement, RUST, other)
    raise ConfigurationError(
        f"{config.label} takes no points: a source of type {config.type} is only read",
        remedy="Name a source that is an InfluxDB, or a folder for files of line protocol, such as --to exports/",
    )


def _influxdb1(config: InfluxDB1Config, measurement: str) -> WriteEndpoint:
    policy, name = config.retention_policy, measurement
    if policy == ALL_RETENTION_POLICIES:
        policy, separator, name = measurement.partition(".")
        if not separator or not name:
            raise ConfigurationError(
                f"{config.label} is read with all its retention policies, and {measurement!r} names none",
                remedy="Write --as POLICY.MEASUREMENT",
            )
    server = InfluxDB1Server(config)
    query = urlencode({"db": config.database, **({"rp": policy} if policy else {})})
    return WriteEndpoint(config, server.failures().where, server.headers(), f"/write?{query}", name, GO)


class ServerTarget:
    """Sends lines to a server's write API; threads may share it.

    Args:
        endpoint: The write API.
    """

    def __init__(self, endpoint: WriteEndpoint) -> None:
        self._endpoint = endpoint
        self._path = endpoint.path
        self._connection = HttpConnection(endpoint.config, lambda: endpoint.headers)

    def send(self, batch: Batch) -> Answer | None:
        """Send lines, compressed.

        Returns:
            What the server says of those that it does not take; None where it takes all.

        Raises:
            SourceError: It is unknown whether they were written, or the server refuses all writes.
        """
        endpoint = self._endpoint
        failures = WriteFailures(endpoint.config, endpoint.where, endpoint.measurement)
        packed = _packed(batch.body)
        status, headers, response = self._sent(packed, failures)
        if status in _NO_SUCH_PATH and endpoint.other_path is not None and self._path != endpoint.other_path:
            self._path = endpoint.other_path
            status, headers, response = self._sent(packed, failures)
        if status in _TAKEN:
            return None
        if status in _ABOUT_POINTS:
            return answer_of(status, response, batch)
        raise failures.of_status(status, response, headers).about(window=batch.window)

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def _sent(self, packed: bytes, failures: WriteFailures) -> tuple[int, Mapping[str, str], bytes]:
        headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain; charset=utf-8"}
        return self._connection.answer_to(Request("POST", self._path, packed, headers), failures)


def _packed(body: bytes) -> bytes:
    packer = zlib.compressobj(_FAST, zlib.DEFLATED, _GZIP)
    return packer.compress(body) + packer.flush()
