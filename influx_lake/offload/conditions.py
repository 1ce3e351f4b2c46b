"""The conditions for off-loading: why a measurement, or one of its windows, must not be deleted at its source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from influx_lake.config import Lake, Measurement
from influx_lake.config.maintenance.options import CompactOptions, Kind
from influx_lake.config.tables.types import Nanoseconds
from influx_lake.config.transforms.options import OnCastError
from influx_lake.config.values.units import counted
from influx_lake.config.values.windows import Window, utc_text
from influx_lake.errors import LakeError
from influx_lake.iceberg.compaction.selection import select
from influx_lake.iceberg.history.branch_loads import unpublished
from influx_lake.iceberg.scan.planning import files_of
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.scan.row_counts import count_by_window
from influx_lake.iceberg.staging.copied_folder import check_not_copied
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.table_state.erased_rows import erased_from
from influx_lake.iceberg.table_state.recorded_loads import RecordedLoad, recorded_loads
from influx_lake.maintenance.tables import table_of
from influx_lake.replication.removed.offloaded import check_held

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


def measurement_objection(lake: Lake, measurement: Measurement) -> str | None:
    """Why no window of a measurement may be off-loaded, according to lake.yaml; None where some may be."""
    return next(_declared_objections(lake, measurement), None)


def _declared_objections(lake: Lake, measurement: Measurement) -> Iterator[str]:
    options = measurement.offload
    if options is None:
        yield "lake.yaml does not say so: give it `offload: {after: 90d}`"
        return
    place = _place(lake, measurement)
    others = [each for each in lake.measurements if each is not measurement and _place(lake, each) == place]
    if others:
        names = ", ".join(each.key for each in others)
        load = "loads" if len(others) == 1 else "load"
        yield f"{names} {load} the same measurement of the same source, and would find nothing"
    if (lossy := [*_lossy_options(measurement)]) and not options.lossy:
        yield (
            f"the lake does not have all that the source has: {', '.join(lossy)}. Where that may be gone, say so: "
            "`offload: {lossy: true}`"
        )
    if measurement.retention is not None and measurement.retention.keep <= options.after:
        yield "the lake drops rows itself before they are that old (`retention`)"


def _place(lake: Lake, measurement: Measurement) -> tuple[str, str, str]:
    config = lake.source(measurement.source)
    return str(getattr(config, "host", measurement.source)), config.database, measurement.name


def _lossy_options(measurement: Measurement) -> Iterator[str]:
    """The options of lake.yaml that keep rows or values of the source out of the lake."""
    transforms = measurement.transforms
    options_in_use = {
        "where": transforms.where,
        "fields": transforms.fields.chooses,
        "tags": transforms.tags.chooses,
        "duplicates": transforms.duplicates,
        "map": transforms.map,
        "formats": transforms.formats,
        "types": measurement.types.types,
        "on_cast_error": transforms.on_cast_error is not OnCastError.FAIL,
        "nanoseconds: truncate": measurement.types.nanoseconds is Nanoseconds.TRUNCATE,
        "erased": measurement.erased,
        "layout: long": measurement.layout,
    }
    return (name for name, is_set in options_in_use.items() if is_set)


@dataclass
class WindowObjections:
    """Why windows of a measurement must not be off-loaded, according to the table and its proofs.

    Attributes:
        catalog: The catalog of the table.
        measurement: The measurement.
        table: Its table, under the names that loads know.
        why_unproved: Gives the reason why a window is not proved; None where it is.
        now: The present.
    """

    catalog: Catalog
    measurement: Measurement
    table: Table
    why_unproved: Callable[[Window], str | None]
    now: datetime

    def table_objection(self) -> str | None:
        """Why the table does not allow any window to be off-loaded; None where it does."""
        try:
            check_not_copied(self.table, self.measurement.table_name)
            check_held(self.measurement, self.table)
        except LakeError as error:
            return error.message
        options = self.measurement.offload
        if erased_from(self.table) and not (options and options.lossy):
            return "rows were erased from the table, which the source may have still: see `offload: {lossy: true}`"
        return None

    def window_objection(self, window: Window) -> str | None:
        """Why a window must not be off-loaded; None where it may be."""
        return next(self._all(window), None)

    def _all(self, window: Window) -> Iterator[str]:
        measurement = self.measurement
        if not table_state(self.table).coverage.holds(window):
            yield "it is not loaded as a whole"
        if measurement.source_of(window) != measurement.source:
            yield f"it comes from the source {measurement.source_of(window)} (`history`)"
        if (why := self.why_unproved(window)) is not None:
            yield f"it is not proved: {why}"
        if self._quarantined(window):
            yield "rows of it are in quarantine"
        if (changed := self._changed(window)) is not None:
            yield f"its rows in the lake changed at {utc_text(changed.committed)}, which is not so long ago"
        if window in self._unpublished:
            yield "a load of it waits on a branch"
        if waiting := self._small_files(window):
            yield f"{counted(waiting, 'small file')} of it wait to be compacted: influx-lake maintain --only compact"

    def _changed(self, window: Window) -> RecordedLoad | None:
        """The load that recently changed rows which the window had already."""
        options = self.measurement.offload
        found = self._loads.get(window)
        if found is None or options is None or found.previous_rows == 0 or found.committed < self.now - options.after:
            return None
        return found

    def _quarantined(self, window: Window) -> int:
        if not self.measurement.has_quarantine or self._quarantine is None:
            return 0
        return count_by_window(self._quarantine, [window])[0]

    def _small_files(self, window: Window) -> int:
        if not self._waiting:
            return 0
        files = files_of(self.table, window, self.measurement.time_column)
        return sum(task.file.file_path in self._waiting for task in (*files.inside, *files.straddling))

    @cached_property
    def _loads(self) -> dict[Window, RecordedLoad]:
        return recorded_loads(self.table)

    @cached_property
    def _unpublished(self) -> set[Window]:
        return {window for windows in unpublished(self.table).values() for window in windows}

    @cached_property
    def _quarantine(self) -> Table | None:
        from influx_lake.config.lake.table_names import QUARANTINE_SUFFIX

        name = (*self.measurement.namespace, self.measurement.table + QUARANTINE_SUFFIX)
        return find_table(self.catalog, name, self.measurement.share)

    @cached_property
    def _waiting(self) -> set[str]:
        """The paths of the files that a due compaction would rewrite, where the measurement is compacted."""
        own = table_of(self.measurement)
        options = own.options(Kind.COMPACT)
        whole = find_table(self.catalog, own.target.identifier)
        if not isinstance(options, CompactOptions) or whole is None:
            return set()
        found = select(whole, own.target, options, self.now)
        return {task.file.file_path for group in found.groups for task in group.tasks}
