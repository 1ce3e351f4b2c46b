"""Changes of a table by other tools, from its metadata."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.values.units import counted
from influx_lake.config.values.windows import Window, utc_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyiceberg.table.snapshots import Snapshot


MEASUREMENT = "influx-lake.measurement"
"""The property of a snapshot's summary: the measurement of the loaded rows, where the table holds several."""
BRANCH = "influx-lake.branch"
"""The property of a snapshot's summary: the branch to which a load of ours committed it; absent for main."""


class Kind(StrEnum):
    """The kind of a change: the operation of a snapshot, or a change of the current snapshot.

    Attributes:
        APPEND: Rows were added.
        REPLACE: Files were rewritten with the same rows: a compaction.
        OVERWRITE: Rows were replaced by others.
        DELETE: Rows were deleted.
        SET_BACK: The current snapshot is not that of the last load: a rollback, or a snapshot or branch that was set.
        MADE_ANEW: The current snapshot does not descend from any load: `CREATE OR REPLACE TABLE`.
        BRANCH: A branch has commits that the main branch does not have.
    """

    APPEND = "append"
    REPLACE = "replace"
    OVERWRITE = "overwrite"
    DELETE = "delete"
    SET_BACK = "set-back"
    MADE_ANEW = "made-anew"
    BRANCH = "branch"


@dataclass(frozen=True, slots=True)
class ForeignChange:
    """A change of a table by another tool.

    Attributes:
        kind: What it was.
        snapshot_id: The snapshot that it made, or that became the current one.
        at: When it was made.
        engine: The engine, where the snapshot names it.
        rows_added: The number of added rows.
        rows_removed: The number of removed rows.
        branch: The branch that it was made on, where a branch has it.
        source_snapshot_id: The snapshot that was cherry-picked.
        left_snapshot_id: The snapshot that was current before.
        during: The range from the first to the last time to which it added rows, beside those of loads.
    """

    kind: Kind
    snapshot_id: int
    at: datetime
    engine: str | None = None
    rows_added: int = 0
    rows_removed: int = 0
    branch: str | None = None
    source_snapshot_id: int | None = None
    left_snapshot_id: int | None = None
    during: Window | None = None

    @property
    def may_take_rows(self) -> bool:
        """Whether loaded rows may be gone, or have other values, because of it."""
        return self.kind not in (Kind.APPEND, Kind.REPLACE, Kind.BRANCH)

    def __str__(self) -> str:
        by = f" by {self.engine}" if self.engine else ""
        return f"{self._action()}{by} at {utc_text(self.at)} (snapshot {self.snapshot_id}{self._origin()})"

    def _action(self) -> str:
        rows = f"{counted(self.rows_removed, 'row')} removed" if self.rows_removed else ""
        added = f"{counted(self.rows_added, 'row')} added" if self.rows_added else ""
        changed = ", ".join(part for part in (rows, added) if part) or "no rows changed"
        match self.kind:
            case Kind.REPLACE:
                return "replace: files rewritten, the same rows"
            case Kind.SET_BACK:
                return f"set to another snapshot than that of the last load ({self.left_snapshot_id})"
            case Kind.MADE_ANEW:
                return "recreated: its snapshot descends from no load"
            case Kind.BRANCH:
                return f"branch {self.branch}: commits that are not read"
            case _:
                return f"{self.kind}: {changed}"

    def _origin(self) -> str:
        if self.source_snapshot_id is not None:
            return f", cherry-picked from {self.source_snapshot_id}"
        return f", from the branch {self.branch}" if self.branch and self.kind is not Kind.BRANCH else ""


def summary_of(snapshot: Snapshot) -> Mapping[str, str]:
    """The properties of a snapshot's summary; empty where it has no summary."""
    return snapshot.summary.additional_properties if snapshot.summary else {}


def is_load_of(snapshot: Snapshot, share: Share | None) -> bool:
    """Whether the load that made a snapshot was of a measurement, where the table holds several.

    Snapshots without the property were made when the table held a single measurement.
    """
    measurement = summary_of(snapshot).get(MEASUREMENT)
    return share is None or measurement is None or measurement == share.value


def number(snapshot: Snapshot, name: str) -> int:
    """A number in a snapshot's summary; 0 where it is missing."""
    value = summary_of(snapshot).get(name, "")
    return int(value) if value.isdecimal() else 0


def change_of(snapshot: Snapshot, branch: str | None = None) -> ForeignChange:
    """Describe the change that another tool's snapshot made."""
    kind = Kind(snapshot.summary.operation.value) if snapshot.summary else Kind.OVERWRITE
    deletes = number(snapshot, "added-position-deletes") - number(snapshot, "removed-position-deletes")
    return ForeignChange(
        kind=kind,
        snapshot_id=snapshot.snapshot_id,
        at=moment_of(snapshot.timestamp_ms),
        engine=engine_of(snapshot),
        rows_added=number(snapshot, "added-records"),
        rows_removed=max(0, number(snapshot, "deleted-records") + deletes),
        branch=branch,
        source_snapshot_id=number(snapshot, "source-snapshot-id") or None,
    )


def engine_of(snapshot: Snapshot) -> str | None:
    """The engine that made a snapshot, from its summary, which Spark, Flink, Trino and Kafka Connect mark."""
    summary = summary_of(snapshot)
    if name := summary.get("engine-name"):
        return " ".join(part for part in (name, summary.get("engine-version")) if part)
    if "trino_query_id" in summary:
        return "trino"
    for beginning, name in (("flink.", "flink"), ("kafka.connect.", "Kafka Connect")):
        if any(key.startswith(beginning) for key in summary):
            return name
    return "spark" if "spark.app.id" in summary else None


def moment_of(milliseconds: int) -> datetime:
    """Convert a time of Iceberg's metadata."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
