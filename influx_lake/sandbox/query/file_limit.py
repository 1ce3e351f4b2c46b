"""Emulates InfluxDB 3 Core's limit on Parquet files per query: one file for each 10 minutes with data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from influx_lake.sandbox.query.query_errors import FileLimitExceeded
from influx_lake.sandbox.storage.merge import Run
from influx_lake.sandbox.storage.table import Snapshot

CHUNK_NS = 600 * 1_000_000_000
_BOUND = re.compile(r"\btime (>=|>|<=|<|=) TimestampNanosecond\((-?\d+), None\)")


def check_file_limit(plan: str, snapshots: Mapping[str, Snapshot], limit: int) -> None:
    """Refuse a query that touches more 10-minute chunks of a measurement than the limit.

    Args:
        plan: The optimised logical plan as text, in which every bound on time is a constant.
        snapshots: The measurements that the query may read.
        limit: How many chunks are allowed.

    Raises:
        FileLimitExceeded: with the server's message.
    """
    low, high = _bounds(plan)
    for name, snapshot in snapshots.items():
        if _scanned(plan, name) and _chunks(snapshot.runs, low, high) > limit:
            raise FileLimitExceeded(
                f"External error: Query would scan {limit} Parquet files, exceeding the file limit. InfluxDB 3 Core "
                "caps file access to prevent performance degradation and memory issues. Use a narrower time range, or "
                "increase the limit with --query-file-limit (this may cause slower queries or instability).\n\n"
                "To remove this limitation, upgrade to InfluxDB 3 Enterprise, which has no file limit."
            )


def _bounds(plan: str) -> tuple[int | None, int | None]:
    """The half-open bounds on time; none if the plan has alternatives."""
    if " OR " in plan:
        return None, None
    found = [(operator, int(value)) for operator, value in _BOUND.findall(plan)]
    low = max((value + (operator == ">") for operator, value in found if operator in (">", ">=", "=")), default=None)
    high = min((value + (operator != "<") for operator, value in found if operator in ("<", "<=", "=")), default=None)
    return low, high


def _scanned(plan: str, name: str) -> bool:
    scan = rf"(?:SubqueryAlias|TableScan): (?:public\.)?(?:iox\.)?{re.escape(name)}(?: |$)"
    return re.search(scan, plan, re.MULTILINE) is not None


def _chunks(runs: Iterable[Run], low: int | None, high: int | None) -> int:
    total = 0
    for run in runs:
        start = max(run.first, low) if low is not None else run.first
        end = min(run.last + 1, high) if high is not None else run.last + 1
        if start < end:
            total += (end - 1) // CHUNK_NS - start // CHUNK_NS + 1
    return total
