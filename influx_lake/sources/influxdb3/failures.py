"""Converts the errors of Arrow Flight.

influxdb3-python raises one class for every failed query and keeps Flight's error as its context; a stream's errors are
Flight's own. Flight's classes carry the gRPC status, except that several share one class, and InfluxDB 3 uses INTERNAL
for an unknown database and for its file limit. So the text is checked first, and then the status.
"""

from __future__ import annotations

import re
from dataclasses import replace
from enum import StrEnum

import pyarrow as pa

from influx_lake.config import InfluxDB3Config, redact
from influx_lake.config.connections.limits import MAX_DOCUMENT
from influx_lake.config.values.units import format_size
from influx_lake.config.values.windows import Window
from influx_lake.errors import (
    AuthenticationFailed,
    DatabaseNotFound,
    FileLimitExceeded,
    MeasurementNotFound,
    SourceError,
    UnexpectedAnswer,
)
from influx_lake.sources.server_errors import UNREACHABLE, ServerErrors


class Status(StrEnum):
    """The gRPC status, as far as Flight exposes it."""

    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    UNAVAILABLE = "UNAVAILABLE"
    TIMED_OUT = "DEADLINE_EXCEEDED"
    CANCELLED = "CANCELLED"
    EXHAUSTED = "RESOURCE_EXHAUSTED"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    INTERNAL = "INTERNAL"
    REFUSED = "INVALID_ARGUMENT"
    NONE = "none"
    """Not the server's error: the response could not be decoded."""


_BY_CLASS = {
    "FlightUnauthenticatedError": Status.UNAUTHENTICATED,
    "FlightUnauthorizedError": Status.PERMISSION_DENIED,
    "FlightUnavailableError": Status.UNAVAILABLE,
    "FlightTimedOutError": Status.TIMED_OUT,
    "FlightCancelledError": Status.CANCELLED,
    "FlightInternalError": Status.INTERNAL,
    "FlightServerError": Status.INTERNAL,
    "ArrowNotImplementedError": Status.UNIMPLEMENTED,
}
_GRPC = re.compile(
    r"gRPC client debug context: (?P<status>[A-Z_]+):(?P<message>.*?)\. Client context: ",
    re.DOTALL,
)
_DETAIL = re.compile(r"\. Detail: \w+$")
_BROKEN_CONNECTION = re.compile(
    r"RST_STREAM|stream removed|socket closed|GOAWAY|connection (reset|closed)",
    re.IGNORECASE,
)
_TLS = re.compile(r"SSL_ERROR|handshake failed|not in peer certificate|certificate", re.IGNORECASE)
_NOT_HTTP2 = re.compile(r"Failed parsing HTTP/2|http1\.x server", re.IGNORECASE)
_NO_TABLE = re.compile(r"table '(?:public\.)?iox\.(?P<name>.*)' not found", re.DOTALL)
_NO_DATABASE = re.compile(
    r"(?:^|: )(?:database not found\b|(?:Database|Namespace) \S+ not found)",
    re.IGNORECASE,
)
_NO_COLUMN = re.compile(r"Schema error: No field named ")
_FILE_LIMIT = re.compile(r"Query would .*?exceed\w* (?:the )?file limit", re.IGNORECASE | re.DOTALL)
_UNPLANNED = re.compile(
    r"error while planning query: (?!(?:External|Object Store|IO|Join) error|Resources exhausted)"
    r"|(?:^|\ncaused by\n)(?:Error during planning|SQL error|Schema error): ",
    re.IGNORECASE,
)
"""DataFusion refused the statement; over HTTP, InfluxDB 3.10 adds no prefix to its message. Failures outside of
DataFusion, such as an unavailable store, may be transient.
"""
_UNCOMPUTED = re.compile(
    r"(?:error while executing plan: |^|\ncaused by\n)"
    r"Arrow error: (?:Cast|Parser|Compute|Divide by zero|Arithmetic|Invalid argument)",
    re.IGNORECASE,
)
"""A value for which the statement cannot be computed: a retry meets it again."""
_TIME_IS_UP = re.compile(r"grpc-timeout elapsed")


