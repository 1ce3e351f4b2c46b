"""Plans and executes the rollback of a table to an earlier snapshot, with the windows that become unloaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window
from influx_lake.errors import ConfigurationError, OffloadedRowsMissing
from influx_lake.iceberg.columns.known_columns import as_known
from influx_lake.iceberg.history.rollback import check_was_read, roll_back, snapshot_at
from influx_lake.iceberg.history.snapshot_view import as_of
from influx_lake.iceberg.proofs.offloaded import offloaded_from
from influx_lake.iceberg.scan.reader import open_table
from influx_lake.iceberg.scan.row_counts import total_rows
from influx_lake.iceberg.table_state import table_state
from influx_lake.replication.planning.due import due_windows
from influx_lake.replication.removed.offloaded import holds

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot


@dataclass(frozen=True, slots=True)
class Unloaded:
    """What a rollback changes for one measurement.

    Attributes:
        measurement: The measurement.
        lost: The windows that are loaded now and will not be, oldest first.
        gained: The windows that will be loaded and are not now, which happens where an earlier rollback is undone.
        due: The windows that will be due afterwards: schedules load them at their next tick.
        rows: How many rows it has now.
        rows_then: How many it will have.
    """

    measurement: Measurement
    lost: tuple[Window, ...]
    gained: tuple[Window, ...]
    due: tuple[Window, ...]
    rows: int
    rows_then: int


@dataclass(frozen=True, slots=True)
class Rollback:
    """A planned rollback.

    Attributes:
        catalog: The catalog.
        identifier: The table.
        current: The table's current snapshot.
        snapshot: The snapshot to roll back to.
        measurements: The consequences for each measurement of the table.
    """

    catalog: Catalog
    identifier: tuple[str, ...]
    current: int | None
    snapshot: Snapshot
    measurements: tuple[Unloaded, ...]

    @property
    def changes_nothing(self) -> bool:
        """Whether that snapshot is current already."""
        return self.current == self.snapshot.snapshot_id

    def make(self) -> None:
        """Commit the rollback.

        Raises:
            CommitError: It could not be committed, or others committed meanwhile.
        """
        roll_back(self.catalog, self.identifier, self.snapshot, self.current)


def planned_rollback(
    catalog: Catalog, measurements: Sequence[Measurement], where: int | str | datetime, now: datetime
) -> Rollback:
    """Plan a rollback: determine what it would change, and change nothing.

    Args:
        catalog: The catalog.
        measurements: All measurements that the table holds.
        where: The snapshot to roll back to; see `snapshot_at`.
        now: The present.

    Raises:
        ConfigurationError: There is no such snapshot, or readers never got it.
        CatalogError: There is no such table, or the catalog fails.
    """
    identifier = measurements[0].identifier
    table = open_table(catalog, identifier)
    snapshot = snapshot_at(table, where)
    check_was_read(table, snapshot)
    if table.metadata.current_snapshot_id is None:
        raise ConfigurationError(f"{measurements[0].table_name} holds nothing that could be rolled back")
    then = as_of(table, snapshot)
    for each in measurements:
        _check_offloaded(each, table, then)
    found = tuple(_unloaded(each, table, then, now) for each in measurements)
    return Rollback(catalog, identifier, table.metadata.current_snapshot_id, snapshot, found)


def _check_offloaded(measurement: Measurement, table: Table, then: Table) -> None:
    """Refuse a rollback that would lose rows which are deleted at their source.

    Raises:
        OffloadedRowsMissing: It would lose some.
    """
    known = as_known(then, share=measurement.share)
    for each in offloaded_from(as_known(table, share=measurement.share)):
        if not holds(measurement, known, each):
            raise OffloadedRowsMissing(
                f"{each.window} of {measurement.table_name} was off-loaded: it is deleted at the source, and the "
                "snapshot that is to be read does not descend from the one that was proved; nothing was done",
                remedy=f"Choose a snapshot since {each.snapshot_id}",
            )


def _unloaded(measurement: Measurement, table: Table, then: Table, now: datetime) -> Unloaded:
    table, then = (as_known(each, share=measurement.share) for each in (table, then))
    before, after = table_state(table).coverage, table_state(then).coverage
    return Unloaded(
        measurement,
        tuple(_windows(measurement, before.without(after))),
        tuple(_windows(measurement, after.without(before))),
        tuple(due.window for due in due_windows(measurement, after, now, newest_first=False)),
        total_rows(table, table.current_snapshot()),
        total_rows(then, then.current_snapshot()),
    )


def _windows(measurement: Measurement, parts: Iterable[Window]) -> list[Window]:
    return sorted({window for part in parts for window in measurement.scheme.windows(part.start, part.end)})
