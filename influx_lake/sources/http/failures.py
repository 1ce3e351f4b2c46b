"""What a failed request means: one of our errors for each of HTTP's and urllib3's."""

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
"""Makes the error for a message of the server, where it means something of its own."""


class HttpFailures:
    """Makes our errors from those of one request, and names what the request was about.

    The errors it makes are raised without the original in their chain, which may hold what was sent.

    Attributes:
        where: What the server is called in messages.
        patience: How many seconds to wait for the next part of an answer.

    Args:
        config: The server.
        where: What it is called in messages.
        recognise: Knows the server's own messages.
        measurement: What is asked for.
        window: Of which time.
        errors: Words the errors, where other words are wanted than those for queries.
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
        self._told = set[str]()
        self.patience = config.timeout.total_seconds()

    @contextmanager
    def translating(self, *, before_rows: bool) -> Iterator[None]:
        """Turn urllib3's errors into ours.

        Args:
            before_rows: Whether nothing of the answer has come yet.
        """
        from urllib3.exceptions import HTTPError

        failure: SourceError
        try:
            yield
            return
        except HTTPError as error:
            failure = self._of_urllib3(error, before_rows=before_rows)
        except (OSError, ValueError) as error:
            # urllib3 takes a chunk of negative length for what the caller asked for.
            failure = self._of_connection(error, before_rows=before_rows)
        raise failure

    def of_status(self, status: int, said: bytes, headers: Mapping[str, str]) -> SourceError:
        """The server answered with a status that is not a success."""
        message = redact(message_of(said) or f"HTTP status {status}")
        # InfluxDB 2 says so of a query that failed as it ran, and has other words for what can pass.
        if status == 500 and _code(said) == _INTERNAL:
            return self.refused(message)
        return self.name(self._by_status(status, message, headers))

    def refused(self, message: str) -> SourceError:
        """The server says in its answer that a statement failed."""
        message = redact(message)
        return self.name(self._recognise(message) or self._errors.rejected(message))

    def broke_off(self, message: str) -> SourceError:
        """The server says in its answer, between or behind rows, that it failed."""
        message = redact(message)[:_SHOWN]
        return self.name(self._recognise(message) or self._errors.broken(message))

    def warn(self, message: str) -> None:
        """Log what the server says beside the rows of its answers, once for each request or load that this is for."""
        message = redact(message)[:_SHOWN]
        if message not in self._told:
            self._told.add(message)
            about = " ".join(str(each) for each in (self._measurement, self._window) if each is not None)
            log.warning("%s%s: the server says with its answer: %s", self.where, about and f", {about}", message)

    def truncated(self, what: str) -> SourceError:
        """The answer ended before its end."""
        return self.name(self._errors.broken(what))

    def silence(self) -> SourceError:
        """The server neither answered nor failed."""
        return self.name(self._errors.timeout(f"nothing came for {self.patience:g} s"))

    def check_size(self, size: int) -> None:
        """Refuse to hold more of a document than the source's `max_document`.

        Raises:
            AnswerTooLarge: It is larger.
        """
        if size > self._config.max_document:
            raise self.name(
                AnswerTooLarge(
                    f"{self.where}: one document of the answer is larger than {format_size(self._config.max_document)}",
                    remedy=f"Raise the source's `{MAX_DOCUMENT}` if the server's values are as large as that, or read "
                    "shorter windows (longest_query)",
                )
            )

    def check_lines(self, text: bytes) -> None:
        """The same for each line of some.

        Raises:
            AnswerTooLarge: One is larger.
        """
        if len(text) > self._config.max_document:
            self.check_size(max(map(len, text.split(b"\n"))))

    def odd(self, what: str) -> SourceError:
        """An answer that is not what was asked for."""
        return self.name(
            UnexpectedAnswer(
                f"{self.where}: {what}",
                remedy="Check that `host` and `type` are those of the server; else report it with the server's version",
            )
        )

    def name(self, error: SourceError) -> SourceError:
        """The error, with what the request was about."""
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
                f"{self.where}: this is not how InfluxDB answers: {status} {message}"
                + (f", it sends us to {redact(place)[:_SHOWN]}" if place else ""),
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
    """What an error's body says: `{"error": ...}`, `{"message": ...}`, or text."""
    text = said.decode("utf-8", "replace").strip()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text[:_SHOWN]
    if isinstance(found, dict):
        found = found.get("error") or found.get("message") or text
    return (found if isinstance(found, str) else text)[:_SHOWN]


def _code(said: bytes) -> str | None:
    """The word for an error that InfluxDB 2 puts beside its text: `{"code": ..., "message": ...}`."""
    try:
        found = json.loads(said)
    except (ValueError, RecursionError):
        return None
    return str(found.get("code")) if isinstance(found, dict) else None


def with_retry_after(headers: Mapping[str, str], error: TransientSourceError) -> TransientSourceError:
    """The error, with the time that the server asks to be left alone."""
    said = headers.get("Retry-After", "")
    try:
        wait = timedelta(seconds=int(said)) if said.isdecimal() else parsedate_to_datetime(said) - datetime.now(UTC)
    except (ValueError, TypeError, OverflowError):
        return error
    error.retry_after = max(wait, timedelta(0))
    return error
