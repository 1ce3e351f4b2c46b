"""The check `gaps`: windows that were not loaded, and long intervals without points."""

from __future__ import annotations

import pyarrow as pa

from influx_lake.checks.cadence import Silence, silences
from influx_lake.checks.outcome import SHOWN, Figure, Outcome, listed
from influx_lake.checks.subject import Subject
from influx_lake.config.values.units import counted, format_duration
from influx_lake.config.values.windows import Window, utc_text


def gaps(subject: Subject) -> Outcome:
    """Find windows that were not loaded, between the first and the newest loaded one, and silences where `longer_than`
    is set.

    A loaded window counts as missing where other tools removed its rows. A window that a run is loading does not: the
    runs of a backfill end in any order.
    """
    if not subject.coverage.intervals and not subject.others.windows:
        return Outcome(True, "nothing is loaded yet" + _others(subject), {"missing_windows": 0, "silences": 0})
    missing, coming = _missing_and_coming(subject)
    silent = silences(subject)
    figures: dict[str, Figure] = {"missing_windows": len(missing), "silences": len(silent)}
    if subject.others:
        figures["altered_windows"] = len(subject.others.altered)
        figures["changes_by_others"] = len(subject.others.changes)
    if coming:
        figures["windows_on_their_way"] = len(coming)
    if missing:
        figures["missing"] = pa.table({"window": [str(window) for window in missing[:SHOWN]]})
    if silent:
        figures["longest_silence_minutes"] = round(max(each.length.total_seconds() for each in silent) / 60, 1)
        figures["silent"] = _table(silent)
    if not missing and not silent:
        on_their_way = (
            f" but {counted(len(coming), 'window')} that a run is loading: {listed(coming)}" if coming else ""
        )
        return Outcome(True, "no window is missing" + on_their_way + _cadence(subject) + _others(subject), figures)
    messages = []
    if missing:
        are, them = ("is", "it") if len(missing) == 1 else ("are", "them")
        messages.append(f"{counted(len(missing), 'window')} {are} missing: {listed(missing)}. Backfill {them}")
    if silent:
        messages.append(listed(silent))
    return Outcome(False, "; ".join(messages) + _others(subject), figures)


def missing_windows(subject: Subject) -> list[Window]:
    """The windows between the first and the newest coverage that are not covered, or no longer."""
    intervals, missing = subject.coverage.intervals, set(subject.others.windows)
    if len(intervals) > 1:
        windows = subject.measurement.scheme.windows(intervals[0].end, intervals[-1].start)
        missing.update(subject.coverage.missing(windows))
    return sorted(missing)


def _missing_and_coming(subject: Subject) -> tuple[list[Window], list[Window]]:
    """The windows that are not covered: those that no run is loading, and those that one is."""
    missing: list[Window] = []
    coming: list[Window] = []
    for window in missing_windows(subject):
        (coming if subject.is_coming(window) else missing).append(window)
    return missing, coming


def _others(subject: Subject) -> str:
    return f". The table was {subject.others}" if subject.others else ""


def _cadence(subject: Subject) -> str:
    limit = subject.measurement.checks.gaps.longer_than
    return f", and none was silent for {format_duration(limit)}" if limit else ""


def _table(silent: list[Silence]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "who": each.series,
                "from": utc_text(each.since),
                "until": utc_text(each.until),
                "minutes": round(each.length.total_seconds() / 60, 1),
            }
            for each in sorted(silent, key=lambda each: -each.length)[:SHOWN]
        ]
    )
