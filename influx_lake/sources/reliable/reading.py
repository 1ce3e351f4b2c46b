"""Reads the rows of one window in spite of failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.values.read_options import ReadingOptions
from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.windows import Window
from influx_lake.errors import (
    RowsMissing,
    SourceError,
    SourceTimeout,
    TransientSourceError,
    UnexpectedAnswer,
    WindowInterrupted,
)
from influx_lake.row_buffer import RowBuffer
from influx_lake.sources.protocol import RowStream
from influx_lake.sources.reliable.backoff import Backoff
from influx_lake.sources.reliable.query_splitting import WorkingSizes
from influx_lake.sources.row_confirmation import Counts


@dataclass(slots=True)
class WindowReading:
    """Reads a window piece by piece.

    Attributes:
        open_stream: Starts to read a piece.
        arrived: Counts the contents of some rows.
        count: Asks the server for the same counts of a piece.
        options: The options for retries and counts.
        sizes: The sizes of pieces that the server can handle.
        measurement: The measurement.
        window: The window.
        keeping: Whether each piece is buffered until it is complete, before any of it is passed on.
        confirms_always: Whether rows cannot be accepted without having been counted.
        layout: The columns of the rows; known once the first batch, or the end, was reached.
    """

    open_stream: Callable[[Window], AbstractContextManager[RowStream]]
    arrived: Callable[[pa.RecordBatch], Counts]
    count: Callable[[Window], Counts]
    options: ReadingOptions
    sizes: WorkingSizes
    measurement: str
    window: Window
    keeping: bool
    confirms_always: bool = False
    layout: pa.Schema = field(init=False)
    _laid_out: bool = field(default=False, init=False)
    _passed_on: int = field(default=0, init=False)
    _counts: dict[Window, Counts] = field(default_factory=dict, init=False)

    def batches(self) -> Generator[pa.RecordBatch, None, None]:
        """The rows.

        Raises:
            WindowInterrupted: A piece failed after some of its rows were passed on.
            SourceError: It failed permanently, or for longer than the budget.
        """
        backoff = Backoff(self.options.retry)
        pieces = self.sizes.pieces(self.measurement, self.window)
        while pieces:
            piece = pieces.popleft()
            self._passed_on = 0
            try:
                with closing(self._kept(piece) if self.keeping else self._streamed(piece)) as rows:
                    for batch in rows:
                        self._passed_on += len(batch)
                        yield batch
            except SourceError as error:
                pieces.extendleft(reversed(self._again(piece, error, backoff)))
            else:
                backoff.progressed()

    def _again(self, piece: Window, error: SourceError, backoff: Backoff) -> tuple[Window, ...]:
        """The pieces to read instead of a failed one, after a wait if that helps."""
        error.about(self.measurement, self.window)
        if piece != self.window:
            error.message, error.window = f"{error.message} (while reading {piece})", str(self.window)
        splits = error.too_large and self.sizes.splits(piece)
        if not isinstance(error, TransientSourceError) and not splits:
            raise error
        if self._passed_on:
            self.sizes.broke(self.measurement, piece)
            raise WindowInterrupted(error.message, remedy=error.remedy).about(self.measurement, self.window) from None
        if splits and isinstance(error, SourceTimeout) and not self._answers(piece, backoff):
            return (piece,)
        halves = self.sizes.halves(self.measurement, piece) if splits else None
        if halves is not None:
            return halves
        if isinstance(error, TransientSourceError):
            backoff.wait(error)
        return (piece,)

    def _answers(self, piece: Window, backoff: Backoff) -> bool:
        """Whether the server can handle the shortest piece. If not, splitting would only multiply the timeouts.

        Raises:
            SourceError: It cannot, and has not for longer than the budget.
        """
        backoff.failed()
        end = min(piece.start + self.options.shortest_query, piece.end)
        try:
            with self.open_stream(Window(piece.start, end)) as rows:
                for _ in rows:
                    pass
        except TransientSourceError as error:
            error.window = str(self.window)
            backoff.wait(error)
            return False
        backoff.progressed()
        return True

    def _streamed(self, piece: Window) -> Generator[pa.RecordBatch, None, None]:
        received = Counter[str]()
        with self.open_stream(piece) as rows:
            yield from self._received(rows, piece, received)
        self._confirm(piece, received)

    def _kept(self, piece: Window) -> Generator[pa.RecordBatch, None, None]:
        received = Counter[str]()
        with ExitStack() as stack:
            with self.open_stream(piece) as rows:
                self._lay_out(rows)
                # Needs only the memory of one batch.
                kept = stack.enter_context(closing(RowBuffer(self.layout, in_memory_bytes=0, compression="lz4")))
                for batch in self._received(rows, piece, received):
                    kept.add(batch)
            self._confirm(piece, received)
            yield from kept.read()

    def _received(
        self, rows: RowStream, piece: Window, received: Counter[str]
    ) -> Generator[pa.RecordBatch, None, None]:
        """The rows in the layout of the first piece, counted: dictionaries' index types differ between queries."""
        self._lay_out(rows)
        for batch in rows:
            fitting = _within(batch, piece)
            if not fitting.schema.equals(self.layout):
                fitting = fitting.cast(self.layout)
            if self.options.confirm_rows:
                received.update(self.arrived(fitting))
            yield fitting

    def _lay_out(self, rows: RowStream) -> None:
        if not self._laid_out:
            self.layout, self._laid_out = rows.schema, True

    def _confirm(self, piece: Window, received: Counter[str]) -> None:
        """Compare the counts of received rows with those of the server.

        While points are being written to the window the counts may differ: any number between two counts is accepted.
        """
        if not self.options.confirm_rows:
            return
        there = self.count(piece)
        before = self._counts.get(piece, there)
        wrong = [
            what
            for what, number in there.items()
            if not min(before.get(what, number), number) <= received[what] <= max(before.get(what, number), number)
        ]
        if not wrong:
            return
        self._counts[piece] = there
        unchecked = "" if self.confirms_always else "; confirm_rows: false accepts whatever arrives"
        raise RowsMissing(
            f"{received[wrong[0]]:,} {wrong[0]} arrived of {piece}, but the server has {there[wrong[0]]:,}",
            remedy="Load the window when it is no longer written to (`lag`); if nobody writes to it, check the "
            f"server's log{unchecked}",
        )


def _within(rows: pa.RecordBatch, piece: Window) -> pa.RecordBatch:
    """Make sure that rows are in the requested time range: others would be added to a window that is not replaced.

    Raises:
        UnexpectedAnswer: Some are not.
    """
    bounds = pc.min_max(rows.column(TIME).cast(pa.timestamp("ns")).cast(pa.int64())).as_py()
    if bounds["min"] is None or (piece.start_us * 1000 <= bounds["min"] and bounds["max"] < piece.end_us * 1000):
        return rows
    outside = bounds["min"] if bounds["min"] < piece.start_us * 1000 else bounds["max"]
    raise UnexpectedAnswer(
        f"the rows of {piece} include one of another time, {outside} ns since 1970",
        remedy="Report it with the server's version; nothing was written",
    )
