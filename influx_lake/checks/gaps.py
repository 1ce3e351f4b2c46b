"""Windows that are missing, and times without points."""

from __future__ import annotations

import pyarrow as pa

from influx_lake.checks.cadence import Silence, silences
from influx_lake.checks.outcome import SHOWN, Figure, Outcome, listed
from influx_lake.checks.subject import Subject
from influx_lake.config.quantities import format_duration
from influx_lake.config.windows import Window, utc_text


def gaps(subject: Subject) -> Outcome:
    """Look for windows between the first and the newest that were not loaded, and for silence, where it is limited."""
    missing = missing_windows(subject)
    silent = silences(subject)
    figures: dict[str, Figure] = {"missing_windows": len(missing), "silences": len(silent)}
    if missing:
        figures["missing"] = pa.table({"window": [str(window) for window in missing[:SHOWN]]})
    if silent:
        figures["longest_silence_minutes"] = round(max(each.length.total_seconds() for each in silent) / 60, 1)
        figures["silent"] = _table(silent)
    if not missing and not silent:
        return Outcome(True, "no window is missing" + _cadence(subject), figures)
    said = []
    if missing:
        said.append(f"{len(missing)} windows are missing: {listed(missing)}. Backfill them")
    if silent:
        said.append(listed(silent))
    return Outcome(False, "; ".join(said), figures)


def missing_windows(subject: Subject) -> list[Window]:
    """The windows between the first and the newest loaded time that are not loaded."""
    intervals = subject.coverage.intervals
    if len(intervals) < 2:
        return []
    windows = subject.measurement.scheme.windows(intervals[0].end, intervals[-1].start)
    return subject.coverage.missing(windows)


def _cadence(subject: Subject) -> str:
    limit = subject.measurement.checks.gaps.longer_than
    return f", and none was silent for {format_duration(limit)}" if limit else ""


def _table(silent: list[Silence]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "who": each.who,
                "from": utc_text(each.since),
                "until": utc_text(each.until),
                "minutes": round(each.length.total_seconds() / 60, 1),
            }
            for each in sorted(silent, key=lambda each: -each.length)[:SHOWN]
        ]
    )
