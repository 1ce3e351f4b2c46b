"""Whose table is whose: no two measurements share one, whatever the catalog and the file system make of its name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from influx_lake.config.measurements.measurement import Measurement

QUARANTINE_SUFFIX = "__quarantine"
"""Ends the name of the table that keeps the rows which a measurement's own table cannot take."""


@dataclass(frozen=True, slots=True)
class Clash:
    """A measurement that cannot have its table.

    Attributes:
        other: The measurement that has it.
        reason: Why they cannot both be.
    """

    other: Measurement
    reason: str


class TableNames:
    """The tables that measurements have taken.

    Names that differ in case alone are one name: Glue and Hive know no other, and nor do file systems that ignore case.

    Args:
        measurements: Those that have theirs already.
    """

    def __init__(self, measurements: Iterable[Measurement] = ()) -> None:
        self._taken: dict[str, _Taken] = {}
        for measurement in measurements:
            self.claim(measurement)

    def claim(self, measurement: Measurement) -> Clash | None:
        """Give a measurement its tables, or say what is in the way; those that it has already it keeps."""
        for identifier, writer in measurement.tables:
            wanted = _Taken(measurement, writer, ".".join(identifier))
            if clash := self._clash(wanted):
                return clash
            self._taken[wanted.name] = wanted
        return None

    def _clash(self, wanted: _Taken) -> Clash | None:
        owner = self._taken.get(wanted.name, wanted)
        if not owner.is_same(wanted):
            return Clash(owner.measurement, _one_table(owner, wanted))
        if (kept := self._taken.get(wanted.name.removesuffix(QUARANTINE_SUFFIX), owner)) is not owner:
            return Clash(kept.measurement, _quarantine(kept, wanted))
        if (keeper := self._taken.get(wanted.name + QUARANTINE_SUFFIX)) is not None:
            return Clash(keeper.measurement, _quarantine(wanted, keeper))
        return None


@dataclass(frozen=True, slots=True)
class _Taken:
    """A table and what writes to it: a measurement, or a roll-up of it."""

    measurement: Measurement
    writer: str
    table: str

    @property
    def name(self) -> str:
        return self.table.casefold()

    def is_same(self, other: _Taken) -> bool:
        mine, its = self.measurement, other.measurement
        return (mine.source, mine.name, mine.key, self.writer) == (its.source, its.name, its.key, other.writer)


def _one_table(one: _Taken, other: _Taken) -> str:
    if one.table == other.table:
        return f"{one.writer} and {other.writer} would both be the table {one.table}"
    return (
        f"{one.writer} and {other.writer} would be the tables {one.table} and {other.table}, which are one where "
        "names ignore case, as in Glue, in Hive and on some file systems"
    )


def _quarantine(kept: _Taken, keeper: _Taken) -> str:
    return f"{keeper.writer} would be the table {keeper.table}, which is the quarantine of {kept.writer}"
