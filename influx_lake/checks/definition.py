"""The check `same_definition`: whether all windows were loaded under the present definition in lake.yaml."""

from __future__ import annotations

from influx_lake.checks.outcome import Outcome
from influx_lake.checks.subject import Subject
from influx_lake.config.values.units import counted
from influx_lake.replication.definition import outdated_windows


def same_definition(subject: Subject) -> Outcome:
    """Count the windows that were loaded under another definition of columns and rows, from the table's metadata."""
    measurement = subject.measurement
    found = outdated_windows(measurement, subject.state)
    if not found:
        return Outcome(True, "all windows were loaded under the present definition of lake.yaml", {"windows": 0})
    message = (
        f"loaded under another definition: {counted(len(found), 'window')}, the first {found[0]}. To see them: "
        f"influx-lake plan {measurement.key} --changed; to load them again: influx-lake replicate {measurement.key} "
        "--changed"
    )
    return Outcome(False, message, {"windows": len(found)})
