"""The state of a measurement's proofs: proved windows, ended proofs, and why other windows are not proved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window, utc_text
from influx_lake.iceberg.proofs.record import Proofs
from influx_lake.iceberg.proofs.valid_proofs import current_proofs
from influx_lake.iceberg.table_state import table_state
from influx_lake.replication.changes.change import Change

if TYPE_CHECKING:
    from pyiceberg.table import Table

NEVER = "it was not compared value by value, or not found equal"
NOT_LOADED = "it is not loaded as a whole"


@dataclass(frozen=True, slots=True)
class Unproved:
    """Consecutive windows that are not proved for the same reason.

    Attributes:
        window: From the start of the first to the end of the last.
        windows: The number of windows.
        why: The reason, in words.
    """

    window: Window
    windows: int
    why: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How much of a measurement is proved.

    Attributes:
        measurement: The measurement.
        proofs: The proofs that the table keeps.
        windows: The number of its closed windows.
        proved: How many of these are proved.
        unproved: The others, with the reasons.
    """

    measurement: Measurement
    proofs: Proofs
    windows: int
    proved: int
    unproved: tuple[Unproved, ...]

    @property
    def stale(self) -> tuple[Unproved, ...]:
        """The windows whose proof ended."""
        return tuple(each for each in self.unproved if each.why not in (NEVER, NOT_LOADED))


def standing(
    measurement: Measurement,
    table: Table | None,
    windows: Iterable[Window],
    pending: Sequence[Change] = (),
) -> Standing:
    """Determine how much of a measurement is proved, from the table alone: nothing is compared.

    Args:
        measurement: The measurement.
        table: Its table, under the names that loads know; None where there is none.
        windows: Its windows that closed, oldest first.
        pending: Changes that its source reported and that are not loaded yet.

    Raises:
        LakeError: The table's history cannot be read.
    """
    proofs = told_by_source(current_proofs(table), measurement, pending)
    coverage = table_state(table).coverage
    count, proved, others = 0, 0, list[tuple[Window, str]]()
    for window in windows:
        count += 1
        if proofs.hold(window):
            proved += 1
        else:
            others.append((window, _why(proofs, window) if coverage.holds(window) else NOT_LOADED))
    return Standing(measurement, proofs, count, proved, tuple(_together(others)))


def told_by_source(proofs: Proofs, measurement: Measurement, pending: Iterable[Change]) -> Proofs:
    """The proofs without the time for which the source reported changes since."""
    for each in pending:
        if each.table == measurement.full_name:
            proofs = proofs.losing([each.window], f"the source reported at {utc_text(_noted(each))} that it got points")
    return proofs


def _noted(change: Change) -> datetime:
    from influx_lake.config.values.windows import from_nanoseconds

    return from_nanoseconds(change.noted).replace(microsecond=0)


def _why(proofs: Proofs, window: Window) -> str:
    reasons = [each.why for each in proofs.stale if each.window.overlaps(window)]
    return reasons[-1] if reasons else NEVER


def _together(windows: Iterable[tuple[Window, str]]) -> Iterator[Unproved]:
    last: Unproved | None = None
    for window, why in windows:
        if last is not None and last.why == why and last.window.end == window.start:
            last = Unproved(Window(last.window.start, window.end), last.windows + 1, why)
            continue
        if last is not None:
            yield last
        last = Unproved(window, 1, why)
    if last is not None:
        yield last
