"""The load of one window: origin of the rows, target, guard and progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.streams.concurrent_additions import StreamedMeanwhile
from influx_lake.iceberg.streams.position import StreamPosition
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake.iceberg.window_rows import Rows

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from influx_lake.iceberg.parts.written_part import WrittenPart

PROGRESS_SECONDS = 2.0
"""The interval of progress reports."""


class Guard(Protocol):
    """Protects rows of the table that a load would remove."""

    def check(self, window: Window, rows: int, previous_rows: int) -> None:
        """Raise to stop a planned commit.

        Args:
            window: The window of the commit.
            rows: Rows of the window afterwards, in the table and in quarantine.
            previous_rows: Rows of the window now.
        """
        ...

    def keeps_missing(self, rows: int, previous_rows: int) -> bool:
        """Whether rows of the table that are not among those loaded are kept."""
        ...


class Unguarded:
    """Lets every commit pass."""

    def check(self, window: Window, rows: int, previous_rows: int) -> None:
        """Do nothing."""

    def keeps_missing(self, rows: int, previous_rows: int) -> bool:  # noqa: ARG002
        """False: rows that are not among those loaded are removed."""
        return False


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a load.

    Attributes:
        rows: Rows written so far.
        seconds: Time since the load began.
    """

    rows: int
    seconds: float

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds if self.seconds else 0.0


@dataclass(slots=True)
class ProgressMeter:
    """Counts the rows that a load has written, and reports its progress.

    Attributes:
        report: Called every `PROGRESS_SECONDS`.
        rows: Rows written so far.
        read_seconds: Time spent waiting for the source.
        began: When the load began, in seconds of `time.monotonic()`.
    """

    report: Callable[[Progress], None] | None = None
    rows: int = 0
    read_seconds: float = 0.0
    began: float = field(default_factory=time.monotonic)
    _reported: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Time since the load began."""
        return time.monotonic() - self.began

    def add(self, rows: int) -> None:
        """Count written rows, and report progress when it is due."""
        self.rows += rows
        if self.report is not None and time.monotonic() - self._reported >= PROGRESS_SECONDS:
            self._reported = time.monotonic()
            self.report(Progress(self.rows, self.seconds))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Count the time in the context as spent waiting for the source."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.read_seconds += time.monotonic() - began


@dataclass(frozen=True, slots=True)
class SeenFiles:
    """The files of a table that held rows of a window.

    Attributes:
        snapshot_id: The snapshot of which they are files; None where there was none.
        paths: Their paths.
    """

    snapshot_id: int | None
    paths: frozenset[str]


@dataclass(frozen=True, slots=True)
class WindowLoad:
    """The load of a window into its table.

    Attributes:
        catalog: The catalog of the table.
        target: The table, and how rows get into it.
        provenance: The origin of the rows.
        read: Reads all rows of the window, or of a part of it, and no others.
        complete_until: The time from which on the source may still get points: the part of the window before it is
            recorded as covered. None: the whole window is.
        guard: Checks each plan before it is committed.
        tail_of: Of a tail, the files that held rows of the window when it was read: the tail is committed only while
            they are the same, and only if it has new rows.
        stream: Of messages, the position of their stream after them; they are added once.
        streamed: Checks whether a stream added rows to the window while it was read. None: no stream fills the table.
        progress: Counts and reports progress.
        written: Returns files of the table's layout that were written already, by any process, as parts that together
            hold all rows of the window; called again where the load starts over. `read` is then not used. None: rows
            are read.
        audit: Checks the loaded rows, in a catalog that shows them, before readers of the table get them; returns what
            is wrong. None: readers get them with the commit.
    """

    catalog: Catalog
    target: TableTarget
    provenance: Provenance
    window: Window
    read: Callable[[Window], AbstractContextManager[Rows]]
    complete_until: datetime | None = None
    guard: Guard = field(default_factory=Unguarded)
    tail_of: SeenFiles | None = None
    stream: StreamPosition | None = None
    streamed: StreamedMeanwhile | None = None
    progress: ProgressMeter = field(default_factory=ProgressMeter)
    written: Callable[[WindowLoad], Sequence[WrittenPart]] | None = None
    audit: Callable[[Catalog], Sequence[str]] | None = None

    @property
    def complete(self) -> Window | None:
        """The part of the window that is recorded as covered; None where none of it is."""
        return self.window if self.complete_until is None else self.window.until(self.complete_until)
