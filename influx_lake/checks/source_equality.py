"""The check `source_equals_lake`: whether source and lake have the same number of rows for the windows."""

from __future__ import annotations

from collections.abc import Sequence

from influx_lake.checks.outcome import SHOWN, Outcome, listed
from influx_lake.checks.subject import Subject
from influx_lake.config.values.units import counted
from influx_lake.replication.comparison.compare_windows import Comparison, Verdict
from influx_lake.replication.comparison.verify import compare_apart


def source_equals_lake(subject: Subject) -> Outcome:
    """Compare row counts of source and lake for each window, rows in quarantine included."""
    found = compare_apart(subject.source, subject.catalog, subject.measurement, subject.windows)
    outcome = outcome_of(found.comparisons)
    if not found.failures:
        return outcome
    first = found.failures[0]
    message = f"{counted(len(found.failures), 'window')} could not be compared ({first.window}: {first.message})"
    return Outcome(
        False,
        f"{message}. {first.remedy + '. ' if first.remedy else ''}Of the others: {outcome.message}",
        {**outcome.figures, "failed_windows": len(found.failures)},
    )


def outcome_of(counts: Sequence[Comparison]) -> Outcome:
    """The outcome of comparisons."""
    import pyarrow as pa

    if not counts:
        return Outcome(True, "nothing is loaded yet", {"windows": 0})
    differing = [each for each in counts if each.verdict is not Verdict.EQUAL]
    source, lake = sum(each.source_rows for each in counts), sum(each.lake_rows for each in counts)
    figures = {
        "windows": len(counts),
        "source_rows": source,
        "lake_rows": lake,
        "missing_rows": max(0, source - lake),
        "differing_windows": len(differing),
    }
    kept = sum(each.kept_rows for each in counts)
    if not differing and kept:
        message = (
            f"{counted(lake, 'row')} in {counted(len(counts), 'window')}: {kept:,} more than the source has, which stay"
        )
        return Outcome(True, message, figures | {"kept_rows": kept})
    if not differing:
        return Outcome(
            True, f"{counted(lake, 'row')} in {counted(len(counts), 'window')}, as the source has them", figures
        )
    examples = pa.Table.from_pylist(
        [
            {
                "window": str(each.window),
                "source": each.source_rows,
                "lake": each.lake_rows,
                "difference": each.explanation,
            }
            for each in differing[:SHOWN]
        ]
    )
    weighed = [each for each in differing if each.evidence is not None]
    added = [each for each in differing if each.verdict is Verdict.ADDED]
    ways = (
        ["Materialise them again; if the source lost rows, see on_shrink"]
        if len(weighed) + len(added) < len(differing)
        else []
    )
    ways += [f"{some[0].window}: {some[0].explanation}" for some in (added, weighed) if some]
    return Outcome(
        False,
        f"{len(differing)} of {len(counts)} windows differ from the source: {listed(differing)}. {'. '.join(ways)}",
        {**figures, "differing": examples},
    )
