"""Makes reads of any source reliable: with retries, in pieces that the server can handle, and with counts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from itertools import chain, islice
from typing import TypeVar

from influx_lake.config.values.conditions import Condition
from influx_lake.config.values.read_options import ReadingOptions
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.errors import SourceError, WindowInterrupted
from influx_lake.sources.conditions import takes
from influx_lake.sources.listing import Listing, listing_of
from influx_lake.sources.profile import Profile, ProfilesWindows, read_profiles
from influx_lake.sources.protocol import RowStream, ServerInfo, Source
from influx_lake.sources.reliable.backoff import retried
from influx_lake.sources.reliable.limits import ServerLimits
from influx_lake.sources.reliable.query_splitting import WorkingSizes
from influx_lake.sources.reliable.reading import WindowReading
from influx_lake.sources.remarks import FindsOutside, Outside
from influx_lake.sources.row_confirmation import row_confirmation_of
from influx_lake.sources.selected_counts import selected_count, selected_counts
from influx_lake.sources.single_use_rows import SingleUseRows
from influx_lake.sources.versions import version_of
from influx_lake.sources.window_counts import counts_of

T = TypeVar("T")


class ReliableSource:
    """A source that retries transient failures.

    A window is streamed at first. If the stream is interrupted after rows were passed on, `WindowInterrupted` tells the
    caller to begin the window again; from then on each of its pieces is buffered on disk until it is complete and
    counted, and only a failed piece is read again.

    Args:
        source: The source.
        options: The options for retries, pieces and counts.
        limits: The limits of its server, shared with all its readers.
        confirms_always: Whether rows cannot be accepted without having been counted.
    """

    def __init__(
        self, source: Source, options: ReadingOptions, limits: ServerLimits, *, confirms_always: bool = False
    ) -> None:
        self._source = source
        self._options = options
        self._limits = limits
        self._confirms_always = confirms_always
        self._sizes = WorkingSizes(options)
        self._interrupted: set[tuple[str, Window]] = set()
        self._lock = threading.Lock()

    @property
    def identity(self) -> str:
        return self._source.identity

    @property
    def confirms(self) -> bool:
        """Whether the rows that arrive are counted."""
        return self._options.confirm_rows

    def __repr__(self) -> str:
        return f"ReliableSource({self._source!r})"

    def server(self) -> ServerInfo:
        return self._asked(self._source.server)

    def measurements(self) -> list[str]:
        return self._asked(self._source.measurements)

    def listing(self) -> Listing:
        return self._asked(lambda: listing_of(self._source))

    def schema(self, measurement: str) -> MeasurementSchema:
        return self._asked(lambda: self._source.schema(measurement))

    def version(self, *, newest: bool) -> Source:
        version = version_of(self._source, newest=newest)
        return ReliableSource(version, self._options, self._limits, confirms_always=self._confirms_always)

    def count(self, measurement: str, window: Window) -> int:
        """How many rows the server holds in the window; asked in pieces if one query is too large."""
        return self._in_pieces(measurement, window, partial(self._source.count, measurement))

    def _in_pieces(self, measurement: str, window: Window, count: Callable[[Window], int]) -> int:
        pieces, total = self._sizes.pieces(measurement, window), 0
        while pieces:
            piece = pieces.popleft()
            try:
                total += self._asked(partial(count, piece))
            except SourceError as error:
                halves = self._sizes.halves(measurement, piece) if error.too_large else None
                if halves is None:
                    raise
                pieces.extendleft(reversed(halves))
        return total

    def counts(self, measurement: str, windows: Sequence[Window]) -> list[int]:
        """How many rows the server holds in each window; asked for fewer windows at once if one query is too large."""
        return self._in_parts(
            windows,
            lambda part: counts_of(self._source, measurement, part),
            lambda window: self.count(measurement, window),
        )

    def takes(self, schema: MeasurementSchema, condition: Condition) -> bool:
        # Rarely asks the server, so the server's limits do not apply.
        return retried(lambda: takes(self._source, schema, condition), self._options.retry)

    def selected_counts(self, schema: MeasurementSchema, windows: Sequence[Window]) -> list[int]:
        """How many rows the server returns for each window; asked for fewer windows at once if one query is too
        large.
        """
        return self._in_parts(
            windows,
            lambda part: selected_counts(self._source, schema, part),
            lambda window: self._in_pieces(
                schema.measurement, window, lambda piece: selected_count(self._source, schema, piece)
            ),
        )

    def profiles(
        self, schema: MeasurementSchema, windows: Sequence[Window], scales: Mapping[str, float]
    ) -> list[Profile]:
        """The profile of each window: by the server if it can, otherwise by reading the rows."""
        source = self._source

        def read(window: Window) -> Profile:
            return read_profiles(self, schema, [window], scales)[0]

        if not isinstance(source, ProfilesWindows):
            return [read(window) for window in windows]
        return self._in_parts(windows, lambda part: source.profiles(schema, part, scales), read)

    def _in_parts(
        self, windows: Sequence[Window], ask: Callable[[Sequence[Window]], list[T]], one: Callable[[Window], T]
    ) -> list[T]:
        """Ask about all windows; about fewer of them if that is too large; about a single one with `one` if that is too
        large.
        """
        waiting, found = [windows], list[T]()
        while waiting:
            part = waiting.pop()
            try:
                found += self._asked(partial(ask, part))
            except SourceError as error:
                if not error.too_large:
                    raise
                if len(part) > 1:
                    waiting += [part[len(part) // 2 :], part[: len(part) // 2]]
                else:
                    found += [one(window) for window in part]
        return found

    def first_time(self, measurement: str) -> datetime | None:
        return self._asked(lambda: self._source.first_time(measurement))

    def outside(self, measurement: str, reach: Window) -> Outside | None:
        """The points of a measurement outside a range, if the source has read any."""
        source = self._source
        return source.outside(measurement, reach) if isinstance(source, FindsOutside) else None

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[RowStream]:
        """Stream the window's rows.

        Raises:
            WindowInterrupted: While iterating: it has to be read again from the beginning.
            SourceError: It failed permanently, or for longer than the budget.
        """
        place = (schema.measurement, window)
        confirmation = row_confirmation_of(self._source, schema)
        reading = WindowReading(
            open_stream=lambda piece: self._stream(schema, piece),
            arrived=confirmation.arrived,
            count=lambda piece: self._asked(lambda: confirmation.at_source(piece)),
            options=self._options,
            sizes=self._sizes,
            measurement=schema.measurement,
            window=window,
            keeping=place in self._interrupted,
            confirms_always=self._confirms_always,
        )
        batches = reading.batches()
        try:
            # The first batch tells the layout.
            first = list(islice(batches, 1))
            yield SingleUseRows(reading.layout, chain(first, batches))
        except WindowInterrupted:
            with self._lock:
                self._interrupted.add(place)
            raise
        else:
            with self._lock:
                self._interrupted.discard(place)
        finally:
            batches.close()

    def close(self) -> None:
        self._source.close()

    @contextmanager
    def _stream(self, schema: MeasurementSchema, piece: Window) -> Iterator[RowStream]:
        with self._limits.query(), self._source.read(schema, piece) as rows:
            yield rows

    def _asked(self, call: Callable[[], T]) -> T:
        def limited() -> T:
            with self._limits.query():
                return call()

        return retried(limited, self._options.retry)
