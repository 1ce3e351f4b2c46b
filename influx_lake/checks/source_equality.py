"""Whether the source and the lake have the same rows for the windows."""

from __future__ import annotations

from dataclasses import dataclass

from influx_lake.checks.outcome import SHOWN, Outcome, listed
from influx_lake.checks.subject import Subject
from influx_lake.config import OnShrink, OnTypeConflict, WriteMode
from influx_lake.config.table_names import QUARANTINE_SUFFIX
from influx_lake.config.windows import Window
from influx_lake.iceberg.reader import count_rows, find_table


@dataclass(frozen=True, slots=True)
class _Counts:
    window: Window
    source: int
    lake: int

    def __str__(self) -> str:
        return f"{self.window} (source {self.source:,}, lake {self.lake:,})"


def source_equals_lake(subject: Subject) -> Outcome:
    """Count each window on both sides; rows in quarantine count as the lake's."""
    import pyarrow as pa

    counts = [_Counts(window, *_rows(subject, window)) for window in subject.windows]
    differing = [each for each in counts if not _equal(subject, each)]
    source, lake = sum(each.source for each in counts), sum(each.lake for each in counts)
    figures = {
        "windows": len(counts),
        "source_rows": source,
        "lake_rows": lake,
        "missing_rows": max(0, source - lake),
        "differing_windows": len(differing),
    }
    if not differing:
        return Outcome(True, f"{lake:,} rows in {len(counts)} windows, as the source has them", figures)
    examples = pa.Table.from_pylist(
        [{"window": str(each.window), "source": each.source, "lake": each.lake} for each in differing[:SHOWN]]
    )
    return Outcome(
        False,
        f"{len(differing)} of {len(counts)} windows differ from the source: {listed(differing)}. "
        "Materialise them again; if the source lost rows, see on_shrink",
        {**figures, "differing": examples},
    )


def _rows(subject: Subject, window: Window) -> tuple[int, int]:
    source = subject.source.count(subject.measurement.name, window)
    lake = count_rows(subject.table, window) if subject.table else 0
    return source, lake + _quarantined(subject, window)


def _quarantined(subject: Subject, window: Window) -> int:
    measurement = subject.measurement
    if measurement.types.on_type_conflict is not OnTypeConflict.QUARANTINE:
        return 0
    table = find_table(subject.catalog, (*measurement.namespace, measurement.table + QUARANTINE_SUFFIX))
    return count_rows(table, window) if table else 0


def _equal(subject: Subject, counts: _Counts) -> bool:
    """Whether the lake has what it should; where points stay that the source lost, it may have more."""
    measurement, more = subject.measurement, counts.lake - counts.source
    if more <= 0:
        return more == 0
    keeps = measurement.on_shrink is OnShrink.MERGE or measurement.write.mode is not WriteMode.REPLACE
    return keeps or measurement.shrink_tolerance.allows(more, counts.lake)
