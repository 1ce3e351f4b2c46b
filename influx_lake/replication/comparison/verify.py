"""Verifies measurements: compares their closed windows with the source, and records what that proves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window
from influx_lake.errors import (
    AnswerTooLarge,
    BadRecords,
    ConfigurationError,
    DataRefused,
    FileLimitExceeded,
    FileUnreadable,
    LakeError,
    OffloadedRowsMissing,
    QueryRejected,
    ResultLimitExceeded,
    StorageError,
    UnexpectedAnswer,
)
from influx_lake.replication.comparison.compare_windows import Comparison, Depth, Verdict, compare_windows
from influx_lake.replication.comparison.proving import Proved, keep_proofs
from influx_lake.replication.outside import outside_partitions
from influx_lake.sources.protocol import Source
from influx_lake.sources.remarks import Outside

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

WINDOWS_AT_ONCE = 500
"""The most windows of one query: more make long statements and slow answers."""

_FAILED_ALIKE = 10
"""After this many windows failed with the same message and none succeeded, the rest is given up."""
_OF_WINDOWS = (
    AnswerTooLarge,
    BadRecords,
    DataRefused,
    FileLimitExceeded,
    FileUnreadable,
    OffloadedRowsMissing,
    QueryRejected,
    ResultLimitExceeded,
    StorageError,
    UnexpectedAnswer,
)
"""The errors that may concern some windows of a measurement and not others."""


@dataclass(slots=True)
class Compared:
    """The windows of a measurement that were compared, and those that could not be.

    Attributes:
        comparisons: The comparisons, oldest first.
        failures: Why each of the others was not, oldest first; the error names its window.
        proved: Which proofs were recorded.
    """

    comparisons: list[Comparison] = field(default_factory=list)
    failures: list[LakeError] = field(default_factory=list)
    proved: Proved = field(default=Proved())


@dataclass(frozen=True, slots=True)
class Verification:
    """The comparison of a measurement's source and lake.

    Attributes:
        measurement: The measurement.
        comparisons: Its windows, oldest first.
        failures: Why windows could not be compared; each error names its window.
        outside: The points of the source outside of every partition, where any were seen.
        proved: Which proofs were recorded.
    """

    measurement: Measurement
    comparisons: tuple[Comparison, ...]
    failures: tuple[LakeError, ...] = ()
    outside: Outside | None = None
    proved: Proved = field(default=Proved())

    @property
    def differing(self) -> list[Comparison]:
        """The windows whose verdict is not `equal`."""
        return [each for each in self.comparisons if each.verdict is not Verdict.EQUAL]

    @property
    def keeping(self) -> list[Comparison]:
        """The windows in which the lake is allowed to have more rows than the source and does, other than off-loaded
        ones.
        """
        return [each for each in self.comparisons if each.kept_rows and each.late is None]

    @property
    def offloaded(self) -> list[Comparison]:
        """The windows that are off-loaded."""
        return [each for each in self.comparisons if each.late is not None]

    @property
    def is_missed(self) -> bool:
        """Whether all points of the source lie outside of the partitions."""
        return self.outside is not None and self.outside.everything

    @property
    def is_equal(self) -> bool:
        """Whether every window was compared and is equal."""
        return not (self.differing or self.failures or self.is_missed)

    @property
    def source_rows(self) -> int:
        """The source's rows in all windows."""
        return sum(each.source_rows for each in self.comparisons)

    @property
    def lake_rows(self) -> int:
        """The lake's rows in all windows."""
        return sum(each.lake_rows for each in self.comparisons)


def verify(
    source: Source,
    catalog: Catalog,
    measurement: Measurement,
    windows: Sequence[Window],
    *,
    depth: Depth = Depth.ROWS,
    archive: Source | None = None,
) -> Verification:
    """Compare windows of a measurement.

    Args:
        source: The measurement's source.
        catalog: The catalog of its table.
        measurement: The measurement.
        windows: The windows, oldest first, which do not overlap.
        depth: How closely to compare windows with the same number of rows on both sides.
        archive: The source with the files that the server persisted, which tells the values written last.

    Raises:
        LakeError: Source or lake cannot be read.
    """
    found = Compared()
    for begin in range(0, len(windows), WINDOWS_AT_ONCE):
        part = windows[begin : begin + WINDOWS_AT_ONCE]
        compared = compare_apart(source, catalog, measurement, part, depth=lambda _: depth, archive=archive)
        found.comparisons.extend(compared.comparisons)
        found.failures.extend(compared.failures)
        found.proved += compared.proved
    outside = outside_partitions(source, measurement, datetime.now(UTC))
    return Verification(measurement, tuple(found.comparisons), tuple(found.failures), outside, found.proved)


def compare_apart(
    source: Source,
    catalog: Catalog,
    measurement: Measurement,
    windows: Sequence[Window],
    *,
    depth: Callable[[Window], Depth] = lambda window: Depth.ROWS,
    archive: Source | None = None,
) -> Compared:
    """Compare windows as `compare_windows` does; a window that cannot be compared does not stop the others. The table
    keeps the resulting proofs.

    Raises:
        LakeError: None can be compared: the catalog, the source or the measurement fails.
    """
    found = Compared()

    def compare(some: Sequence[Window]) -> None:
        try:
            comparisons = compare_windows(source, catalog, measurement, some, depth=depth, archive=archive)
        except _OF_WINDOWS as error:
            if error.transient or (len(some) == 1 and _is_of_all(found, error)):
                raise
            if len(some) == 1:
                found.failures.append(error.about(window=some[0]))
                return
            compare(some[: len(some) // 2])
            compare(some[len(some) // 2 :])
        else:
            found.comparisons.extend(comparisons)

    compare(windows)
    if found.failures and not found.comparisons:
        raise found.failures[0]
    found.proved = keep_proofs(catalog, measurement, found.comparisons)
    return found


def _is_of_all(found: Compared, error: LakeError) -> bool:
    alike = [each for each in found.failures if each.message == error.message]
    return not found.comparisons and len(alike) == len(found.failures) >= _FAILED_ALIKE


def closed_windows(
    measurement: Measurement, now: datetime, start: datetime | None, end: datetime | None
) -> list[Window]:
    """The windows of a range that ended at least the measurement's lag ago, loaded or not.

    Raises:
        ConfigurationError: The range is empty.
    """
    if start is not None and end is not None and start >= end:
        raise ConfigurationError(f"the range is empty: it starts at {start} and ends at {end}")
    begin, until = start or measurement.kept_since(now), now - measurement.lag
    # Windows beyond the retention are not missing.
    begin = max(begin, measurement.oldest_kept(now) or begin)
    return list(_closed(measurement, begin, min(end or until, until), until))


def _closed(measurement: Measurement, begin: datetime, end: datetime, until: datetime) -> Iterator[Window]:
    return (window for window in measurement.scheme.windows(begin, end) if window.end <= until)
