"""The certificate for auditors, as JSON: the proved ranges with time, snapshot and digest, and what is not proved."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from influx_lake.arrow.digests import Digest
from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window, utc_text
from influx_lake.iceberg.proofs.offloaded import Offloaded, offloaded_from
from influx_lake.iceberg.proofs.record import Proof
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.table_state.changes import moment_of
from influx_lake.replication.changes.change import Change
from influx_lake.replication.comparison.stored_digests import stored_digest
from influx_lake.replication.proof.proof_status import Standing, standing

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

SCHEMA = "influx-lake-certificate-1"
"""The identifier of the document's schema."""


def certificate(entries: Sequence[dict[str, Any]], now: datetime, start: datetime | None, end: datetime | None) -> Any:
    """Assemble the certificate of some measurements, ready for JSON; snapshot ids are strings.

    Args:
        entries: The entry of each measurement, from `certified`.
        now: The time of issue.
        start: Lists windows from here on; None: from the first.
        end: Lists windows up to here; None: to the last that closed.
    """
    return {
        "schema": SCHEMA,
        "made_at": utc_text(now.replace(microsecond=0)),
        "version": version("influx-lake"),
        "start": utc_text(start) if start else None,
        "end": utc_text(end) if end else None,
        "windows": sum(each["windows"] for each in entries),
        "windows_proved": sum(each["windows_proved"] for each in entries),
        "measurements": list(entries),
    }


def certified(
    catalog: Catalog,
    measurement: Measurement,
    windows: Sequence[Window],
    pending: Sequence[Change] = (),
    *,
    check: bool = False,
) -> dict[str, Any]:
    """The certificate's entry for a measurement, ready for JSON.

    Args:
        catalog: The catalog of its table.
        measurement: The measurement.
        windows: Its windows to list, oldest first.
        pending: Changes that its source reported and that are not loaded yet.
        check: Whether to compute the digests again from the proved snapshots.

    Raises:
        LakeError: The table cannot be read.
    """
    table = find_table(catalog, measurement.identifier, measurement.share)
    found = standing(measurement, table, windows, pending)
    state, current = table_state(table), table.current_snapshot() if table else None
    entry: dict[str, Any] = {
        "measurement": measurement.name,
        "table": measurement.table_name,
        "table_uuid": str(table.metadata.table_uuid) if table else None,
        "source": state.owner,
        "current_snapshot": str(current.snapshot_id) if current else None,
        "windows": found.windows,
        "windows_proved": found.proved,
        "proved": [_proof(table, each) for each in _listed(found, windows)] if table else [],
        "offloaded": [_offloaded(each) for each in _gone(table, windows)],
        "unproved": [
            {**_span(each.window), "windows": each.windows, "why": each.why, "was_proved": each in found.stale}
            for each in found.unproved
        ],
    }
    if check and table is not None:
        for each, told in zip(_listed(found, windows), entry["proved"], strict=True):
            told["check"] = _checked(table, measurement, each)
        for gone, told in zip(_gone(table, windows), entry["offloaded"], strict=True):
            told["check"] = _checked_offloaded(table, measurement, gone)
    return entry


def failed_checks(document: Any) -> list[str]:
    """Describe the ranges whose digest differs now or could not be computed again."""
    return [
        f"{entry['measurement']} {each['start']}/{each['end']}: {each['check']['message']}"
        for entry in document["measurements"]
        for each in (*entry["proved"], *entry["offloaded"])
        if "check" in each and not each["check"]["holds"]
    ]


def _listed(found: Standing, windows: Sequence[Window]) -> list[Proof]:
    return [each for each in found.proofs.ranges if _meets(each.window, windows)]


def _gone(table: Table | None, windows: Sequence[Window]) -> list[Offloaded]:
    return [each for each in offloaded_from(table) if _meets(each.window, windows)]


def _meets(window: Window, windows: Sequence[Window]) -> bool:
    return bool(windows) and window.start < windows[-1].end and windows[0].start < window.end


