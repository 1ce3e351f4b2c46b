"""Commits changes of a table's metadata that make no snapshot, whoever else writes and whatever the catalog answers."""

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
    """Change metadata of a table; its branches and tags, and so all that loads do, and its columns and layout have to
    be as they were planned on.

    Args:
        catalog: The catalog of the table.
        target: The table.
        doing: What is done, for messages, as the end of "could not ...".
        plan: What changes in the table as it is, asked again for each try; nothing once the table is as it is to be.

    Returns:
        The table as it then is.

    Raises:
        CommitConflict: Other writers were first until the time ran out.
        CommitOutcomeUnknown: Whether it was committed could not be found out.
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
            # Where it is not known whether it took place, the next plan shows that.
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
