"""Commits metadata changes that make no snapshot, with retries after conflicts and commits of unknown outcome."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from influx_lake.errors import CommitConflict, CommitOutcomeUnknown, LakeError
from influx_lake.iceberg.catalogs.commit_lock import commit_lock
from influx_lake.iceberg.catalogs.retry import retry_attempts
from influx_lake.iceberg.failures.commit_outcome import Outcome, outcome_of
from influx_lake.iceberg.failures.translation import safe_cause, translate
from influx_lake.iceberg.staging.staged_table import layout_requirements

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table
    from pyiceberg.table.update import TableRequirement, TableUpdate

    from influx_lake.iceberg.target import TableTarget


def commit_metadata(
    catalog: Catalog, target: TableTarget, doing: str, plan: Callable[[Table], tuple[TableUpdate, ...]]
) -> Table:
    """Change a table's metadata, provided that its branches and tags (which every load moves), its columns and its
    layout are as they were when the change was planned.

    Args:
        catalog: The catalog of the table.
        target: The table.
        doing: The activity, for messages, as it follows "could not ...".
        plan: Plans the updates for the table as it is now, for each attempt; empty once nothing has to change.

    Returns:
        The table afterwards.

    Raises:
        CommitConflict: Other writers were first until `commit_timeout` was over.
        CommitOutcomeUnknown: Whether it was committed could not be determined.
        LakeError: The catalog fails, or what the plan raises.
    """
    failure: LakeError | None = None
    outcome = Outcome.LOST
    for _ in retry_attempts(time.monotonic() + target.write.commit_timeout.total_seconds()):
        try:
            uuid = catalog.load_table(target.identifier).metadata.table_uuid
            with commit_lock(uuid):
                table = catalog.load_table(target.identifier)
                updates = plan(table)
                if not updates:
                    return table
                table._do_commit(updates, _as_it_was(table))
                return table
        except LakeError:
            raise
        except Exception as error:
            was_permanent = failure is not None and not failure.transient
            outcome, failure = outcome_of(error), translate(error, f"{doing} {target.name}")
            # Where the outcome is unknown, the next plan shows it.
            if outcome is Outcome.REFUSED or (was_permanent and outcome is Outcome.UNKNOWN):
                raise failure from safe_cause(error)
    assert failure is not None
    if outcome is Outcome.UNKNOWN:
        raise CommitOutcomeUnknown(
            f"{failure.message}; and whether it took place could not be found out",
            remedy="Run it again: what is done already is not done twice",
        )
    if not isinstance(failure, CommitConflict):
        raise failure
    raise CommitConflict(
        f"could not {doing} {target.name} for {target.write.commit_timeout}: other writers were first "
        f"({failure.message})",
        remedy="Run it again when fewer runs write to this table at once, or raise write.commit_timeout",
    )


def _as_it_was(table: Table) -> tuple[TableRequirement, ...]:
    from pyiceberg.table.update import AssertRefSnapshotId, AssertTableUUID

    return (
        AssertTableUUID(uuid=table.metadata.table_uuid),
        *(
            AssertRefSnapshotId.model_validate({"ref": name, "snapshot-id": ref.snapshot_id})
            for name, ref in table.metadata.refs.items()
        ),
        *layout_requirements(table.metadata),
    )