def _offloaded(entry: Offloaded) -> dict[str, Any]:
    return {
        **_span(entry.window),
        "at": utc_text(entry.at),
        "rows": entry.rows,
        "digest": entry.digest or None,
        "snapshot": str(entry.snapshot_id),
        "tag": entry.tag,
        "source": entry.source,
        "key": list(entry.key),
        "left_out": list(entry.left_out),
        "done": entry.is_done,
    }


def _span(window: Window) -> dict[str, str]:
    return {"start": utc_text(window.start), "end": utc_text(window.end)}


def _proof(table: Table, proof: Proof) -> dict[str, Any]:
    snapshot = table.metadata.snapshot_by_id(proof.snapshot_id)
    names = [name for name, ref in table.metadata.refs.items() if ref.snapshot_id == proof.snapshot_id]
    return {
        **_span(proof.window),
        "proved_at": utc_text(proof.at),
        "snapshot": str(proof.snapshot_id),
        "snapshot_at": utc_text(moment_of(snapshot.timestamp_ms)) if snapshot else None,
        "snapshot_exists": snapshot is not None,
        "snapshot_names": sorted(names),
        "rows": proof.rows,
        "digest": proof.digest,
        "algorithm": proof.algorithm,
        "version": proof.version,
        "key": list(proof.key),
        "left_out": list(proof.left_out),
        "changed_since": [_span(each) for each in proof.changed],
    }


def _checked(table: Table, measurement: Measurement, proof: Proof) -> dict[str, Any]:
    """Whether the lake still yields the digest: from the proved snapshot, else from the current one."""
    asked, current = proof.snapshot_id, table.metadata.current_snapshot_id
    if table.metadata.snapshot_by_id(asked) is None and not proof.changed and current is not None:
        # No commit changed the range since, so the rows must be the same.
        asked = current
    digest = stored_digest(table, measurement, proof.window, asked, proof.key, proof.left_out)
    if digest is None:
        return _unchecked("its snapshot expired, and parts changed since: it can no longer be checked; prove it again")
    if (digest.values, str(digest)) == (proof.rows, proof.digest):
        return _told(digest, asked, "the digest is the same", holds=True)
    return _told(digest, asked, "the lake has other rows than were proved", holds=False)


def _checked_offloaded(table: Table, measurement: Measurement, entry: Offloaded) -> dict[str, Any]:
    """Whether the lake still has an off-loaded window: in the proved snapshot, else in the current one, to which late
    points may have been added since.
    """
    asked, current = entry.snapshot_id, table.metadata.current_snapshot_id
    if current is None:
        return _unchecked("the table has no snapshot")
    expired = table.metadata.snapshot_by_id(asked) is None
    digest = stored_digest(table, measurement, entry.window, current if expired else asked, entry.key, entry.left_out)
    if digest is None:
        return _unchecked("files of it are gone from the table's store")
    rows, is_same = digest.values, (digest.values, str(digest)) == (entry.rows, entry.digest)
    if is_same:
        message = "the digest is the same"
    elif rows < entry.rows:
        message = "the lake has fewer rows than were deleted at the source"
    elif not entry.digest:
        message = "as many rows, or more, are there; no digest of them is kept"
    elif expired and rows > entry.rows:
        message = "more rows are there, for points came later; the snapshot before them expired"
    else:
        message = "the lake has other rows than were proved"
    added = rows >= entry.rows and (not entry.digest or (expired and rows > entry.rows))
    return _told(digest, current if expired else asked, message, holds=is_same or added)


def _told(digest: Digest, snapshot: int, message: str, *, holds: bool) -> dict[str, Any]:
    return {
        "holds": holds,
        "snapshot": str(snapshot),
        "rows": digest.values,
        "digest": str(digest),
        "message": message,
    }


def _unchecked(message: str) -> dict[str, Any]:
    return {"holds": False, "snapshot": None, "rows": None, "digest": None, "message": message}
