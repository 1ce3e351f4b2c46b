"""Windows, comparisons and measurements as JSON, for the command line and HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from influx_lake.config.values.windows import merged, utc_text

if TYPE_CHECKING:
    from influx_lake.iceberg.table_state import ForeignChange
    from influx_lake.iceberg.window_result import WindowResult
    from influx_lake.replication.comparison.compare_windows import Comparison
    from influx_lake.replication.comparison.verify import Verification
    from influx_lake.replication.status import MeasurementStatus
    from influx_lake.sources.remarks import Outside

MISSING_NAMED = 1_000
"""How many missing windows are named one by one: the newest."""


def window_facts(result: WindowResult) -> dict[str, Any]:
    """The result of loading a window. Snapshot ids are strings, since JavaScript's numbers cannot hold them."""
    return {
        "window": str(result.window),
        "rows": result.rows,
        "previous_rows": result.previous_rows,
        "quarantined_rows": result.quarantined_rows,
        "snapshot_id": str(result.snapshot_id),
        "files": result.files_added,
        "bytes": result.bytes_written,
        "seconds": round(result.seconds, 3),
        "rows_per_second": round(result.rows_per_second),
    }


def verification_facts(found: Verification) -> dict[str, Any]:
    """The comparison of a measurement with its source."""
    return {
        "measurement": found.measurement.name,
        "table": found.measurement.table_name,
        "equal": found.is_equal,
        "windows": len(found.comparisons),
        "windows_failed": len(found.failures),
        "source_rows": found.source_rows,
        "lake_rows": found.lake_rows,
        "differing": [_comparison_facts(each) for each in found.differing],
        "with_more_rows": [_comparison_facts(each) for each in found.keeping],
        "windows_offloaded": len(found.offloaded),
        "outside_partitions": _outside_facts(found.outside) if found.outside else None,
        "proved": [str(window) for window in merged(found.proved.windows)],
        "unproved": [{"window": str(window), "why": why} for window, why in found.proved.unproved.items()],
        "proof_failure": found.proved.failure.message if found.proved.failure else None,
    }


def _outside_facts(found: Outside) -> dict[str, Any]:
    return {
        "before_start": found.before,
        "in_the_future": found.behind,
        "counted": f"{found.noun}s",
        "all": found.everything,
        "first": utc_text(found.first),
        "last": utc_text(found.last),
    }


def _comparison_facts(comparison: Comparison) -> dict[str, Any]:
    return {
        "window": str(comparison.window),
        "verdict": str(comparison.verdict),
        "source_rows": comparison.source_rows,
        "lake_rows": comparison.lake_rows,
        "changed_columns": list(comparison.changed),
        "explanation": comparison.explanation,
    }


def status_facts(status: MeasurementStatus) -> dict[str, Any]:
    """The status of a measurement."""

    def text(moment: datetime | None) -> str | None:
        return utc_text(moment) if moment else None

    return {
        "measurement": status.measurement.name,
        "table": status.measurement.table_name,
        "table_exists": status.table_exists,
        "windows_expected": len(status.expected),
        "windows_loaded": status.loaded,
        "windows_missing_count": len(status.missing),
        "windows_missing": [str(window) for window in status.missing[-MISSING_NAMED:]],
        "missing": [str(span) for span in status.missing.spans],
        "rows": status.rows,
        "watermark": text(status.watermark),
        "newest": text(status.newest),
        "lag_seconds": round(status.lag.total_seconds(), 3),
        "last_snapshot_id": str(status.last_snapshot_id) if status.last_snapshot_id else None,
        "last_snapshot_at": text(status.last_snapshot_at),
        "copied_from_another_lake": status.copied,
        "windows_of_another_definition": [str(window) for window in status.outdated],
        "offloaded": [str(window) for window in status.offloaded],
        "windows_unpublished": {name: [str(each) for each in windows] for name, windows in status.unpublished.items()},
        "renamed_columns": dict(status.renamed),
        "changed_columns": list(status.column_changes),
        "columns_alike_but_for_case": [list(names) for names in status.alike],
        "changed_by_others": {
            "message": str(status.others) if status.others else None,
            "changes": [_change(each) for each in status.others.changes],
            "windows_lost": [str(window) for window in status.others.windows],
            "windows_altered": [str(window) for window in status.others.altered],
            "windows_added_to": [str(window) for window in status.others.added],
            "rebuilt_from_row_counts": status.others.is_rebuilt,
        },
    }


def _change(change: ForeignChange) -> dict[str, Any]:
    def text(snapshot_id: int | None) -> str | None:
        return None if snapshot_id is None else str(snapshot_id)

    return {
        "operation": str(change.kind),
        "snapshot_id": str(change.snapshot_id),
        "at": utc_text(change.at),
        "engine": change.engine,
        "rows_added": change.rows_added,
        "rows_removed": change.rows_removed,
        "branch": change.branch,
        "source_snapshot_id": text(change.source_snapshot_id),
        "left_snapshot_id": text(change.left_snapshot_id),
    }
