"""The check `small_files`: whether a compaction would merge many small files."""

from __future__ import annotations

from influx_lake.checks.outcome import Outcome, listed
from influx_lake.checks.subject import Subject
from influx_lake.config.maintenance.options import CompactOptions, Kind
from influx_lake.config.values.units import counted
from influx_lake.iceberg.compaction.selection import select
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.maintenance.tables import table_of


def small_files(subject: Subject) -> Outcome:
    """Count the files that a compaction would rewrite now, from the table's metadata.

    Files of windows that are still being loaded do not count. In a shared table the files of all its measurements do.
    """
    measurement = subject.measurement
    own = table_of(measurement)
    table = find_table(subject.catalog, own.target.identifier)
    if table is None:
        return Outcome(True, "nothing is loaded yet")
    options = own.options(Kind.COMPACT)
    compaction = options if isinstance(options, CompactOptions) else CompactOptions()
    found = select(table, own.target, compaction, subject.now)
    waiting = sum(len(group.tasks) for group in found.groups)
    partitions = list(dict.fromkeys(group.partition for group in found.groups))
    figures = {"waiting": waiting, "partitions": len(partitions), "young": found.young}
    most = measurement.checks.small_files.most
    found_files = f"{counted(waiting, 'small file')} can be merged"
    if waiting <= most:
        return Outcome(True, found_files if waiting else "no small files can be merged", figures)
    where = f" in {listed(filter(None, partitions))}" if any(partitions) else ""
    remedy = (
        "`compact` is off for it: switch it on, or have another engine do it"
        if options is None
        else f"Compact them: influx-lake maintain {measurement.key} --only compact"
    )
    return Outcome(False, f"{found_files}{where}, and {most:,} may wait. {remedy}", figures)
