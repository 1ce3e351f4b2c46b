"""Messages that are loaded together, as a source of points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TypeAlias

from influx_lake.config.connections import KafkaConfig
from influx_lake.config.values.source_schema import ColumnType
from influx_lake.config.values.windows import Window
from influx_lake.sources.points.registry import FieldName, MeasurementKey
from influx_lake.sources.points.source import PointsSource
from influx_lake.sources.points.staged_file import Unit
from influx_lake.sources.points.survey import FileSurvey

RawColumns: TypeAlias = tuple[AbstractSet[str], AbstractSet[FieldName]]
"""Tags, and fields with their types."""


@dataclass(frozen=True, slots=True)
class MessageBatch:
    """An `Archive` of messages.

    Attributes:
        config: The topics.
        taken: Their points; the values of later units win.
        known: The tags and fields that measurements had in earlier messages: a few messages rarely have all of them.
    """

    config: KafkaConfig
    taken: Sequence[Unit]
    known: Mapping[str, RawColumns] = field(default_factory=dict)

    @property
    def product(self) -> str:
        return "Kafka"

    @property
    def merges_numbers(self) -> bool:
        return False

    @property
    def identity(self) -> str:
        return self.config.identity

    def units(
        self,
        window: Window | None,  # noqa: ARG002 - all messages were read
        measurement: str | None = None,  # noqa: ARG002
        left_out: frozenset[str] = frozenset(),  # noqa: ARG002
    ) -> Sequence[Unit]:
        return self.taken

    def wants(self, key: MeasurementKey) -> bool:  # noqa: ARG002 - all points are of the topics
        return True

    def declared(self, measurement: str) -> tuple[Sequence[str], Sequence[tuple[str, ColumnType]]] | None:
        declared = self.config.columns.get(measurement)
        if declared is not None:
            return sorted({*declared.tags, *self.config.tags}), list(declared.types.items())
        if (before := self.known.get(measurement)) is None:
            return None
        tags, fields = raw_columns(self.taken, measurement)
        return sorted({*tags, *before[0]}), sorted({*fields, *before[1]})

    def names(self) -> list[str] | None:
        return None

    def place_of(self, measurement: str, field: FieldName, value: int, time: int) -> str | None:  # noqa: ARG002
        return None

    def state(self) -> str:
        return f"{len(self.taken):,} partitions"

    def units_read(self) -> Sequence[Unit]:
        return self.taken

    @property
    def time_unit(self) -> str:
        if self.config.format == "json":
            return f"timestamp_units: {self.config.timestamp_units}"
        return f"precision: {self.config.precision}"

    def survey(self) -> FileSurvey:
        return FileSurvey(self.taken, len(self.taken), (), *self.time_unit.split(": "))

    def close(self) -> None:
        """Do nothing: nothing is open."""


def batch_source(
    config: KafkaConfig, units: Sequence[Unit], known: Mapping[str, RawColumns] | None = None
) -> PointsSource:
    """The source of parsed messages; the arguments are those of `MessageBatch`."""
    return PointsSource(MessageBatch(config, units, known or {}))


def raw_columns(units: Sequence[Unit], measurement: str) -> RawColumns:
    """The tags and fields that a measurement has in messages."""
    tags, fields = set[str](), set[FieldName]()
    for unit in units:
        for number, key in enumerate(unit.measurements):
            if key.name == measurement:
                tags.update(name for series in unit.series(number)[1] for name, _ in series)
                fields.update((each.name, each.type) for each in unit.fields if each.measurement == number)
    return frozenset(tags), frozenset(fields)


def span_of(units: Sequence[Unit], measurement: str) -> tuple[int, int] | None:
    """The first and the last time of a measurement's points, in nanoseconds since 1970; None if it has none."""
    times = list[int]()
    for unit in units:
        for number, key in enumerate(unit.measurements):
            mine = unit.chunks["measurement"] == number
            if key.name == measurement and mine.any():
                times += [int(unit.chunks["first"][mine].min()), int(unit.chunks["last"][mine].max())]
    return (min(times), max(times)) if times else None