class Failures:
    """Makes the errors of one request, with its measurement and window.

    They have to be raised without the original exception in their chain: their text has all of the original's, without
    the token.
    """

    def __init__(
        self,
        config: InfluxDB3Config,
        measurement: str | None = None,
        window: Window | None = None,
    ) -> None:
        self._config = config
        self.measurement = measurement
        self.window = window
        address = replace(config.address, port=config.query_port or config.address.port)
        self.where = f"InfluxDB 3 at {address}, database {config.database!r}"
        self._errors = ServerErrors(self.where)

    def before_rows(self, error: BaseException) -> SourceError:
        """The error for a request that failed before its response began."""
        status, text = self._read(error)
        return self._name(self._by_text(status, text) or self._by_status(status, text))

    def amid_rows(self, error: BaseException) -> SourceError:
        """The error for a response that failed before its last row."""
        status, text = self._read(error)
        refused = self._errors.rejected(text) if status is Status.REFUSED else None
        if status is Status.CANCELLED:
            # gRPC reports no more than this for a message that exceeds the limit.
            limit = format_size(self._config.max_document)
            text = f"the call was cancelled, perhaps for a message larger than `{MAX_DOCUMENT}` ({limit}): {text}"
        return self._name(self._by_text(status, text) or refused or self._errors.broken(text))

    def silence(self) -> SourceError:
        """The error for a server that does not respond in time."""
        return self._name(self._errors.timeout(f"no data arrived for {self._config.timeout.total_seconds():g} s"))

    def check_batch(self, batch: pa.RecordBatch) -> None:
        """Check the size and integrity of a batch.

        Raises:
            UnexpectedAnswer: It expanded to more than the source's `max_document`, or is damaged: Arrow does not
                validate what it receives, such as offsets outside of a buffer.
        """
        if batch.nbytes > self._config.max_document:
            limit = format_size(self._config.max_document)
            raise self._name(
                UnexpectedAnswer(
                    f"{self.where}: {batch.num_rows:,} rows of one batch expanded to "
                    f"{batch.nbytes:,} bytes, which is more than the {limit} of `{MAX_DOCUMENT}`",
                    remedy=f"Raise the source's `{MAX_DOCUMENT}` if rows are as large as that",
                )
            )
        try:
            batch.validate(full=True)
        except pa.ArrowInvalid as error:
            raise self.odd(f"a batch is damaged: {error}") from None

    def no_measurement(self, name: str) -> SourceError:
        """The error for an unknown measurement."""
        return self._name(
            MeasurementNotFound(
                f"{self.where}: there is no measurement {name!r}",
                remedy="Correct the name, or write a first point to it",
            )
        )

    def odd(self, what: str) -> SourceError:
        """The error for a response that does not match the request."""
        return self._name(
            UnexpectedAnswer(
                f"{self.where}: {what}",
                remedy="If a column was just dropped or changed, run again; else report it with the server's version",
            )
        )

    def _name(self, error: SourceError) -> SourceError:
        return error.about(self.measurement, self.window)

    def _read(self, error: BaseException) -> tuple[Status, str]:
        wrapped = error.__context__ if type(error).__name__ == "InfluxDB3ClientQueryError" else None
        flight_error = wrapped or error
        text = str(flight_error)
        grpc = _GRPC.search(text)
        message = redact(_DETAIL.sub("", grpc["message"] if grpc else text))
        names = [cls.__name__ for cls in type(flight_error).__mro__]
        status = next((_BY_CLASS[name] for name in names if name in _BY_CLASS), None)
        if status is None and grpc:
            status = Status.EXHAUSTED if grpc["status"] == Status.EXHAUSTED else Status.REFUSED
        elif status is Status.INTERNAL and not grpc:
            status = Status.NONE
        return status or Status.NONE, message

    def _by_text(self, status: Status, text: str) -> SourceError | None:
        """The error where its meaning is the same before and after the first row; None for others."""
        if status is Status.UNAUTHENTICATED:
            return self._unauthenticated(text)
        if status is Status.PERMISSION_DENIED:
            return AuthenticationFailed(
                f"{self.where}: the token may not read this database, or has expired ({text})",
                remedy="Grant the token read access to the database, or make a new one",
            )
        if status is Status.TIMED_OUT or _TIME_IS_UP.search(text):
            return self._errors.timeout(text)
        if status in (Status.UNAVAILABLE, Status.CANCELLED):
            return None
        return self.of_text(text)

    def of_text(self, text: str) -> SourceError | None:
        """The error for a server's message that has a meaning of its own; None for others."""
        if table := _NO_TABLE.search(text):
            return self.no_measurement(table["name"])
        if _NO_COLUMN.search(text):
            # First, since the name may contain any text.
            return self._errors.rejected(text)
        if _NO_DATABASE.search(text):
            return DatabaseNotFound(
                f"{self.where}: there is no such database",
                remedy="Correct the source's `database`, or create it: influxdb3 create database NAME",
            )
        if _FILE_LIMIT.search(text):
            reason, _, _advertisement = text.partition("\n\n")
            return FileLimitExceeded(
                f"{self.where}: the window touches more Parquet files than the server will open ({reason})",
                remedy="Read shorter windows (partition.every: hour), or raise the server's --query-file-limit",
            )
        if _UNPLANNED.search(text) or _UNCOMPUTED.search(text):
            # Over HTTP the server sends this with status 500.
            return self._errors.rejected(text)
        return None

    def _by_status(self, status: Status, text: str) -> SourceError:
        if status is Status.UNAVAILABLE and self._config.address.secure and _TLS.search(text):
            return self._errors.tls(text)
        if status in (Status.UNAVAILABLE, Status.CANCELLED) or (
            status is Status.INTERNAL and _BROKEN_CONNECTION.search(text)
        ):
            return self._unavailable(text)
        if status is Status.EXHAUSTED:
            return self._errors.busy(text)
        if status in (Status.UNIMPLEMENTED, Status.NONE):
            return UnexpectedAnswer(
                f"{self.where}: this is not a response of InfluxDB 3: {text}",
                remedy="Check that `host` and `query_port` are those of an InfluxDB 3",
            )
        return self._errors.rejected(text)

    def _unauthenticated(self, text: str) -> SourceError:
        if self._config.token is None:
            return AuthenticationFailed(
                f"{self.where}: the server requires a token, and none is configured",
                remedy="Set the source's `token`",
            )
        return AuthenticationFailed(
            f"{self.where}: the server did not accept the token ({text})",
            remedy="Correct the source's `token`, or make a new one: influxdb3 create token",
        )

    def _unavailable(self, text: str) -> SourceError:
        remedy = UNREACHABLE
        if _NOT_HTTP2.search(text):
            remedy = "The server is an InfluxDB 1 or 2, or a proxy without HTTP/2. Check the source's `host`"
        elif not self._config.address.secure and _BROKEN_CONNECTION.search(text):
            remedy += ". If the server speaks TLS, write the host with https://"
        return self._errors.unreachable(text, remedy)
