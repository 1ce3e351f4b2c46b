"""Commits changes of a table's branches and tags, with retries after conflicts and commits of unknown outcome."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from influx_lake.errors import CommitConflict, CommitOutcomeUnknown, LakeError
from influx_lake.iceberg.catalogs.commit_lock import commit_lock
from influx_lake.iceberg.catalogs.retry import retry_attempts
from influx_lake.iceberg.failures.commit_outcome import Outcome, outcome_of
from influx_lake.iceberg.failures.translation import catalog_errors, safe_cause, translate
from influx_lake.iceberg.scan.reader import open_table

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table
    from pyiceberg.table.update import TableRequirement, TableUpdate

TIMEOUT = timedelta(minutes=2)
"""How long to retry a change of branches and tags while other writers are first or the catalog fails."""


@dataclass(frozen=True, slots=True)
class RefChange:
    """A change of branches and tags.

    Attributes:
        updates: The updates.
        requirements: What the table has to fulfil for them.
    """

    updates: tuple[TableUpdate, ...]
    requirements: tuple[TableRequirement, ...] = ()


Plan = Callable[["Table", bool], RefChange | None]
"""Plans a change for the table as it is now; None where nothing has to change. The flag tells whether there was an
earlier attempt, which may have taken place although the catalog did not say so.
"""


def commit_refs(
    catalog: Catalog, identifier: tuple[str, ...], plan: Plan, doing: str, timeout: timedelta = TIMEOUT
) -> Table:
    """Change branches and tags of a table.

    Args:
        catalog: The catalog.
        identifier: The table.
        plan: Plans the change, for each attempt; raises to stop.
        doing: The operation, as it follows "could not ...".
        timeout: How long to retry.

    Returns:
        The table afterwards.

    Raises:
        CatalogError: There is no such table, or the catalog refuses.
        CommitConflict: Other writers were first until the timeout.
        CommitOutcomeUnknown: Whether it was committed could not be determined.
    """
    failure: LakeError | None = None
    outcome = Outcome.LOST
    table = open_table(catalog, identifier)
    for number in retry_attempts(time.monotonic() + timeout.total_seconds()):
        with commit_lock(table.metadata.table_uuid):
            with catalog_errors(f"load the table {'.'.join(identifier)}"):
                table = catalog.load_table(identifier)
            change = plan(table, number > 0)
            if change is None:
                return table
            try:
                table._do_commit(change.updates, (*_same_table(table), *change.requirements))
            except Exception as error:
                outcome, failure = outcome_of(error), translate(error, doing)
                if outcome is Outcome.REFUSED:
                    raise failure from safe_cause(error)
            else:
                return table
    assert failure is not None
    if outcome is Outcome.UNKNOWN:
        raise CommitOutcomeUnknown(failure.message, remedy="Run the command again: it finds out what is done already")
    raise CommitConflict(f"could not {doing}: other writers were first for {timeout} ({failure.message})")


def _same_table(table: Table) -> Sequence[TableRequirement]:
    from pyiceberg.table.update import AssertTableUUID

    return (AssertTableUUID(uuid=table.metadata.table_uuid),)
