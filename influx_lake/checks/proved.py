"""How much of a measurement is proved to be its source's, value by value; nothing is compared for it."""

from __future__ import annotations

from influx_lake.checks.outcome import SHOWN, Figure, Outcome, listed
from influx_lake.checks.subject import Subject
from influx_lake.config.values.units import counted
from influx_lake.iceberg.proofs.offloaded import offloaded_from
from influx_lake.replication.comparison.verify import closed_windows
from influx_lake.replication.offloaded import check_held
from influx_lake.replication.proof.standing import standing


def proved(subject: Subject) -> Outcome:
    """Count the windows that closed and are proved, as the table tells."""
    import pyarrow as pa

    measurement, table = subject.measurement, subject.table
    if table is None:
        return Outcome(True, "nothing is loaded yet", {"windows": 0})
    check_held(measurement, table)
    # What is being loaded now is proved later.
    loaded = [each for each in closed_windows(measurement, subject.now, None, None) if subject.coverage.holds(each)]
    gone = offloaded_from(table)
    kept = [window for window in loaded if not any(each.meets(window) for each in gone)]
    found = standing(measurement, table, kept, subject.pending())
    figures: dict[str, Figure] = {
        "windows": found.windows,
        "proved_windows": found.proved,
        "stale_windows": sum(each.windows for each in found.stale),
        "offloaded_windows": len(loaded) - len(kept),
    }
    if oldest := min((each.at for each in found.proofs.ranges), default=None):
        figures["oldest_proof"] = oldest
    told = f"{found.proved:,} of {counted(found.windows, 'window')} proved"
    if figures["offloaded_windows"]:
        told += f", and {counted(len(loaded) - len(kept), 'window')} off-loaded"
    if not found.unproved:
        return Outcome(True, told, figures)
    rows = [{"time": str(each.window), "windows": each.windows, "why": each.why} for each in found.unproved[-SHOWN:]]
    where = listed(f"{each.window} ({each.why})" for each in (found.stale or found.unproved))
    remedy = f"Prove them: influx-lake verify {measurement.key} --values"
    return Outcome(False, f"{told}; not proved: {where}. {remedy}", {**figures, "unproved": pa.Table.from_pylist(rows)})
