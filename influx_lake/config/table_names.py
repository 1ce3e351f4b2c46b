"""Whose table is whose: no two measurements share one, whatever the catalog and the file system make of its name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from influx_lake.config.measurement import Measurement

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
        self._owners: dict[str, Measurement] = {}
        for measurement in measurements:
            self.claim(measurement)

    def claim(self, measurement: Measurement) -> Clash | None:
        """Give a measurement its table, or say what is in the way; one that has it already keeps it."""
        name = measurement.table_name.casefold()
        owner = self._owners.get(name, measurement)
        if _identity(owner) != _identity(measurement):
            return Clash(owner, _one_table(owner, measurement))
        if (kept := self._owners.get(name.removesuffix(QUARANTINE_SUFFIX), owner)) is not owner:
            return Clash(kept, _quarantine(kept, measurement))
        if (keeper := self._owners.get(name + QUARANTINE_SUFFIX)) is not None:
            return Clash(keeper, _quarantine(measurement, keeper))
        self._owners[name] = owner
        return None


def _identity(measurement: Measurement) -> tuple[str, str, str]:
    return measurement.source, measurement.name, measurement.key


def _one_table(one: Measurement, other: Measurement) -> str:
    if one.table_name == other.table_name:
        return f"{one.key} and {other.key} would both be the table {one.table_name}"
    return (
        f"{one.key} and {other.key} would be the tables {one.table_name} and {other.table_name}, which are one where "
        "names ignore case, as in Glue, in Hive and on some file systems"
    )


def _quarantine(kept: Measurement, keeper: Measurement) -> str:
    return f"{keeper.key} would be the table {keeper.table_name}, which is the quarantine of {kept.key}"
