"""Messages of JSON, as written by Telegraf: an object, or many under `metrics`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.connections import KafkaConfig
from influx_lake.config.values.source_schema import ColumnType
from influx_lake.errors import FileUnreadable
from influx_lake.sources.files.limits import FileLimits
from influx_lake.sources.landing_zone.block_columns import BlockColumns
from influx_lake.sources.landing_zone.columns import FieldColumn, PointColumns
from influx_lake.sources.landing_zone.json_documents import JsonDocuments
from influx_lake.sources.landing_zone.records import RecordReader
from influx_lake.sources.landing_zone.unreadable_part import text_of
from influx_lake.sources.messages.message import DeadLetter, Messages
from influx_lake.sources.points.cell_builder import BadPoint, CellsBuilder, FoundPoint
from influx_lake.sources.points.staged_file import UnitWriter

_WHOLE = (ColumnType.INTEGER, ColumnType.UINTEGER)
_LARGEST = 2**53
_FEW = 16


@dataclass(slots=True)
class ObjectMessages:
    """Parses messages of JSON.

    Attributes:
        writer: Takes the points.
        config: The options of the records.
    """

    writer: UnitWriter
    config: KafkaConfig
    _reader: RecordReader = field(init=False)
    _columns: BlockColumns = field(init=False)
    _builder: CellsBuilder = field(init=False)

    def __post_init__(self) -> None:
        self._reader = RecordReader(self.config, None)
        self._columns = BlockColumns(self._reader)
        self._builder = CellsBuilder(self.writer.registry)

    def add(self, messages: Messages) -> Iterator[DeadLetter]:
        """Parse messages, in the order of precedence, and return the unreadable ones."""
        if (points := self._at_once(messages.values)) is not None:
            for each in points:
                each.add_to(self.writer)
            return
        if len(messages) > _FEW:
            # If one is not plain, most of the others are.
            half = len(messages) // 2
            yield from self.add(messages.some(0, half))
            yield from self.add(messages.some(half, len(messages)))
            return
        for place in range(len(messages)):
            yield from self._add_one(messages, place)
        self.writer.add(self._builder.taken())

    def _at_once(self, values: Sequence[bytes | None]) -> list[PointColumns] | None:
        """The points of messages with one object on one line each; None if they have to be parsed one by one."""
        if any(not value or b"\n" in value.rstrip(b"\n") for value in values):
            return None
        block = b"\n".join((*((value or b"").rstrip(b"\n") for value in values), b""))
        points = self._columns.of_json(memoryview(block))
        if points is None or any(each.empty for each in points):
            return None
        if self.config.json_integers == "integer":
            return points
        floats = [self._with_floats(each) for each in points]
        return None if any(each is None for each in floats) else [each for each in floats if each is not None]

    def _with_floats(self, points: PointColumns) -> PointColumns | None:
        """Convert integers of the points to floats; None if an integer is not equal to a float."""
        declared = self.config.columns.get(points.measurement)
        if declared is not None:
            return points
        fields = dict[str, FieldColumn]()
        for name, column in points.fields.items():
            whole = [column.values[kind] for kind in _WHOLE if kind in column.values]
            if not whole:
                fields[name] = column
                continue
            if any(not _are_exact(values) for values in whole):
                return None
            floats = [values.cast(pa.float64()) for values in whole]
            if (own := column.values.get(ColumnType.FLOAT)) is not None:
                floats.insert(0, own)
            others = {kind: values for kind, values in column.values.items() if kind not in _WHOLE}
            fields[name] = FieldColumn({**others, ColumnType.FLOAT: pc.coalesce(*floats)})
        return replace(points, fields=fields)

    def _add_one(self, messages: Messages, place: int) -> Iterator[DeadLetter]:
        value = messages.values[place]
        if not value:
            yield DeadLetter.of(messages, place, "has no value")
            return
        limits = FileLimits(self.config.max_document, 1)
        lines = enumerate(value.splitlines(keepends=True), start=1)
        found = 0
        try:
            for _, record in JsonDocuments(lines, messages.topic, limits, self.config.timestamp).records():
                found += 1
                try:
                    self._add_point(record)
                except BadPoint as error:
                    yield DeadLetter.of(messages, place, str(error), text_of(record))
        except FileUnreadable as error:
            yield DeadLetter.of(messages, place, error.message)
            return
        if not found:
            yield DeadLetter.of(messages, place, "contains no object")

    def _add_point(self, record: object) -> None:
        point = self._reader.point(record)
        if point is None:
            raise BadPoint("has no value in any field")
        self._builder.add(self._as_floats(point))

    def _as_floats(self, point: FoundPoint) -> FoundPoint:
        if self.config.json_integers == "integer" or point.measurement in self.config.columns:
            return point
        fields = {}
        for name, (kind, value) in point.fields.items():
            if kind in _WHOLE:
                if abs(value) > _LARGEST and int(float(value)) != value:
                    raise BadPoint(
                        f"has an integer in {name!r} that no float is equal to: {value}: declare the field under "
                        "`columns` of the source"
                    )
                kind, value = ColumnType.FLOAT, float(value)  # noqa: PLW2901
            fields[name] = (kind, value)
        return replace(point, fields=fields)


def _are_exact(values: pa.Array) -> bool:
    """Whether integers are exact as floats."""
    if values.null_count == len(values):
        return True
    numbers = values.drop_null().to_numpy()
    return bool((np.abs(numbers.astype(np.float64)) <= _LARGEST).all())
