"""The exception hierarchy of the project, classed by what a user can do about an error.

```
LakeError
├── ConfigurationError      edit lake.yaml, the arguments or the environment
│   └── MissingPackage      install the named package, or extra (MissingExtra)
├── SourceError             the InfluxDB side
│   ├── TransientSourceError    try again later
│   └── PermanentSourceError    trying again changes nothing
├── DataRefused             a value cannot be stored exactly
├── SchemaConflict          the table's schema and the source's cannot both be right
├── CatalogError            the Iceberg catalog: CatalogUnavailable (try again), CatalogRefused
├── TableUnsupported        the table uses features that cannot be written here
├── StorageError            files cannot be written or read, or not now (StorageUnavailable: try again)
├── CommitError             CommitConflict (try again), CommitOutcomeUnknown
├── EngineError             a query engine for maintenance: EngineUnavailable (try again)
├── DaemonSilent            no heartbeat of Dagster's daemon (try again)
├── AlertNotDelivered       an alert was not delivered (try again)
├── UnforeseenError         an unexpected exception
└── GuardError              a rule that protects the lake stopped the window
```
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import ClassVar, Self

from influx_lake.printable import printable, printable_name


class LakeError(Exception):
    """The base class of all errors of this project.

    Line breaks and control characters in messages are escaped, so that no name can forge a line of a log.

    Attributes:
        message: What failed and why.
        remedy: What the reader can do about it.
        measurement: The measurement concerned, if any.
        window: The window concerned, as `start/end`, if any.
        transient: Whether the same call may succeed later with nothing changed.
        exit_code: What the command line returns for it: 1 failed, 2 bad usage or configuration.
        has_lines: Whether the message has intended line breaks.
    """

    transient: ClassVar[bool] = False
    has_lines: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        remedy: str | None = None,
        measurement: str | None = None,
        window: str | None = None,
    ) -> None:
        message = self._printable(message)
        super().__init__(message)
        self.message = message
        self.remedy = remedy and self._printable(remedy)
        self.measurement = measurement
        self.window = window

    def about(self, measurement: str | None = None, window: object = None) -> Self:
        """Name the measurement and window, unless a deeper layer already did, and return the error."""
        self.measurement = self.measurement or measurement
        if self.window is None and window is not None:
            self.window = str(window)
        return self

    def __str__(self) -> str:
        subject = [f"measurement {self.measurement}"] if self.measurement else []
        subject += [f"window {self.window}"] if self.window else []
        text = f"{', '.join(subject)}: {self.message}" if subject else self.message
        return self._printable(f"{text.rstrip('.')}. {self.remedy}" if self.remedy else text)

    @classmethod
    def _printable(cls, text: str) -> str:
        return printable(text) if cls.has_lines else printable_name(text)


@contextmanager
def naming(measurement: str | None = None, window: object = None) -> Iterator[None]:
    """A context that adds measurement and window to every error, and wraps exceptions that are not of this project.

    Raises:
        LakeError: Every error; exceptions of other classes become an `UnforeseenError`.
    """
    try:
        yield
    except LakeError as error:
        error.about(measurement, window)
        raise
    except Exception as error:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise UnforeseenError(text, remedy=UnforeseenError.WHERE).about(measurement, window) from error


class ConfigurationError(LakeError):
    """Something the user wrote (lake.yaml, arguments, environment) is not usable."""

    exit_code = 2


class MissingPackage(ConfigurationError):
    """`feature` needs a package that is not installed; `package` is its name for pip."""

    def __init__(self, feature: str, package: str) -> None:
        quoted = f"'{package}'" if "[" in package else package
        super().__init__(
            f"{feature} needs the package {package}, which is not installed",
            remedy=f"Install it with: pip install {quoted}",
        )


class MissingExtra(MissingPackage):
    """`feature` needs `extra`, an extra of this project whose packages are not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        LakeError.__init__(
            self,
            f"{feature} needs packages that are not installed",
            remedy=f"Install them with: pip install 'influx-lake[{extra}]'",
        )


class SourceError(LakeError):
    """The InfluxDB side failed.

    Attributes:
        too_large: Whether a query for less time may succeed where this one failed.
    """

    too_large: ClassVar[bool] = False


class TransientSourceError(SourceError):
    """The same request may succeed later.

    Attributes:
        retry_after: The pause that the server asks for; None where it asks for none.
    """

    transient = True
    retry_after: timedelta | None = None


class SourceUnavailable(TransientSourceError):
    """The server cannot be reached, or says that it cannot serve now."""


class SourceTimeout(TransientSourceError):
    """The server did not answer within the timeout."""

    too_large = True


class StreamBroken(TransientSourceError):
    """The stream of rows ended with an error after it had begun."""


class RowsMissing(TransientSourceError):
    """The number of rows that arrived differs from the server's count."""


class StreamBehind(TransientSourceError):
    """A stream has not yet added all messages of a window to its table."""


class WindowInterrupted(TransientSourceError):
    """The source failed after rows were passed on: the load restarts the window, at once if it likes."""


