"""Assigns tables to measurements, and reports clashes: two never share a table unless both say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from influx_lake.config.measurements.measurement import Measurement
from influx_lake.config.tables.file_options import FileOptions
from influx_lake.config.values.validated_names import safe_table_name

QUARANTINE_SUFFIX = "__quarantine"
"""The suffix of a quarantine's table name."""
_SEPARATE_TABLES = "give one of them a `table` of its own"


@dataclass(frozen=True, slots=True)
class Clash:
    """Why a measurement cannot have its table.

    Attributes:
        other: The measurement that has the table.
        reason: The reason.
        remedy: What to write instead.
    """

    other: Measurement
    reason: str
    remedy: str = _SEPARATE_TABLES


class TableNames:
    """The tables that are assigned.

    Names that differ in case only are the same, as in Glue, Hive and case-insensitive file systems.

    Args:
        measurements: Those that have theirs already.
    """

    def __init__(self, measurements: Iterable[Measurement] = ()) -> None:
        self._taken: dict[str, list[_AssignedTable]] = {}
        for measurement in measurements:
            self.claim(measurement)

    def claim(self, measurement: Measurement) -> Clash | None:
        """Assign a measurement its tables, or return the clash."""
        for identifier, writer in measurement.tables:
            claimed = _AssignedTable(measurement, writer, ".".join(identifier))
            if clash := self._clash(claimed):
                return clash
            owners = self._taken.setdefault(claimed.name, [])
            if not any(owner.is_same(claimed) for owner in owners):
                owners.append(claimed)
        return None

    def _clash(self, claimed: _AssignedTable) -> Clash | None:
        for owner in self._taken.get(claimed.name, ()):
            if not owner.is_same(claimed) and (clash := _conflict(owner, claimed)):
                return clash
        base = claimed.name.removesuffix(QUARANTINE_SUFFIX)
        if base != claimed.name and (kept := self._taken.get(base)):
            return Clash(kept[0].measurement, _quarantine(kept[0], claimed))
        if keeper := self._taken.get(claimed.name + QUARANTINE_SUFFIX):
            return Clash(keeper[0].measurement, _quarantine(claimed, keeper[0]))
        return None


def with_shares(measurements: Iterable[Measurement]) -> tuple[Measurement, ...]:
    """The measurements, each with whether it shares its table."""
    listed = tuple(measurements)
    if all(each.share is None for each in listed):
        return listed
    # One that is known and was found again is one.
    count = Counter(identifier for identifier, *_ in {(each.identifier, each.source, each.key) for each in listed})

    def told(measurement: Measurement) -> Measurement:
        share = measurement.share
        if share is None:
            return measurement
        is_alone = measurement.layout is None and count[measurement.identifier] == 1
        return replace(measurement, share=replace(share, is_alone=is_alone))

    return tuple(map(told, listed))


@dataclass(frozen=True, slots=True)
class _AssignedTable:
    """An assigned table, and the measurement or roll-up that writes it."""

    measurement: Measurement
    writer: str
    table: str

    @property
    def name(self) -> str:
        return self.table.casefold()

    @property
    def may_be_shared(self) -> bool:
        return self.writer == self.measurement.key and self.measurement.share is not None

    def is_same(self, other: _AssignedTable) -> bool:
        mine, theirs = self.measurement, other.measurement
        return (mine.source, mine.name, mine.key, self.writer) == (theirs.source, theirs.name, theirs.key, other.writer)


def _conflict(owner: _AssignedTable, claimed: _AssignedTable) -> Clash | None:
    """Why two measurements cannot have the same table; None where they may share it."""
    one, other = owner.measurement, claimed.measurement
    if owner.table != claimed.table:
        return Clash(one, _alike(owner, claimed))
    if owner.may_be_shared and claimed.may_be_shared:
        disagreement = next(_disagreements(one, other), None)
        return None if disagreement is None else Clash(one, *disagreement)
    reason = f"{owner.writer} and {claimed.writer} would both be the table {owner.table}"
    if {owner.writer, claimed.writer} == {one.key, other.key}:
        return Clash(
            one, reason, f"{_SEPARATE_TABLES}, or let them share it: `metadata_columns: [measurement]` in both"
        )
    return Clash(one, reason)


def _disagreements(one: Measurement, other: Measurement) -> Iterator[tuple[str, str]]:
    """Options of the table that measurements sharing it state differently, and the remedy."""
    both = f"{one.key} and {other.key} share the table {one.table_name}"
    assert one.share is not None
    assert other.share is not None
    if (one.layout is None) != (other.layout is None):
        yield f"{both}, and one of them is `layout: long`", _SEPARATE_TABLES
    if one.share.column != other.share.column:
        columns = f"{one.share.column!r} and {other.share.column!r}"
        yield f"{both}, and call the column that tells them apart {columns}", "give it one name in both"
    names = (safe_table_name(each.share.value).casefold() for each in (one, other) if each.share)
    if len(set(names)) == 1:
        values = " and ".join(dict.fromkeys(repr(each.share.value) for each in (one, other) if each.share))
        yield f"{both}, and are both {values} in its column {one.share.column!r}", _SEPARATE_TABLES
    for option, mine, theirs in _table_options(one, other):
        if mine != theirs:
            yield f"{both}, and say different things of it in `{option}`", "say the same of it in both"


def _table_options(one: Measurement, other: Measurement) -> Iterator[tuple[str, Any, Any]]:
    """The options of a measurement that concern the table, not its own rows."""
    yield "layout", one.layout, other.layout
    yield "iceberg_partition", one.iceberg_partition, other.iceberg_partition
    yield "table_properties", dict(one.table_properties), dict(other.table_properties)
    yield "maintenance", one.maintenance, other.maintenance
    yield "rename: {time: ...}", one.time_column, other.time_column
    for name in ("time_type", "nanoseconds", "nanoseconds_column"):
        yield name, getattr(one.types, name), getattr(other.types, name)
    for name in FileOptions.model_fields:
        yield f"write.{name}", getattr(one.write, name), getattr(other.write, name)


def _alike(one: _AssignedTable, other: _AssignedTable) -> str:
    return (
        f"{one.writer} and {other.writer} would be the tables {one.table} and {other.table}, which are one where "
        "names ignore case, as in Glue, in Hive and on some file systems"
    )


def _quarantine(kept: _AssignedTable, keeper: _AssignedTable) -> str:
    return f"{keeper.writer} would be the table {keeper.table}, which is the quarantine of {kept.writer}"
