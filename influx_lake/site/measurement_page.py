"""Collects what a measurement's page shows, from lake.yaml and the table; the source is not contacted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from influx_lake.config import Lake, Measurement
from influx_lake.config.tables.columns import ColumnOptions
from influx_lake.config.values.windows import Window, merged
from influx_lake.html.calendar import Day
from influx_lake.iceberg.columns.known_columns import renamed
from influx_lake.iceberg.history.log import Entry, history
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.scan.row_counts import total_rows
from influx_lake.iceberg.table_state import TableState, table_state
from influx_lake.site.rollup_section import DescribedRollup, described_rollup
from influx_lake.site.sample_values import samples_of
from influx_lake.sources import open_source

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

LISTED = 25
"""The most snapshots that a page lists."""
YEARS = 6
"""The number of years in the calendar."""


@dataclass(frozen=True, slots=True)
class DescribedColumn:
    """A column, as the page shows it.

    Attributes:
        name: Its name.
        type: Its Iceberg type.
        role: Its role in InfluxDB (time, tag, field); None where no load has recorded it.
        description: Its description in lake.yaml or in the table.
        unit: The unit of its values.
        origin: How it is computed, where it is not a column of the source.
        samples: Sample values; None where they must not be shown.
    """

    name: str
    type: str
    role: str | None
    description: str | None
    unit: str | None
    origin: str | None
    samples: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Described:
    """A measurement and its table, as the page shows them.

    Attributes:
        measurement: The measurement.
        sources: The identities of the sources that its windows come from, by what lake.yaml calls them.
        columns: The columns of the table; none where there is no table yet.
        unknown: Columns that lake.yaml describes and the table lacks.
        rows: The number of rows; None where there is no table yet.
        files: The number of data files.
        bytes: Their size in bytes; None where the metadata do not tell.
        location: The table's location.
        coverage: The table's coverage.
        tails: The windows that only a tail has loaded.
        days: How much of each day of the calendar is covered.
        earlier: Whether the table covers days before the calendar.
        entries: Its newest snapshots.
        snapshots: The number of its snapshots.
        changed: When the current snapshot was committed.
        rollups: Its roll-ups.
    """

    measurement: Measurement
    sources: Mapping[str, str]
    columns: tuple[DescribedColumn, ...] = ()
    unknown: tuple[str, ...] = ()
    rows: int | None = None
    files: int | None = None
    bytes: int | None = None
    location: str | None = None
    coverage: tuple[Window, ...] = ()
    tails: tuple[Window, ...] = ()
    days: Mapping[date, Day] | None = None
    earlier: bool = False
    entries: tuple[Entry, ...] = ()
    snapshots: int = 0
    changed: datetime | None = None
    rollups: tuple[DescribedRollup, ...] = ()

    @property
    def gaps(self) -> tuple[Window, ...]:
        """The intervals between covered ones."""
        held = merged((*self.coverage, *self.tails))
        return tuple(Window(one.end, other.start) for one, other in pairwise(held))


def described(lake: Lake, catalog: Catalog, measurement: Measurement, *, samples: bool = True) -> Described:
    """Collect what a measurement's page shows.

    Args:
        lake: The lake.
        catalog: Its catalog.
        measurement: The measurement.
        samples: Whether sample values are shown.

    Raises:
        CatalogError: The table cannot be loaded.
        StorageError: One of its files cannot be read.
    """
    table = find_table(catalog, measurement.identifier, measurement.share)
    sources = {name: _identity(lake, name) for name in measurement.sources}
    rollups = tuple(described_rollup(catalog, each) for each in measurement.rollups)
    if table is None:
        return Described(measurement, sources, rollups=rollups)
    state, snapshot = table_state(table), table.current_snapshot()
    shown = [field.name for field in table.schema().fields if _options(measurement, field.name).samples]
    values = samples_of(table, measurement.time_column, state.coverage.newest, shown) if samples else {}
    total = snapshot.summary.additional_properties if snapshot and snapshot.summary else {}
    days, earlier = _days(state)
    mine = None if measurement.share is None else measurement.share.value
    entries = [each for each in history(table) if mine is None or each.measurement in (None, mine)]
    return Described(
        measurement,
        sources,
        columns=_columns(table, measurement, state, values),
        unknown=tuple(sorted(measurement.columns.keys() - {field.name for field in table.schema().fields})),
        rows=total_rows(table, snapshot),
        files=_number(total.get("total-data-files")),
        bytes=_number(total.get("total-files-size")),
        location=table.location(),
        coverage=state.coverage.intervals,
        tails=state.coverage.tails,
        days=days,
        earlier=earlier,
        entries=tuple(islice(entries, LISTED)),
        snapshots=len(entries),
        changed=entries[0].at if entries else None,
        rollups=rollups,
    )


def _columns(
    table: Table, measurement: Measurement, state: TableState, values: Mapping[str, Sequence[str]]
) -> tuple[DescribedColumn, ...]:
    others = renamed(table)
    found = []
    for field in table.schema().fields:
        transforms = _options(measurement, field.name)
        there = f"{others[field.name]} in the table" if field.name in others else None
        origin = [_origin(measurement, field.name), there]
        found.append(
            DescribedColumn(
                name=field.name,
                type=str(field.field_type),
                role=_role(field.name, measurement.time_column, state.tags),
                description=transforms.description or (None if field.doc == transforms.doc else field.doc),
                unit=transforms.unit,
                origin="; ".join(filter(None, origin)) or None,
                samples=tuple(values.get(field.name, ())) if transforms.samples else None,
            )
        )
    return tuple(found)


def _options(measurement: Measurement, column: str) -> ColumnOptions:
    return measurement.columns.get(column, ColumnOptions())


def _role(column: str, time: str, tags: Sequence[str] | None) -> str | None:
    if column == time:
        return "time"
    return None if tags is None else "tag" if column in tags else "field"


def _origin(measurement: Measurement, column: str) -> str | None:
    options = measurement.transforms
    if column in options.computed:
        return f"computed: {options.computed[column]}"
    if column in options.constants:
        return f"the same in every row: {options.constants[column]}"
    source = next((source for source, name in options.rename.items() if name == column), None)
    kind = measurement.types.types.get(column) or (source and measurement.types.types.get(source))
    transforms = [
        f"{source} in the source" if source else None,
        "values mapped" if column in options.map else None,
        f"cast to {kind}" if kind else None,
    ]
    return ", ".join(filter(None, transforms)) or None


def _days(state: TableState) -> tuple[dict[date, Day], bool]:
    """How much of each day is covered, since the first covered day within the calendar's years."""
    held = merged((*state.coverage.intervals, *state.coverage.tails))
    if not held:
        return {}, False
    newest = held[-1].end.date()
    first = max(held[0].start.date(), date(newest.year - YEARS + 1, 1, 1))
    days: dict[date, Day] = {}
    day, last = first, held[-1].end
    while (window := _window(day)).start < last:
        days[day] = _held(state, window, held)
        day += timedelta(days=1)
    return days, first > held[0].start.date()


def _held(state: TableState, day: Window, held: Sequence[Window]) -> Day:
    if state.coverage.holds(day):
        return Day.HELD
    if not day.overlaps_any(held):
        return Day.MISSING
    is_tailed = day.overlaps_any(state.coverage.tails)
    return Day.TAILED if is_tailed else Day.PARTLY


def _window(day: date) -> Window:
    start = datetime.combine(day, time(), UTC)
    return Window(start, start + timedelta(days=1))


def _identity(lake: Lake, name: str) -> str:
    with closing(open_source(lake.source(name))) as source:
        return source.identity


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
