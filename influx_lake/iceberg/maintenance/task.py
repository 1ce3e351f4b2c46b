"""Maintenance of one table: the task and its result."""

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
"""The table property: whether its files may be deleted once it no longer needs them."""
_LOOKED_AT = ("_found", "_before", "_after")
"""The endings of figures that count what was found, and not what changed."""


@dataclass(frozen=True, slots=True)
class TableTask:
    """Maintenance of one table.

    Attributes:
        catalog: The catalog of the table.
        target: The whole table, and the options with which its files are written.
        run_id: The run that does it; recorded in its snapshots.
        now: The time that ages are relative to.
        dry_run: Only determine what would be done.
    """

    catalog: Catalog
    target: TableTarget
    run_id: str
    now: datetime
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Maintained:
    """The result of one kind of maintenance of a table.

    Attributes:
        kind: The kind of maintenance.
        table: `namespace.table`.
        before: The table's figures before it.
        after: Those afterwards; in a dry run those before.
        done: What was done, as numbers by name: files_removed, bytes_removed, ...
        dry_run: Whether it is only what would be done.
        snapshot_id: The snapshot that it committed; None where it committed none.
        left: What was left, and why, for people.
        files: The first of the files that were removed, or would be.
        statements: The statements that a query engine ran, or would run.
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
        """Whether anything changed, or would."""
        return any(number for name, number in self.done.items() if not name.endswith(_LOOKED_AT))

    @property
    def summary(self) -> str:
        """The figures, for people; empty where nothing changed."""
        counts = self.done.items() if self.is_something else ()
        return ", ".join(f"{name.replace('_', ' ')}: {number:,}" for name, number in counts if number)


def open_actual(task: TableTask) -> Table:
    """Load the table, under its own column names.

    Raises:
        CatalogError: There is no such table, or the catalog fails.
    """
    return actual(open_table(task.catalog, task.target.identifier))


def deletion_refusal(table: Table) -> str | None:
    """Why no snapshot of a table may be expired and no file deleted, for people; None where they may.

    Iceberg's `gc.enabled` is false for a table that shares files with another, such as a copy by Spark's `snapshot`:
    the other table still reads files that this one no longer needs.
    """
    from pyiceberg.utils.properties import property_as_bool

    if property_as_bool(table.metadata.properties, GC_ENABLED, True):
        return None
    return f"the table says `{GC_ENABLED}: false`: its files may be those of another table too, and none is deleted"


def figures_of(task: TableTask, table: Table) -> TableFigures:
    """The table's figures; a file is small below three quarters of the target size of loads."""
    return table_figures(table, WriteSettings.of(table, task.target).target_file_size * 3 // 4)
