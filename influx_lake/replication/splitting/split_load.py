"""Writes the parts of a window, each once, and passes them to the commit of the window."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from influx_lake.config import Measurement
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.units import counted
from influx_lake.config.values.windows import Window
from influx_lake.errors import RowsMissing
from influx_lake.iceberg.columns.known_columns import actual
from influx_lake.iceberg.commit.once import commit_of, committed_parts
from influx_lake.iceberg.history.branch_catalog import branch_of
from influx_lake.iceberg.load.ensure import table_for
from influx_lake.iceberg.load.parts_ingest import commit_id_of_parts, shape_as_of_now
from influx_lake.iceberg.load.quarantine import quarantine_of
from influx_lake.iceberg.load.write_part import write_part
from influx_lake.iceberg.parts.records import PartRecords
from influx_lake.iceberg.parts.written_part import WrittenPart
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.replication.guards import check_size
from influx_lake.replication.splitting.helpers import Helpers, PartsWanted
from influx_lake.replication.splitting.part_bounds import parts_of
from influx_lake.replication.splitting.unchanged_part import is_unchanged
from influx_lake.replication.table_columns import table_target
from influx_lake.sources.protocol import Source
from influx_lake.sources.row_confirmation import confirms_rows
from influx_lake.sources.window_counts import counts_of
from influx_lake.transforms.columns import arrow_schema

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

KEPT_FOR = timedelta(days=1)
"""How long parts that were written for a run that died can be used by a later one."""
MOST_RECOUNTS = 3

log = logging.getLogger("influx_lake.replication")


@dataclass(slots=True)
class SplitLoad:
    """The parts of a window of a measurement.

    Attributes:
        source: The window's source, untransformed.
        catalog: The catalog of the table.
        measurement: The measurement.
        window: The window.
        schema: The columns of the table.
        load_of: Returns the load of a part, as if it were a window of its own.
        helpers: The other processes that write parts.
        began: When the load of the window began.
        read_from: When the read of the oldest committed part began; None before the commit.
    """

    source: Source
    catalog: Catalog
    measurement: Measurement
    window: Window
    schema: MeasurementSchema
    load_of: Callable[[Window], WindowLoad]
    helpers: Helpers
    began: datetime
    read_from: datetime | None = None
    _taken: list[tuple[PartRecords, Window]] = field(default_factory=list)

    def __call__(self, load: WindowLoad) -> list[WrittenPart]:
        """The written parts of a window, or of a part of it, with all of its rows.

        A part that was written for a run that died is taken up by who would else write it, if the source still has the
        same rows for it, value by value.

        Args:
            load: The load of the window, or of a part of it.

        Raises:
            WindowTooLarge: The parts have more rows than `max_window_rows`.
            LakeError: A part could not be written.
        """
        nanoseconds = load.target.with_nanoseconds
        records, cut = self._records(load), parts_of(self.measurement, load.window)
        noted = {window: found for window in cut if (found := records.get(window)) is not None}
        parts = self._shaped_as_now(load, self._usable(records, noted, len(cut)))
        missing = [window for window in cut if window not in parts]
        if missing:
            with self.helpers.help(PartsWanted(self.window, missing, nanoseconds)) as left:
                for window in left:
                    parts[window] = self._written(records, window, nanoseconds)
        for window in cut:
            if window not in parts:
                found, before = records.get(window), noted.get(window)
                is_new = found is not None and (before is None or (found.id, found.as_of) != (before.id, before.as_of))
                parts[window] = found if found and is_new else self._written(records, window, nanoseconds)
        self._recount(records, parts, nanoseconds)
        self._taken += [(records, window) for window in cut]
        found_parts = [parts[window] for window in cut]
        check_size(self.measurement, sum(part.rows for part in found_parts))
        self.read_from = min(part.as_of for part in found_parts)
        return found_parts

    def forget(self) -> None:
        """Delete the records of the parts, which are committed."""
        for records, window in self._taken:
            records.forget(window)
        self._taken = []

    def write(self, window: Window, *, with_nanoseconds: bool) -> WrittenPart:
        """Write one part, and record it for the process that commits the window.

        Raises:
            FineTimesMet: Its rows need the column of nanoseconds.
            LakeError: It could not be written.
        """
        return self._written(self._records(None, with_nanoseconds), window, with_nanoseconds)

    def _written(self, records: PartRecords, window: Window, with_nanoseconds: bool, anew: bool = False) -> WrittenPart:
        """Write a part, or take up what an earlier run wrote of it, unless it has to be written `anew`."""
        load = self.load_of(window)
        load = replace(load, target=replace(load.target, with_nanoseconds=with_nanoseconds))
        if not anew and (part := self._taken_up(records, load)) is not None:
            records.put(part)
            log.info("%s: %s of %s were written before", self.window, counted(part.rows, "row"), window)
            return part
        rows = counts_of(self.source, self.measurement.name, [window])[0] if confirms_rows(self.source) else None
        part = write_part(load, rows)
        records.put(part)
        log.info("%s: wrote %s of %s", self.window, counted(part.rows, "row"), window)
        return part

    def _taken_up(self, records: PartRecords, load: WindowLoad) -> WrittenPart | None:
        """The part that an earlier run wrote, if it holds what the source has now.

        It is not looked at where the source's rows are asked for, whatever was written; where more points may have come
        by now; and where a run writes it that loads the same window at this time.
        """
        part, began = records.get(load.window) if self.measurement.resumes else None, datetime.now(UTC)
        if part is None or part.as_of >= self.began or part.began < began - KEPT_FOR:
            return None
        if part.window.end > part.began - self.measurement.lag:
            return None
        if part.id in committed_parts(records.table) or not records.is_whole(part):
            return None
        if not is_unchanged(part, load, records.table, self.schema):
            log.info("%s: the source has other rows than were written before; it is read again", load.window)
            return None
        return replace(part, confirmed=began)

    def _usable(self, records: PartRecords, noted: dict[Window, WrittenPart], count: int) -> dict[Window, WrittenPart]:
        """The parts that were written since this load began: it starts over, or another run loads the window too.

        Args:
            records: Their records.
            noted: The parts.
            count: The number of parts of the window.
        """
        found = {window: part for window, part in noted.items() if part.as_of >= self.began}
        # Loading a loaded window again has to read the source's present rows.
        spent = committed_parts(records.table)
        target = table_target(self.measurement, self.schema)
        held = find_table(self.catalog, quarantine_of(target).identifier) if target.has_quarantine else None
        whole = len(found) == count and held is not None and commit_of(held, commit_id_of_parts(found.values()))
        if held is not None and not whole:
            # A quarantine that is committed belongs to the commit of exactly these parts.
            spent |= committed_parts(held)
        return {window: part for window, part in found.items() if part.id not in spent and records.is_whole(part)}

    def _shaped_as_now(self, load: WindowLoad, parts: dict[Window, WrittenPart]) -> dict[Window, WrittenPart]:
        """The parts that can be committed with those written now: the table may have new columns since."""
        shapes = {columns: shape_as_of_now(load, columns) for columns in {part.columns for part in parts.values()}}
        return {window: part for window, part in parts.items() if part.shape == shapes[part.columns]}

    def _recount(self, records: PartRecords, parts: dict[Window, WrittenPart], with_nanoseconds: bool) -> None:
        """Compare the row counts of complete parts with the source, and write differing ones again.

        Raises:
            RowsMissing: The source's row counts keep changing.
        """
        if not confirms_rows(self.source):
            return
        over = [window for window in sorted(parts) if window.end <= self.began - self.measurement.lag]
        for _ in range(MOST_RECOUNTS):
            there = counts_of(self.source, self.measurement.name, over)
            over = [
                window
                for window, rows in zip(over, there, strict=True)
                if parts[window].source_rows not in (None, rows)
            ]
            if not over:
                return
            for window in over:
                log.warning("%s: the source has another number of rows now; it is read again", window)
                parts[window] = self._written(records, window, with_nanoseconds, anew=True)
        raise RowsMissing(
            f"the source has another number of rows for {over[0]} each time that it is counted",
            remedy="Load the window when it is no longer written to (`lag`)",
        )

    def _records(self, load: WindowLoad | None, with_nanoseconds: bool = False) -> PartRecords:
        measurement = self.measurement
        target = load.target if load else replace(table_target(measurement, self.schema), erased=measurement.erased)
        nanoseconds = target.with_nanoseconds or with_nanoseconds
        table = find_table(self.catalog, target.identifier, target.share)
        if table is None:
            # The parts are recorded in its folder.
            whole = load or self.load_of(self.window)
            table = table_for(self.catalog, target, arrow_schema(self.schema), whole.provenance).actual
        stated = (
            self.source.identity,
            branch_of(self.catalog),
            measurement.definition,
            measurement.erased,
            measurement.write,
            measurement.types,
            self.schema,
            nanoseconds,
        )
        return PartRecords(actual(table), self.window, hashlib.sha256(repr(stated).encode()).hexdigest())