class PermanentSourceError(SourceError):
    """The same request will fail again until something is changed."""


class AuthenticationFailed(PermanentSourceError):
    """The server refused the token, or the token may not read this database."""


class TlsFailed(PermanentSourceError):
    """No trusted TLS connection could be made: the certificate, its name, or a server without TLS."""


class DatabaseNotFound(PermanentSourceError):
    """The server has no database of this name."""


class MeasurementNotFound(PermanentSourceError):
    """The database has no measurement of this name."""


class QueryRejected(PermanentSourceError):
    """The server could not plan or run the query."""


class FileLimitExceeded(PermanentSourceError):
    """The window touches more Parquet files than InfluxDB 3 Core opens for a query."""

    too_large = True


class FileUnreadable(PermanentSourceError):
    """A file of a source does not exist, or its content is damaged."""


class BadRecords(PermanentSourceError):
    """More lines or records of files are unreadable than `max_bad_lines` allows."""


class ResultLimitExceeded(PermanentSourceError):
    """The query reads more points or series than the server's limits allow."""

    too_large = True


class AnswerTooLarge(PermanentSourceError):
    """One document, line or record of an answer is larger than `max_document`."""

    too_large = True


class UnexpectedAnswer(PermanentSourceError):
    """The server answered something that its protocol does not allow."""


class DataRefused(LakeError):
    """A value cannot be stored exactly in the type its column has."""


class SchemaConflict(LakeError):
    """The source's columns do not fit the table's."""


class CatalogError(LakeError):
    """The Iceberg catalog failed."""


class CatalogUnavailable(CatalogError):
    """The catalog cannot be reached now."""

    transient = True


class CatalogRefused(CatalogError):
    """The catalog was reached and refused."""


class StorageError(LakeError):
    """A data file of the table, or a temporary file of its rows, could not be written or read."""


class StorageUnavailable(StorageError):
    """The store of the table's files does not answer, or is too busy to."""

    transient = True


class TableUnsupported(LakeError):
    """The table uses a feature of Iceberg that cannot be written here."""


class CommitError(LakeError):
    """The commit of a window failed."""


class CommitConflict(CommitError):
    """Other writers kept winning the race for the table until the timeout. The table is unchanged by us."""

    transient = True


class ColumnsChanged(CommitConflict):
    """Other writers changed the table's columns while a window was written: its rows have to be shaped again."""


class BranchOutdated(CommitConflict):
    """A branch's window was made from rows that the table no longer has: it has to be loaded again."""


class StreamOvertaken(CommitError):
    """Another process of the same stream added messages first: two of them run."""


class StreamSetBack(CommitError):
    """A table was rolled back while a stream added to it: the stream first adds its earlier messages again."""

    transient = True


class CommitOutcomeUnknown(CommitError):
    """The catalog did not say whether it committed, and that could not be determined."""

    transient = True


class EngineError(LakeError):
    """A query engine for maintenance refused or failed. What it committed stays; the rows are unchanged."""


class EngineUnavailable(EngineError):
    """A query engine for maintenance does not answer."""

    transient = True


class DaemonSilent(LakeError):
    """Dagster's daemon has sent no heartbeat: runs are not launched."""

    transient = True


class AlertNotDelivered(LakeError):
    """An alert was not delivered; the next tick tries again."""

    transient = True


class MetricsNotDelivered(LakeError):
    """Metrics could not be pushed or written; the lake is unchanged."""

    transient = True


class UnforeseenError(LakeError):
    """An unexpected exception: its class, its text and what was being done."""

    WHERE: ClassVar[str] = "Nobody foresaw this: `influx-lake --debug ...` shows where it arose"


class GuardError(LakeError):
    """A guard stopped the window; the table is unchanged."""


class WindowShrank(GuardError):
    """The source holds fewer rows for the window than the lake does."""


class ValuesWentBack(GuardError):
    """The source shows earlier values of the window again, and the lake holds the newer ones."""


class WindowTooLarge(GuardError):
    """The source holds more rows for the window than `max_window_rows` allows."""


class OffloadedRowsMissing(GuardError):
    """The table lacks, or would lose, rows that are deleted at their source."""


class NotOffloadable(GuardError):
    """A window must not be deleted at its source."""


class ForeignTable(GuardError):
    """The table holds rows of another owner, and was not adopted."""


class CopiedTable(GuardError):
    """The lake's folder was copied, and the table's files are those of the original."""


class RowsUnaccounted(GuardError):
    """Rows would be appended to a table with rows that no load accounts for."""


class RowsDiffer(GuardError):
    """Rewritten files do not hold the same rows as the originals."""


class TooMuchAtOnce(GuardError):
    """More rows would be dropped than the limit allows at once."""


class RowsStillThere(GuardError):
    """Rows to be erased are in places where they cannot be erased now."""


class WindowNotOver(GuardError):
    """Rows would be appended for a window that is still open, so that late rows would be missed."""


class WindowNotLoaded(GuardError):
    """A roll-up's window has no loaded window of its measurement."""


class AuditFailed(GuardError):
    """A window failed the checks that it has to pass before it is published."""
