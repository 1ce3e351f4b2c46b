"""The status of a measurement in the lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from influx_lake.config import Measurement
from influx_lake.config.values.units import counted
from influx_lake.config.values.windows import Window, merged
from influx_lake.errors import CopiedTable, OffloadedRowsMissing
from influx_lake.iceberg.columns.foreign_column_changes import column_changes
from influx_lake.iceberg.columns.known_columns import actual, case_collision_warning, case_collisions, renamed
from influx_lake.iceberg.history.branch_loads import unpublished
from influx_lake.iceberg.history.refs import AUDIT_PREFIX
from influx_lake.iceberg.proofs.offloaded import offloaded_from
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.scan.row_counts import total_rows
from influx_lake.iceberg.staging.copied_folder import check_not_copied
from influx_lake.iceberg.table_state import table_state
from influx_lake.replication.definition import outdated_windows
from influx_lake.replication.foreign_changes import ForeignChanges, foreign_changes
from influx_lake.replication.planning.closed import ClosedWindows, closed_windows
from influx_lake.replication.removed.offloaded import check_held
from influx_lake.replication.table_columns import in_words

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


@dataclass(frozen=True, slots=True)
class MeasurementStatus:
    """The status of a measurement's table.

    Attributes:
        measurement: The measurement.
        table_exists: Whether its table exists.
        expected: Its closed windows, oldest first.
        missing: The closed windows that are not loaded.
        rows: The number of rows in the table.
        watermark: All time from the scheme's start to this is loaded; None where the first window is not.
        lag: The time from the watermark to now.
        newest: The end of the newest loaded time, by a tail too, whatever is missing before it.
        last_snapshot_id: The table's current snapshot.
        last_snapshot_at: When it was committed.
        others: The foreign changes of the table that no load has repaired.
        renamed: The columns that other tools renamed: their names in the table, by the names that loads know.
        alike: The columns whose names differ in case only, which some engines do not distinguish.
        column_changes: Changes of columns by other tools that loads refuse where the source has these columns.
        outdated: Its windows that were loaded under another definition.
        unpublished: The windows on branches, which readers do not see, by branch.
        offloaded: The off-loaded time.
        unheld: Why the table lacks off-loaded rows; None where it does not.
        copied: Why nothing is loaded, where the lake's folder was copied and the table's files are those of the
            original.
    """

    measurement: Measurement
    table_exists: bool
    expected: ClosedWindows
    missing: ClosedWindows
    rows: int
    watermark: datetime | None
    lag: timedelta
    newest: datetime | None
    last_snapshot_id: int | None
    last_snapshot_at: datetime | None
    others: ForeignChanges
    renamed: Mapping[str, str] = field(default_factory=dict)
    alike: Sequence[tuple[str, ...]] = ()
    column_changes: Sequence[str] = ()
    outdated: tuple[Window, ...] = ()
    copied: str | None = None
    offloaded: tuple[Window, ...] = ()
    unheld: str | None = None
    unpublished: Mapping[str, tuple[Window, ...]] = field(default_factory=dict)

    @property
    def remarks(self) -> list[str]:
        """Remarks on the table and its columns."""
        said = [f"{name!r} is {there!r}" for name, there in self.renamed.items()]
        renamed = [f"others renamed columns, which are filled under their new names: {', '.join(said)}"] if said else []
        changed = map(in_words, self.column_changes)
        outdated = []
        if self.outdated:
            windows, name = counted(len(self.outdated), "window"), self.measurement.key
            outdated.append(f"loaded under another definition: {windows}. See: influx-lake plan {name} --changed")
        copied = [self.copied] if self.copied else []
        gone = [self.unheld] if self.unheld else []
        return [
            *gone,
            *copied,
            *renamed,
            *changed,
            *outdated,
            *map(case_collision_warning, self.alike),
            *self._waiting(),
        ]

    def _waiting(self) -> list[str]:
        """Remarks on windows that readers do not see."""
        said = []
        for branch, windows in self.unpublished.items():
            many = f"{windows[0]}" + (f" and {len(windows) - 1:,} more" if len(windows) > 1 else "")
            why = "being checked, or did not pass" if branch.startswith(AUDIT_PREFIX) else "not published"
            said.append(
                f"on the branch {branch}, {why}: {counted(len(windows), 'window')}, {many}. See: influx-lake history "
                f"{self.measurement.key} --branch {branch}"
            )
        return said

    @property
    def loaded(self) -> int:
        """The number of expected windows that are in the table."""
        return len(self.expected) - len(self.missing)


def measurement_status(catalog: Catalog, measurement: Measurement, now: datetime) -> MeasurementStatus:
    """Read the status of a measurement from its table's metadata.

    Raises:
        CatalogError: The catalog cannot be reached or refuses.
        StorageError: The foreign changes of the table cannot be read.
    """
    table = find_table(catalog, measurement.identifier, measurement.share)
    state = table_state(table)
    coverage = state.coverage
    start, expected = measurement.kept_since(now), closed_windows(measurement, now)
    watermark = next((part.end for part in coverage.intervals if part.start <= start < part.end), None)
    snapshot = table.current_snapshot() if table else None
    return MeasurementStatus(
        measurement=measurement,
        table_exists=table is not None,
        expected=expected,
        missing=expected.missing(coverage),
        rows=total_rows(table, snapshot) if table else 0,
        watermark=watermark,
        lag=now - (watermark or start),
        newest=coverage.newest,
        last_snapshot_id=snapshot.snapshot_id if snapshot else None,
        last_snapshot_at=datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC) if snapshot else None,
        others=foreign_changes(measurement, state, now),
        renamed=_followed(table) if table else {},
        alike=case_collisions(field.name for field in actual(table).schema().fields) if table else (),
        column_changes=column_changes(table, measurement.time_column) if table else (),
        outdated=tuple(outdated_windows(measurement, state)),
        copied=_copied(table, measurement.table_name) if table else None,
        unpublished=unpublished(table) if table else {},
        offloaded=merged(each.window for each in offloaded_from(table)),
        unheld=_unheld(measurement, table),
    )


def _unheld(measurement: Measurement, table: Table | None) -> str | None:
    try:
        check_held(measurement, table)
    except OffloadedRowsMissing as error:
        return f"{error.message}. {error.remedy}"
    return None


def _followed(table: Table) -> dict[str, str]:
    """The renamed columns that loads follow, without those whose old names other tools gave to new columns."""
    there, loads = actual(table).schema().column_names, set(renamed(table).values())
    return {name: new for name, new in renamed(table).items() if name not in there or name in loads}


def _copied(table: Table, name: str) -> str | None:
    try:
        check_not_copied(table, name)
    except CopiedTable as error:
        return error.message
    return None
