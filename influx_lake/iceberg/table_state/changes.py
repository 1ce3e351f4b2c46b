"""What others did to a table, from its metadata."""

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
"""The property of a snapshot's summary: whose rows were loaded, where the table holds several measurements."""
BRANCH = "influx-lake.branch"
"""The property of a snapshot's summary: the branch that a load of ours made it on; none for the table's own."""


class Kind(StrEnum):
    """What was done: the operation of a snapshot, or a change of which snapshot is read.

    Attributes:
        APPEND: Rows were added.
        REPLACE: Files were rewritten, and no row changed: a compaction.
        OVERWRITE: Rows were replaced by others.
        DELETE: Rows were deleted.
        SET_BACK: The table reads another snapshot than that of its last load: a rollback, or a snapshot or branch that
            was set.
        MADE_ANEW: The snapshot that is read does not descend from any load: `CREATE OR REPLACE TABLE`.
        BRANCH: A branch has commits that the table, as it is read, does not have.
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
    """One thing that others did to a table.

    Attributes:
        kind: What it was.
        snapshot_id: The snapshot that they made, or that is read now.
        at: When.
        engine: The engine, where the snapshot names it.
        rows_added: How many rows came.
        rows_removed: How many went.
        branch: The branch that it was done on, where there is one with it.
        source_snapshot_id: The snapshot that was cherry-picked.
        left_snapshot_id: The snapshot that was read before.
        during: From the first to the last time to which it added rows, beside those of loads.
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
        """Whether rows that were loaded may be gone, or others, because of it."""
        return self.kind not in (Kind.APPEND, Kind.REPLACE, Kind.BRANCH)

    def __str__(self) -> str:
        by = f" by {self.engine}" if self.engine else ""
        return f"{self._deed()}{by} at {utc_text(self.at)} (snapshot {self.snapshot_id}{self._origin()})"

    def _deed(self) -> str:
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
    """The properties of a snapshot's summary; none where it has no summary."""
    return snapshot.summary.additional_properties if snapshot.summary else {}


def is_load_of(snapshot: Snapshot, share: Share | None) -> bool:
    """Whether a load of ours that made a snapshot was of a measurement, where the table holds several.

    One that does not say was made when the table was one measurement's.
    """
    measurement = summary_of(snapshot).get(MEASUREMENT)
    return share is None or measurement is None or measurement == share.value


def number(snapshot: Snapshot, name: str) -> int:
    """A number in a snapshot's summary; 0 where it is missing."""
    value = summary_of(snapshot).get(name, "")
    return int(value) if value.isdecimal() else 0


def change_of(snapshot: Snapshot, branch: str | None = None) -> ForeignChange:
    """What somebody else's snapshot did."""
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
    """The engine that made a snapshot, from its summary: Spark, Flink, Trino and Kafka Connect do."""
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
    """A time of Iceberg's metadata."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
