"""The check `nothing_in_quarantine`: whether the quarantine has rows."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa

from influx_lake.checks.outcome import SHOWN, Outcome
from influx_lake.checks.subject import Subject
from influx_lake.config.lake.table_names import QUARANTINE_SUFFIX
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.scan.row_counts import total_rows
from influx_lake.iceberg.scan.row_filter import RowFilter

_REASONS_FROM_ROWS = 10_000


def nothing_in_quarantine(subject: Subject) -> Outcome:
    """Count the rows of the quarantine, of all windows, from its metadata, with the reasons they are there."""
    measurement = subject.measurement
    identifier = (*measurement.namespace, measurement.table + QUARANTINE_SUFFIX)
    table = find_table(subject.catalog, identifier, measurement.share)
    rows = total_rows(table, table.current_snapshot()) if table else 0
    if table is None or not rows:
        return Outcome(True, "nothing is in quarantine", {"rows": 0})
    condition = RowFilter.of(None, table).expression(table)
    scan = table.scan(row_filter=condition, selected_fields=("reason",), limit=_REASONS_FROM_ROWS)
    found = scan.to_arrow().column("reason").to_pylist()
    reasons = [{"reason": reason, "rows": count} for reason, count in Counter(found).most_common(SHOWN)]
    message = f"{rows:,} rows in {measurement.table_name}{QUARANTINE_SUFFIX}"
    return Outcome(False, message, {"rows": rows, "reasons": pa.Table.from_pylist(reasons)})
