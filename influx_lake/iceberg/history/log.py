"""The log of a table's snapshots: who made them, of which window, with which numbers of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.commit.maintenance_commit import MAINTENANCE
from influx_lake.iceberg.history.refs import branch_head
from influx_lake.iceberg.history.snapshot_view import MAIN
from influx_lake.iceberg.table_state.changes import BRANCH, MEASUREMENT, engine_of, moment_of, number, summary_of
from influx_lake.iceberg.table_state.lineage import is_ours, line_there
from influx_lake.iceberg.table_state.rebuilding import ROWS, WINDOW

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

_RUN = "influx-lake.run-id"
_PREVIOUS_ROWS = "influx-lake.previous-rows"
_TAIL = "influx-lake.tail"
_SOURCE = "influx-lake.source"


@dataclass(frozen=True, slots=True)
class Entry:
    """A snapshot in the log.

    Attributes:
        snapshot_id: Its id.
        parent_id: The id of its parent snapshot.
        at: When it was committed.
        operation: Its operation: append, overwrite, replace or delete.
        ours: Whether influx-lake made it.
        is_tail: Whether it is a tail of an open window.
        window: The window that was loaded; None where it is no load.
        rows: Rows of the window afterwards.
        previous_rows: Rows of the window before.
        rows_added: Rows in the added files.
        rows_removed: Rows in the removed files.
        files_added: Data files added.
        files_removed: Data files removed.
        total_rows: Rows of the table afterwards.
        measurement: The measurement of the rows, where the table holds several.
        run_id: The run that loaded it.
        source: The identity of the source.
        engine: The engine, where the snapshot names it.
        maintenance: The kind of maintenance that made it; None where it was none.
        made_on: The branch that it was made on; None for the main branch.
        names: The branches and tags at it.
        is_read: Whether it is the snapshot that readers get, or an ancestor of it.
    """

    snapshot_id: int
    parent_id: int | None
    at: datetime
    operation: str
    ours: bool
    is_tail: bool
    window: Window | None
    rows: int | None
    previous_rows: int | None
    rows_added: int
    rows_removed: int
    files_added: int
    files_removed: int
    total_rows: int
    measurement: str | None
    run_id: str | None
    source: str | None
    engine: str | None
    maintenance: str | None
    made_on: str | None
    names: tuple[str, ...]
    is_read: bool

    @property
    def who(self) -> str:
        """Who made it, for people: the run, the engine, or "others"."""
        of_ours = self.ours or self.maintenance is not None
        return self.run_id or ("influx-lake" if of_ours else self.engine or "others")


def history(table: Table, branch: str = MAIN, *, everything: bool = False) -> Iterator[Entry]:
    """The snapshots that a table still has, newest first.

    Args:
        table: The table.
        branch: The branch whose newest snapshot and its ancestors are listed.
        everything: Also other snapshots: rolled back, or of other branches.

    Raises:
        ConfigurationError: There is no such branch.
    """
    metadata = table.metadata
    main = line_there(metadata)
    if everything:
        chosen = sorted(metadata.snapshots, key=lambda each: (each.sequence_number or 0, each.timestamp_ms))[::-1]
    elif branch == MAIN:
        chosen = list(main.values())
    else:
        chosen = list(line_there(metadata, branch_head(table, branch)).values())
    names: dict[int, list[str]] = {}
    for name, ref in metadata.refs.items():
        names.setdefault(ref.snapshot_id, []).append(name)
    for each in chosen:
        yield _entry(each, tuple(sorted(names.get(each.snapshot_id, ()))), each.snapshot_id in main)


def _entry(snapshot: Snapshot, names: tuple[str, ...], is_read: bool) -> Entry:
    said = summary_of(snapshot)
    window = said.get(WINDOW)
    return Entry(
        snapshot_id=snapshot.snapshot_id,
        parent_id=snapshot.parent_snapshot_id,
        at=moment_of(snapshot.timestamp_ms),
        operation=snapshot.summary.operation.value if snapshot.summary else "overwrite",
        ours=is_ours(snapshot),
        is_tail=_TAIL in said,
        window=Window.parse(window) if window else None,
        rows=number(snapshot, ROWS) if ROWS in said else None,
        previous_rows=number(snapshot, _PREVIOUS_ROWS) if _PREVIOUS_ROWS in said else None,
        rows_added=number(snapshot, "added-records"),
        rows_removed=number(snapshot, "deleted-records"),
        files_added=number(snapshot, "added-data-files"),
        files_removed=number(snapshot, "deleted-data-files"),
        total_rows=number(snapshot, "total-records"),
        measurement=said.get(MEASUREMENT),
        run_id=said.get(_RUN),
        source=said.get(_SOURCE),
        engine=engine_of(snapshot),
        maintenance=said.get(MAINTENANCE),
        made_on=said.get(BRANCH),
        names=names,
        is_read=is_read,
    )
