"""Whether rows wait in a measurement's quarantine."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa

from influx_lake.checks.outcome import SHOWN, Outcome
from influx_lake.checks.subject import Subject
from influx_lake.config.lake.table_names import QUARANTINE_SUFFIX
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.replication.status import total_rows

_REASONS_FROM_ROWS = 10_000


def nothing_in_quarantine(subject: Subject) -> Outcome:
    """Count the rows of the quarantine, of whatever window, from its metadata, and say why they are there."""
    measurement = subject.measurement
    table = find_table(subject.catalog, (*measurement.namespace, measurement.table + QUARANTINE_SUFFIX))
    rows = total_rows(table) if table else 0
    if table is None or not rows:
        return Outcome(True, "nothing is in quarantine", {"rows": 0})
    found = table.scan(selected_fields=("reason",), limit=_REASONS_FROM_ROWS).to_arrow().column("reason").to_pylist()
    reasons = [{"reason": reason, "rows": count} for reason, count in Counter(found).most_common(SHOWN)]
    message = f"{rows:,} rows in {measurement.table_name}{QUARANTINE_SUFFIX}"
    return Outcome(False, message, {"rows": rows, "reasons": pa.Table.from_pylist(reasons)})
