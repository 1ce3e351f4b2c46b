"""Classifies failed writes as errors of this project, except those about single points."""

from __future__ import annotations

from collections.abc import Mapping

from influx_lake.config import redact
from influx_lake.config.connections import ServerConfig
from influx_lake.errors import (
    AuthenticationFailed,
    DatabaseNotFound,
    QueryRejected,
    SourceError,
    SourceTimeout,
    SourceUnavailable,
    StreamBroken,
    UnexpectedAnswer,
)
from influx_lake.sources.http import HttpFailures
from influx_lake.sources.http.failures import message_of, with_retry_after
from influx_lake.sources.server_errors import ServerErrors

_LOG = "Try again; what was acknowledged is kept. The server's log knows more"


class WriteErrors(ServerErrors):
    """The messages of write errors."""

    def busy(self, text: str) -> SourceUnavailable:
        return SourceUnavailable(
            f"{self.where}: the server cannot take points now: {text}",
            remedy="Try again later, with a lower --rate or --concurrency; what was acknowledged is kept",
        )

    def timeout(self, text: str) -> SourceTimeout:
        return SourceTimeout(
            f"{self.where}: the server did not answer a write in time: {text}",
            remedy="Try again with a smaller --batch-size, or raise the source's `timeout`; what was "
            "acknowledged is kept",
        )

    def broken(self, text: str) -> StreamBroken:
        return StreamBroken(f"{self.where}: the answer to a write broke off: {text}", remedy=_LOG)

    def rejected(self, text: str) -> QueryRejected:
        return QueryRejected(f"{self.where}: the server refused to take points: {text}", remedy=_LOG)


class WriteFailures(HttpFailures):
    """Converts failed writes to errors."""

    def __init__(self, config: ServerConfig, where: str, measurement: str) -> None:
        super().__init__(config, where, measurement=measurement, errors=WriteErrors(where))

    def of_status(self, status: int, body: bytes, headers: Mapping[str, str]) -> SourceError:
        """The error for a status that is not about single points."""
        message = redact(message_of(body) or f"HTTP status {status}")
        if status in (401, 403):
            return self.name(
                AuthenticationFailed(
                    f"{self.where}: the server did not accept the credentials, or they do not reach this far "
                    f"({message})",
                    remedy="Correct the source's credentials, or grant them write access to the database",
                )
            )
        if status == 404:
            return self.name(
                DatabaseNotFound(
                    f"{self.where}: {message}", remedy="Make the database, or bucket; or correct the source's options"
                )
            )
        if status in (408, 504):
            return self.name(self._errors.timeout(message))
        if status == 429 or status >= 500:
            return self.name(with_retry_after(headers, self._errors.busy(message)))
        return self.name(
            UnexpectedAnswer(
                f"{self.where}: this is not how InfluxDB answers a write: {status} {message}",
                remedy="Check that the source's `host` and `type` are those of the server",
            )
        )
