"""The check `proved`: how many windows are proved equal to their source; compares nothing itself."""

from __future__ import annotations

from influx_lake.checks.outcome import SHOWN, Figure, Outcome, listed
from influx_lake.checks.subject import Subject
from influx_lake.config.values.units import counted
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.proofs.offloaded import offloaded_from
from influx_lake.iceberg.proofs.valid_proofs import current_proofs
from influx_lake.iceberg.table_state.recorded_loads import recorded_loads
from influx_lake.replication.comparison.verify import closed_windows
from influx_lake.replication.proof.proof_status import standing, told_by_source
from influx_lake.replication.removed.offloaded import check_held

PATIENCE = 2
"""How many intervals of the proving sensor (`proof.every`) a newly loaded window may wait."""


def proved(subject: Subject) -> Outcome:
    """Count the closed windows that the table records as proved; newly loaded ones may wait for the proving sensor."""
    import pyarrow as pa

    measurement, table = subject.measurement, subject.table
    if table is None:
        return Outcome(True, "nothing is loaded yet", {"windows": 0})
    check_held(measurement, table)
    # Windows that are being loaded are proved later.
    loaded = [each for each in closed_windows(measurement, subject.now, None, None) if subject.coverage.holds(each)]
    gone = offloaded_from(table)
    kept = [window for window in loaded if not any(each.meets(window) for each in gone)]
    proofs = told_by_source(current_proofs(table), measurement, subject.pending())
    waiting = [window for window in _loaded_lately(subject) if not proofs.hold(window)]
    found = standing(measurement, table, [each for each in kept if each not in waiting], subject.pending())
    figures: dict[str, Figure] = {
        "windows": found.windows,
        "proved_windows": found.proved,
        "stale_windows": sum(each.windows for each in found.stale),
        "waiting_windows": len(waiting),
        "offloaded_windows": len(loaded) - len(kept),
    }
    if oldest := min((each.at for each in found.proofs.ranges), default=None):
        figures["oldest_proof"] = oldest
    summary = f"{found.proved:,} of {counted(found.windows, 'window')} proved"
    if figures["offloaded_windows"]:
        summary += f", and {counted(len(loaded) - len(kept), 'window')} off-loaded"
    if waiting:
        summary += f"; {counted(len(waiting), 'window')} loaded lately, to be proved soon"
    if not found.unproved:
        return Outcome(True, summary, figures)
    rows = [{"time": str(each.window), "windows": each.windows, "why": each.why} for each in found.unproved[-SHOWN:]]
    where = listed(f"{each.window} ({each.why})" for each in (found.stale or found.unproved))
    remedy = f"Prove them: influx-lake verify {measurement.key} --values"
    return Outcome(
        False, f"{summary}; not proved: {where}. {remedy}", {**figures, "unproved": pa.Table.from_pylist(rows)}
    )


def _loaded_lately(subject: Subject) -> set[Window]:
    options, table = subject.measurement.proof, subject.table
    if options is None or table is None:
        return set()
    since = subject.now - PATIENCE * options.every
    return {window for window, load in recorded_loads(table).items() if load.committed > since}
