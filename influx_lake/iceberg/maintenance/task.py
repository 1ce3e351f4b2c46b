"""Maintenance of one table: what is given to it, and what it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from influx_lake.config.maintenance.options import Kind
from influx_lake.iceberg.columns.known_columns import actual
from influx_lake.iceberg.maintenance.figures import TableFigures, table_figures
from influx_lake.iceberg.scan.reader import open_table
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.writer.write_settings import WriteSettings

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


GC_ENABLED = "gc.enabled"
"""The table property: whether its files may be deleted when it needs them no more."""
_LOOKED_AT = ("_found", "_before", "_after")
"""How the names of numbers end that tell of no change."""


@dataclass(frozen=True, slots=True)
class TableTask:
    """Maintenance of one table.

    Attributes:
        catalog: The catalog of the table.
        target: The table, whole, and how its files are written.
        run_id: The run that does it; kept in the snapshots that it makes.
        now: The time that ages are told from.
        dry_run: Only find out what would be done.
    """

    catalog: Catalog
    target: TableTarget
    run_id: str
    now: datetime
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Maintained:
    """What one kind of maintenance did to a table, or would do.

    Attributes:
        kind: What was done.
        table: `namespace.table`.
        before: The table's figures before it.
        after: Those afterwards; of a dry run those of before.
        done: What was done, in numbers, by name: files_removed, bytes_removed, ...
        dry_run: Whether it was only found out.
        snapshot_id: The snapshot that it made; None where it made none.
        left: What was left as it is, and why, for people.
        files: The first of the files that it removed, or would remove.
        statements: What a query engine was asked to run, where it was one's work, or would be.
    """

    kind: Kind
    table: str
    before: TableFigures
    after: TableFigures
    done: Mapping[str, int] = field(default_factory=dict)
    dry_run: bool = False
    snapshot_id: int | None = None
    left: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()

    @property
    def is_something(self) -> bool:
        """Whether anything was done, or would be."""
        return any(number for name, number in self.done.items() if not name.endswith(_LOOKED_AT))

    @property
    def summary(self) -> str:
        """What was done, in numbers, for people; empty where nothing was."""
        counts = self.done.items() if self.is_something else ()
        return ", ".join(f"{name.replace('_', ' ')}: {number:,}" for name, number in counts if number)


def open_actual(task: TableTask) -> Table:
    """Load the table, its columns called as it calls them itself.

    Raises:
        CatalogError: There is no such table, or the catalog cannot tell.
    """
    return actual(open_table(task.catalog, task.target.identifier))


def kept_files(table: Table) -> str | None:
    """Why no snapshot of a table may be dropped and no file be deleted, for people; None where they may.

    Iceberg's `gc.enabled` is false where a table shares files with another, as a copy that Spark's `snapshot` makes of
    one: what this table needs no more, the other reads still.
    """
    from pyiceberg.utils.properties import property_as_bool

    if property_as_bool(table.metadata.properties, GC_ENABLED, True):
        return None
    return f"the table says `{GC_ENABLED}: false`: its files may be those of another table too, and none is deleted"


def figures_of(task: TableTask, table: Table) -> TableFigures:
    """The table's figures; a file is small below three quarters of the size that loads write."""
    return table_figures(table, WriteSettings.of(table, task.target).target_file_size * 3 // 4)
