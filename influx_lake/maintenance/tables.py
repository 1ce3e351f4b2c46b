"""Lists the tables of a lake that maintenance works on: of measurements, roll-ups and quarantines, each once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from influx_lake.config import Lake, Measurement, TypeOptions
from influx_lake.config.maintenance.options import CompactOptions, Kind, MaintenanceOptions, StatisticsOptions
from influx_lake.config.measurements.rollups import Rollup
from influx_lake.iceberg.load.quarantine import quarantine_of
from influx_lake.iceberg.maintenance.retention import Keeping
from influx_lake.iceberg.target import TableTarget


@dataclass(frozen=True, slots=True)
class MaintainedTable:
    """A table with its maintenance options.

    Attributes:
        measurements: The measurements whose rows it holds or is computed from: several for a shared table.
        target: The whole table, with its write options.
        maintenance: Its maintenance options; None where nothing is done.
        rollup: The roll-up, where it is one.
        is_quarantine: Whether it is a quarantine.
    """

    measurements: tuple[Measurement, ...]
    target: TableTarget
    maintenance: MaintenanceOptions | None
    rollup: Rollup | None = None
    is_quarantine: bool = False

    @property
    def name(self) -> str:
        """`namespace.table`."""
        return self.target.name

    @property
    def measurement(self) -> Measurement:
        """Its measurement; the first where there are several."""
        return self.measurements[0]

    @property
    def adopt(self) -> bool:
        """Whether it is maintained even where no load of ours wrote to it."""
        return self.rollup.adopt if self.rollup else any(each.adopt for each in self.measurements)

    def options(self, kind: Kind) -> BaseModel | Sequence[Keeping] | None:
        """The options of a kind of maintenance; None where it is not done."""
        if kind is Kind.RETENTION:
            return self._retention()
        options = None if self.maintenance is None else self.maintenance.of(kind)
        if isinstance(options, CompactOptions):
            # A partition is sealed when the lag has passed, too.
            lag = max(each.lag for each in self.measurements)
            return options.model_copy(update={"after": options.after + lag})
        if isinstance(options, StatisticsOptions) and self.is_quarantine:
            return None
        return options

    def _retention(self) -> Sequence[Keeping] | None:
        """The retention of each measurement in it; roll-ups have their own."""
        kept = [
            Keeping(each.oldest_kept, each.retention.most_per_run, each.share)
            for each in self.measurements
            if each.retention is not None and self.rollup is None
        ]
        return kept or None


def tables_of(lake: Lake, measurements: Collection[Measurement] | None = None) -> list[MaintainedTable]:
    """Every table of a lake, each once, also where several measurements share it.

    Args:
        lake: The lake.
        measurements: Only the tables of these; of a shared table, the other measurements are known all the same.
    """
    chosen = None if measurements is None else {each.path for each in measurements}
    of_table: dict[tuple[str, ...], list[Measurement]] = {}
    for each in lake.measurements:
        of_table.setdefault(each.identifier, []).append(each)
    return [
        table
        for sharing in of_table.values()
        for table in (*_own(tuple(sharing)), *(each for one in sharing for each in _rollup_tables(one)))
        if chosen is None or any(each.path in chosen for each in table.measurements)
    ]


def table_of(measurement: Measurement) -> MaintainedTable:
    """The table of a measurement, as if it were not shared."""
    return next(_own((measurement,)))


def _own(sharing: tuple[Measurement, ...]) -> Iterator[MaintainedTable]:
    first = sharing[0]
    target = TableTarget(
        identifier=first.identifier,
        time_column=first.time_column,
        write=first.write,
        properties=first.table_properties,
        types=first.types.model_copy(update={"types": {}}),
        partition=first.iceberg_partition,
    )
    yield MaintainedTable(sharing, target, first.maintenance)
    if any(each.has_quarantine for each in sharing):
        yield MaintainedTable(sharing, quarantine_of(target), first.maintenance, is_quarantine=True)


def _rollup_tables(measurement: Measurement) -> Iterator[MaintainedTable]:
    for rollup in measurement.rollups:
        target = TableTarget(
            identifier=rollup.identifier,
            time_column=measurement.time_column,
            write=rollup.write,
            properties=rollup.table_properties,
            types=TypeOptions(time_type=measurement.types.time_type),
            partition=rollup.iceberg_partition,
        )
        yield MaintainedTable((measurement,), target, rollup.maintenance, rollup)
