"""Converts the errors of HTTP and urllib3."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from influx_lake.config import redact
from influx_lake.config.connections import ServerConfig
from influx_lake.config.connections.limits import MAX_DOCUMENT
from influx_lake.config.values.units import format_size
from influx_lake.config.values.windows import Window
from influx_lake.errors import (
    AnswerTooLarge,
    AuthenticationFailed,
    SourceError,
    TransientSourceError,
    UnexpectedAnswer,
)
from influx_lake.sources.server_errors import ServerErrors

log = logging.getLogger("influx_lake.sources")

_SHOWN = 500
_INTERNAL = "internal error"

Recognise = Callable[[str], SourceError | None]
"""Returns the error for a server's message that has a meaning of its own; None for others."""


class HttpFailures:
    """Makes the errors of one request, with its measurement and window.

    The errors are raised without the original exception in their chain, which may hold the request.

    Attributes:
        where: The server's name in messages.
        patience: How long to wait for the next part of a response, in seconds.

    Args:
        config: The server.
        where: The server's name in messages.
        recognise: Recognises the server's own messages.
        measurement: The measurement of the request.
        window: The window of the request.
        errors: The texts of errors, where they differ from those for queries.
    """

    def __init__(
        self,
        config: ServerConfig,
        where: str,
        recognise: Recognise = lambda message: None,
        measurement: str | None = None,
        window: Window | None = None,
        errors: ServerErrors | None = None,
    ) -> None:
        self.where = where
        self._errors = errors or ServerErrors(where)
        self._config = config
        self._recognise = recognise
        self._measurement = measurement
        self._window = window
        self._logged = set[str]()
        self.patience = config.timeout.total_seconds()

    @contextmanager
    def translating(self, *, before_rows: bool) -> Iterator[None]:
        """A context that converts urllib3's errors.

        Args:
            before_rows: Whether the response has not begun yet.
        """
        from urllib3.exceptions import HTTPError

        failure: SourceError
        try:
            yield
            return
        except HTTPError as error:
            failure = self._of_urllib3(error, before_rows=before_rows)
        except (OSError, ValueError) as error:
            # urllib3 passes a negative chunk length on as a read size, which raises ValueError.
            failure = self._of_connection(error, before_rows=before_rows)
        raise failure

    def of_status(self, status: int, said: bytes, headers: Mapping[str, str]) -> SourceError:
        """The error for a status that is not a success."""
        message = redact(message_of(said) or f"HTTP status {status}")
        # InfluxDB 2 uses this code for a query that failed while running, and others for transient failures.
        if status == 500 and _code(said) == _INTERNAL:
            return self.refused(message)
        return self.name(self._by_status(status, message, headers))

    def refused(self, message: str) -> SourceError:
        """The error for a response that says that the statement failed."""
        message = redact(message)
        return self.name(self._recognise(message) or self._errors.rejected(message))

    def broke_off(self, message: str) -> SourceError:
        """The error for a failure that the response reports between or after rows."""
        message = redact(message)[:_SHOWN]
        return self.name(self._recognise(message) or self._errors.broken(message))

    def warn(self, message: str) -> None:
        """Log a message of the server that came with rows, once for each request or load."""
        message = redact(message)[:_SHOWN]
        if message not in self._logged:
            self._logged.add(message)
            about = " ".join(str(each) for each in (self._measurement, self._window) if each is not None)
            log.warning("%s%s: the server's response has a message: %s", self.where, about and f", {about}", message)

    def truncated(self, what: str) -> SourceError:
        """The error for a truncated response."""
        return self.name(self._errors.broken(what))

    def silence(self) -> SourceError:
        """The error for a server that does not respond in time."""
        return self.name(self._errors.timeout(f"no data arrived for {self.patience:g} s"))

    def check_size(self, size: int) -> None:
        """Refuse a document larger than the source's `max_document`.

        Raises:
            AnswerTooLarge: It is larger.
        """
        if size > self._config.max_document:
            raise self.name(
                AnswerTooLarge(
                    f"{self.where}: a document of the response is larger than {format_size(self._config.max_document)}",
                    remedy=f"Raise the source's `{MAX_DOCUMENT}` if the server's values are as large as that, or read "
                    "shorter windows (longest_query)",
                )
            )

    def check_lines(self, text: bytes) -> None:
        """Check the size of each line.

        Raises:
            AnswerTooLarge: One is larger.
        """
        if len(text) > self._config.max_document:
            self.check_size(max(map(len, text.split(b"\n"))))

    def odd(self, what: str) -> SourceError:
        """The error for a response that does not match the request."""
        return self.name(
            UnexpectedAnswer(
                f"{self.where}: {what}",
                remedy="Check that `host` and `type` are those of the server; else report it with the server's version",
            )
        )

    def name(self, error: SourceError) -> SourceError:
        """The error, with measurement and window."""
        return error.about(self._measurement, self._window)

    def _by_status(self, status: int, message: str, headers: Mapping[str, str]) -> SourceError:
        if status in (401, 403):
            return AuthenticationFailed(
                f"{self.where}: the server did not accept the credentials, or they do not reach this far ({message})",
                remedy="Correct the source's credentials, or grant them read access to the database",
            )
        if known := self._recognise(message):
            return known
        if status in (408, 504):
            return self._errors.timeout(message)
        if status == 429 or status >= 500:
            return with_retry_after(headers, self._errors.busy(message))
        if status < 400 or status == 404:
            place = headers.get("Location")
            return UnexpectedAnswer(
                f"{self.where}: this is not a response of InfluxDB: {status} {message}"
                + (f", it redirects to {redact(place)[:_SHOWN]}" if place else ""),
                remedy="Check that the source's `host` and `type` are those of the server",
            )
        return self._errors.rejected(message)

    def _of_urllib3(self, error: Exception, *, before_rows: bool) -> SourceError:
        from urllib3.exceptions import (
            ConnectTimeoutError,
            MaxRetryError,
            NewConnectionError,
            ReadTimeoutError,
            SSLError,
        )

        if isinstance(error, MaxRetryError) and error.reason is not None:
            error = error.reason
        text = redact(str(error))
        if isinstance(error, SSLError):
            return self.name(self._errors.tls(text))
        if isinstance(error, ReadTimeoutError):
            return self.silence()
        if isinstance(error, ConnectTimeoutError | NewConnectionError):
            return self.name(self._errors.unreachable(text))
        return self._of_connection(error, before_rows=before_rows)

    def _of_connection(self, error: Exception, *, before_rows: bool) -> SourceError:
        text = redact(str(error)) or type(error).__name__
        return self.name(self._errors.unreachable(text) if before_rows else self._errors.broken(text))


def message_of(said: bytes) -> str:
    """The message in an error's body: `{"error": ...}`, `{"message": ...}`, or text."""
    text = said.decode("utf-8", "replace").strip()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text[:_SHOWN]
    if isinstance(found, dict):
        found = found.get("error") or found.get("message") or text
    return (found if isinstance(found, str) else text)[:_SHOWN]


def _code(said: bytes) -> str | None:
    """The code that InfluxDB 2 adds to an error: `{"code": ..., "message": ...}`."""
    try:
        found = json.loads(said)
    except (ValueError, RecursionError):
        return None
    return str(found.get("code")) if isinstance(found, dict) else None


def with_retry_after(headers: Mapping[str, str], error: TransientSourceError) -> TransientSourceError:
    """The error, with the pause that the server's `Retry-After` asks for."""
    said = headers.get("Retry-After", "")
    try:
        wait = timedelta(seconds=int(said)) if said.isdecimal() else parsedate_to_datetime(said) - datetime.now(UTC)
    except (ValueError, TypeError, OverflowError):
        return error
    error.retry_after = max(wait, timedelta(0))
    return error
