"""What loading a window takes: where its rows come from, where they go, and on what conditions."""

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
"""How often progress is reported."""


class Guard(Protocol):
    """Protects rows of the table that a load would remove."""

    def check(self, window: Window, rows: int, previous_rows: int) -> None:
        """Raise to stop a planned commit.

        Args:
            window: The window of the commit.
            rows: How many rows it has afterwards, in the table and in quarantine.
            previous_rows: How many it has now.
        """
        ...

    def keeps_missing(self, rows: int, previous_rows: int) -> bool:
        """Whether points that the table holds, and that are not among the rows loaded, stay."""
        ...


class Unguarded:
    """Lets every commit pass."""

    def check(self, window: Window, rows: int, previous_rows: int) -> None:
        """Let it pass."""

    def keeps_missing(self, rows: int, previous_rows: int) -> bool:  # noqa: ARG002
        """Points that are not loaded go."""
        return False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a load is.

    Attributes:
        rows: Rows written so far.
        seconds: Time since it was begun.
    """

    rows: int
    seconds: float

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds if self.seconds else 0.0


@dataclass(slots=True)
class ProgressMeter:
    """Counts what a load has done, and reports it.

    Attributes:
        report: Called every few seconds.
        rows: Rows written so far.
        read_seconds: Time spent waiting for the source.
        began: When it was begun, in seconds of `time.monotonic()`.
    """

    report: Callable[[Progress], None] | None = None
    rows: int = 0
    read_seconds: float = 0.0
    began: float = field(default_factory=time.monotonic)
    _reported: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Time since it was begun."""
        return time.monotonic() - self.began

    def add(self, rows: int) -> None:
        """Count rows that were written, and report when it is time to."""
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
        snapshot_id: The snapshot in which they were looked for; None where there was none.
        paths: Where they are.
    """

    snapshot_id: int | None
    paths: frozenset[str]


@dataclass(frozen=True, slots=True)
class WindowLoad:
    """A window to be loaded into its table.

    Attributes:
        catalog: The catalog of the table.
        target: The table, and how rows get into it.
        provenance: Where the rows come from.
        read: Reads the rows of the window, or of a part of it: every row, and none outside.
        complete_until: The source may still get points from this time on: what of the window lies before it is recorded
            as loaded. Without it the whole window is.
        guard: Looks at each plan before it is committed.
        tail_of: Of a tail, what held rows of the window when it was read: it is committed only while that is the same,
            and only if it has something new.
        stream: Of messages, how far their stream is with them; they are added once.
        streamed: Tells whether a stream added to the window while it was read. None: no stream fills the table.
        progress: How far the load is.
        written: Gives what was written of the window of a load already, in files of the table's layout, by this process
            or by others, in one or more parts that hold all of its rows; asked again where a load is begun again.
            `read` is then not used. None: the rows are read.
        audit: Checks what was loaded, in a catalog that has it, before readers of the table get it: what it says is
            wrong. None: readers get it with its commit.
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
        """What of the window is recorded as loaded; None when nothing of it is."""
        return self.window if self.complete_until is None else self.window.until(self.complete_until)
