"""Replace mode: replaces the rows of one window in one snapshot."""

from __future__ import annotations

from contextlib import closing

from influx_lake.iceberg.load.opening import open_ingest
from influx_lake.iceberg.load.replace_plan import Replacement
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.window_result import WindowResult


def replace_window(load: WindowLoad) -> WindowResult:
    """Replace exactly the rows of a window by those of its source, in one snapshot, or change nothing.

    The table is created on first use. Rows are streamed to files, and committed only when all are written, so that a
    failure or a crash before leaves the table as it was.

    Raises:
        LakeError: Its class tells what can be done about it; the table is unchanged, except after
            `CommitOutcomeUnknown`.
    """
    with open_ingest(load) as ingest:
        written = ingest.write()
        with closing(Replacement(load, ingest.table, ingest.statistics.rows, written)) as replacement:
            return ingest.commit(replacement)
