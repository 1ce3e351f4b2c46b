"""Runs due maintenance on the tables of a lake, one after the other."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from influx_lake.config.maintenance.engines import EngineConnections
from influx_lake.config.maintenance.options import Kind
from influx_lake.errors import ForeignTable, LakeError
from influx_lake.iceberg.maintenance.task import Maintained, TableTask
from influx_lake.iceberg.own_properties import holds_ours
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.maintenance.engines.maintain_by_engine import maintained_by
from influx_lake.maintenance.engines.opening import Engines
from influx_lake.maintenance.kinds import KINDS
from influx_lake.maintenance.tables import MaintainedTable

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one kind of maintenance of one table.

    Attributes:
        table: The table.
        kind: The kind of maintenance.
        done: Its figures; None where it failed.
        failure: Why it failed.
        seconds: Its duration.
    """

    table: MaintainedTable
    kind: Kind
    done: Maintained | None
    failure: LakeError | None
    seconds: float

    @property
    def summary(self) -> str:
        """The result on one line, for people."""
        if self.done is None:
            return f"{self.table.name}, {self.kind}: {self.failure}"
        parts = [*([self.done.summary] if self.done.summary else ["nothing is due"]), *self.done.left]
        would = "would be done: " if self.done.dry_run and self.done.is_something else ""
        return f"{self.table.name}, {self.kind}: {would}{'; '.join(parts)} ({self.seconds:.2f} s)"


def maintain(
    catalog: Catalog,
    tables: Iterable[MaintainedTable],
    only: Collection[Kind] = (),
    *,
    run_id: str,
    dry_run: bool = False,
    now: datetime | None = None,
    engines: Engines | None = None,
) -> Iterator[Outcome]:
    """Do due maintenance of tables. A failure of one table does not stop the others.

    Tables that do not exist yet are skipped.

    Args:
        catalog: Their catalog.
        tables: See `tables_of`.
        only: The kinds to do; by default all that are not `off`.
        run_id: The run, recorded in the snapshots.
        dry_run: Whether nothing is changed.
        now: The time from which ages are counted; default: this moment.
        engines: The query engines that tables name.

    Yields:
        Each kind of each table, as it ends.
    """
    engines = engines or Engines(EngineConnections(), catalog.name)
    for table in tables:
        chosen = [kind for kind in KINDS if (not only or kind in only) and table.options(kind) is not None]
        if chosen:
            task = TableTask(catalog, table.target, run_id, now or datetime.now(UTC), dry_run)
            yield from _outcomes(table, task, chosen, engines)


def _outcomes(table: MaintainedTable, task: TableTask, kinds: Iterable[Kind], engines: Engines) -> Iterator[Outcome]:
    checked = False
    for kind in kinds:
        begun = time.monotonic()
        done, failure = None, None
        try:
            if not checked and not _exists(table, task.catalog):
                return
            checked = True
            done = _done(table, task, kind, engines)
        except LakeError as error:
            failure = error.about(table.measurement.name)
        yield Outcome(table, kind, done, failure, time.monotonic() - begun)
        if not checked:
            return


def _done(table: MaintainedTable, task: TableTask, kind: Kind, engines: Engines) -> Maintained:
    options = table.options(kind)
    if table.maintenance is not None:
        engine = engines.get(table.maintenance.engine)
        if engine is not None and kind in engine.kinds:
            return maintained_by(engine, task, kind, table.maintenance.model_copy(update={kind: options}))
    return KINDS[kind](task, options)


def _exists(table: MaintainedTable, catalog: Catalog) -> bool:
    """Whether the table exists.

    Raises:
        ForeignTable: No load of ours ever wrote to it.
    """
    found = find_table(catalog, table.target.identifier)
    if found is not None and not table.adopt and not holds_ours(found.metadata):
        raise ForeignTable(
            f"the table {table.name} was not loaded by influx-lake; nothing was done to it",
            remedy="Load into another table (`table:` in lake.yaml), or make it the measurement's with `adopt: true`",
        )
    return found is not None
