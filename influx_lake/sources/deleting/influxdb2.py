"""Deletes windows at an InfluxDB 2, by `/api/v2/delete`, whose `stop` is inclusive (observed with 2.7)."""

from __future__ import annotations

from typing import Any

from influx_lake.config.connections import InfluxDB2Config
from influx_lake.config.values.windows import Window
from influx_lake.sources.http import HttpConnection, Request
from influx_lake.sources.influxql import InfluxDB2Server
from influx_lake.sources.influxql.statements import identifier

_NO_CONTENT = 204


class InfluxDB2Deletion:
    """Deletes windows at one bucket of an InfluxDB 2.

    Args:
        config: The server and its bucket.
    """

    def __init__(self, config: InfluxDB2Config) -> None:
        self._config = config
        self._server = InfluxDB2Server(config)
        self._http = HttpConnection(config, self._server.headers)

    def objection(self, measurement: str, window: Window) -> str | None:  # noqa: ARG002 - of the bucket as a whole
        """Why a window cannot be deleted: `dbrp` may map to another bucket than the one that is deleted from."""
        if self._config.dbrp is None:
            return None
        if self._server.is_mapped(self._http):
            return None
        return (
            f"`dbrp: {self._config.dbrp}` is not known to be a name of the bucket {self._config.bucket!r}: what is "
            "read may be another bucket than the one that would be deleted from. Leave `dbrp` out, or correct it"
        )

    def delete(self, measurement: str, window: Window) -> None:
        """Delete every point of a window."""
        failures = self._server.failures(measurement, window)
        path = f"/api/v2/delete?{Request.query(org=self._config.org, bucket=self._config.bucket)}"
        status, headers, body = self._http.answer_to(Request.json(path, content(measurement, window)), failures)
        if status != _NO_CONTENT:
            raise failures.of_status(status, body, headers)

    def close(self) -> None:
        """Release connections."""
        self._http.close()


def content(measurement: str, window: Window) -> dict[str, Any]:
    """The request body: the measurement alone, up to the last nanosecond of the window."""
    start, end = (f"{moment:%Y-%m-%dT%H:%M:%S.%f}" for moment in (window.start, window.last_microsecond))
    return {"start": f"{start}Z", "stop": f"{end}999Z", "predicate": f"_measurement={identifier(measurement)}"}
