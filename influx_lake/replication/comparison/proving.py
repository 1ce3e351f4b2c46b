"""Records in a table which windows were proved equal to their source, and removes proofs of those that differ now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from influx_lake.arrow.digests import ALGORITHM, Digest
from influx_lake.config import Measurement
from influx_lake.config.values.units import counted
from influx_lake.config.values.windows import Window, utc_text
from influx_lake.errors import LakeError
from influx_lake.iceberg.columns.known_columns import actual, as_known, is_shared
from influx_lake.iceberg.commit.metadata_commit import commit_metadata
from influx_lake.iceberg.history.branch_catalog import branch_of
from influx_lake.iceberg.history.updates import property_updates
from influx_lake.iceberg.own_properties import uuid_property
from influx_lake.iceberg.proofs.changed_time import changed_since
from influx_lake.iceberg.proofs.record import Proof, Proofs, name_of, recorded_proofs, recording
from influx_lake.iceberg.proofs.valid_proofs import current_proofs
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.table_state import TableState, table_state
from influx_lake.iceberg.table_state.current_state import time_id_of
from influx_lake.iceberg.target import TableTarget
from influx_lake.replication.comparison.compare_windows import Comparison, Verdict
from influx_lake.replication.comparison.stored_digests import default_key, stored_digest

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table
    from pyiceberg.table.update import TableUpdate


@dataclass(frozen=True, slots=True)
class Proved:
    """Which proofs were recorded after a comparison.

    Attributes:
        windows: The windows that are proved now.
        unproved: Windows that compared equal value by value and are not proved, each with the reason.
        failure: Why the proofs could not be recorded.
    """

    windows: tuple[Window, ...] = ()
    unproved: Mapping[Window, str] = field(default_factory=dict)
    failure: LakeError | None = None

    def __add__(self, other: Proved) -> Proved:
        unproved = {**self.unproved, **other.unproved}
        return Proved((*self.windows, *other.windows), unproved, self.failure or other.failure)


def unprovable(comparison: Comparison, state: TableState) -> str | None:
    """Why an equal comparison does not prove its window, in words; None where it does.

    Args:
        comparison: The window on both sides.
        state: What is known of its table.
    """
    return next(_objections(comparison, state), None)


def _objections(comparison: Comparison, state: TableState) -> Iterator[str]:
    values = comparison.values
    if comparison.verdict is not Verdict.EQUAL or comparison.kept_rows or comparison.changed:
        yield comparison.explanation
    elif values is None:
        yield "it was not compared value by value"
    else:
        if not state.coverage.holds(comparison.window):
            yield "it is not loaded as a whole"
        aside = comparison.lake_rows - values.lake.rows
        if aside > 0 and comparison.measurement.has_quarantine:
            yield f"{counted(aside, 'row')} of it {'is' if aside == 1 else 'are'} in quarantine, and not in the table"
        elif aside:
            yield "the table changed while it was compared"
        if values.beside:
            yield f"the lake has values in {', '.join(values.beside)}, which the source no longer has"
        if values.unlike:
            yield f"the table has other types than loads write in {', '.join(values.unlike)}"


def keep_proofs(catalog: Catalog, measurement: Measurement, comparisons: Sequence[Comparison]) -> Proved:
    """Record the proofs of windows that compared equal value by value, and remove those of windows that differ, in one
    commit without a snapshot.

    Nothing is committed where nothing changes, nor on a branch. Windows that were loaded since the rows were read are
    not proved.

    Args:
        catalog: The catalog of the table.
        measurement: The measurement.
        comparisons: Its windows on both sides.
    """
    if branch_of(catalog) is not None:
        return Proved()
    # For an off-loaded window, more rows in the lake neither prove nor disprove anything.
    telling = [
        each
        for each in comparisons
        if each.values or each.verdict is not Verdict.EQUAL or (each.kept_rows and each.late is None)
    ]
    try:
        table = find_table(catalog, measurement.identifier, measurement.share) if telling else None
        if table is None:
            return Proved()
        state = table_state(table)
        reasons = {each.window: unprovable(each, state) for each in telling}
        keeping = _ProofPlanner(measurement, [each for each in telling if reasons[each.window] is None], table)
        keeping.unproved.update({window: why for window, why in reasons.items() if why is not None})
        if (keeping.equal or current_proofs(table).ranges) and keeping.plan(actual(table)):
            target = TableTarget(measurement.identifier, time_column=measurement.time_column, write=measurement.write)
            commit_metadata(catalog, target, "write what was proved to", keeping.plan)
    except LakeError as error:
        return Proved(failure=error.about(measurement.name))
    proved = tuple(each.window for each in keeping.equal if each.window not in keeping.unproved)
    equal = {each.window for each in telling if each.verdict is Verdict.EQUAL}
    return Proved(proved, {window: why for window, why in keeping.unproved.items() if window in equal})


class _ProofPlanner:
    """Plans the change of the table's property that holds the proofs.

    Args:
        measurement: The measurement.
        equal: The windows to prove.
        table: Its table.
    """

    def __init__(self, measurement: Measurement, equal: Sequence[Comparison], table: Table) -> None:
        self.equal = equal
        self.unproved: dict[Window, str] = {}
        self._measurement = measurement
        self._at = datetime.now(UTC).replace(microsecond=0)
        self._proofs = [_proof(each, table, self._at) for each in equal]
        self._earlier = _earlier(table, measurement, self._proofs)

    def plan(self, table: Table) -> tuple[TableUpdate, ...]:
        """The table updates, for the table as it is now."""
        known = as_known(table, share=self._measurement.share)
        proofs = current_proofs(known)
        proofs = proofs.losing(
            self.unproved, f"no longer equal to its source when it was compared at {utc_text(self._at)}"
        )
        proofs = proofs.adding(self._unchanged(known), self._earlier)
        # A table that is not shared has one record, whatever share its measurement had before.
        replaced = {} if is_shared(table.metadata) else dict.fromkeys(recorded_proofs(table.metadata), Proofs())
        written = recording(table.metadata, replaced | {name_of(self._measurement.share): proofs})
        return tuple(property_updates(written | uuid_property(table.metadata))) if written else ()

    def _unchanged(self, table: Table) -> list[Proof]:
        """The proofs of windows that no commit has changed since they were read."""
        found, time_id = list[Proof](), time_id_of(table, table_state(table))
        since = {each: changed_since(table, each, time_id) for each in {proof.snapshot_id for proof in self._proofs}}
        for each in self._proofs:
            changes = since[each.snapshot_id]
            later = [change.why for change in changes.changes if each.window.overlaps_any(change.windows)]
            if changes.undone:
                later.append("the table was set back")
            if later:
                self.unproved[each.window] = f"while it was compared: {later[-1]}"
            else:
                found.append(each)
        return found


def _proof(comparison: Comparison, table: Table, at: datetime) -> Proof:
    assert comparison.values is not None
    values, whole = comparison.values, comparison.values.lake.whole
    there = {each.name for each in table.schema().fields} - set(values.left_out)
    key, default = set(values.key) & there, default_key(comparison.measurement, table) & there
    return Proof(
        comparison.window,
        at,
        values.snapshot_id or -1,
        whole.values,
        str(whole),
        ALGORITHM,
        version("influx-lake"),
        key=() if key == default else tuple(sorted(key)),
        left_out=tuple(sorted(values.left_out)),
    )


def _earlier(table: Table, measurement: Measurement, proofs: Iterable[Proof]) -> dict[Window, Digest]:
    """The digests that windows had when the range around them was proved, where that snapshot can still be read: from
    them the range's digest is updated to its present rows.
    """
    found: dict[Window, Digest] = {}
    ranges = current_proofs(table).ranges
    for each in proofs:
        within = next((one for one in ranges if one.window.contains(each.window)), None)
        if within is None or within.window == each.window or not each.window.overlaps_any(within.changed):
            continue
        digest = stored_digest(table, measurement, each.window, within.snapshot_id, within.key, within.left_out)
        if digest is not None:
            found[each.window] = digest
    return found
