"""Pieces of a unit: values of one measurement in an interval of time, each with the names of its series and fields."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from influx_lake.config.values.source_schema import ColumnType
from influx_lake.sources.points.cells import SCHEMA, Numbers
from influx_lake.sources.points.registry import CODES, Context, MeasurementKey, Tags
from influx_lake.sources.points.staged_file import Unit, UnitWriter
from influx_lake.sources.points.wide_rows import are_wide, field_numbers, renumbered

_HEADER = b"piece"
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


class Piece(NamedTuple):
    """A piece of a unit.

    Attributes:
        measurement: The name of the measurement.
        first: Its first time, in nanoseconds since 1970.
        last: Its last time.
        number: Its number in the unit: the later piece wins where two have a value for one field of a point.
        content: The encoded piece, for `added`.
    """

    measurement: str
    first: int
    last: int
    number: int
    content: bytes


def pieces_of(unit: Unit) -> Iterator[Piece]:
    """Yield the pieces of a unit, in the order of their numbers."""
    series: dict[int, dict[int, Tags]] = {}
    for number in range(len(unit.chunks["rows"])):
        owner = int(unit.chunks["measurement"][number])
        if owner not in series:
            series[owner] = dict(zip(*_numbered(unit, owner), strict=True))
        batch = unit.chunk(number)
        key = unit.measurements[owner]
        header = _Header.of(key, batch, series[owner], unit)
        times = batch.column("time")
        content = _written(header.applied(batch), header)
        yield Piece(key.name, times[0].as_py(), times[-1].as_py(), number, content)


def sliced(content: bytes, bounds: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """Cut a piece at slices of time; yields each part with the number of its slice.

    Args:
        content: The piece.
        bounds: The starts of the slices and the end of the last one, in nanoseconds since 1970.
    """
    batch = _read(content)
    time = batch.column("time").to_numpy()
    cuts = np.searchsorted(time, np.array(bounds, np.int64), side="left")
    for number, (begin, end) in enumerate(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)):
        if begin == 0 and end == len(batch):
            yield number, content
        elif begin < end:
            yield number, _written(batch.slice(begin, end - begin), None)


def added(content: bytes, writer: UnitWriter, wanted: Sequence[MeasurementKey]) -> None:
    """Add a piece to another unit, if its measurement is wanted."""
    batch = _read(content)
    header = _Header.read(batch.schema)
    if header.key not in wanted:
        return
    registry = writer.registry
    owner = registry.measurement(header.key.context, header.key.name)
    series = np.array(registry.series_of_all(owner, header.series), np.int32)
    fields = np.zeros(max(header.fields, default=-1) + 1, np.int32)
    for number, (name, kind) in header.fields.items():
        fields[number] = registry.field(owner, name, CODES[kind])
    rows = pa.Table.from_batches([batch.replace_schema_metadata(None)])
    if are_wide(rows):
        for part in renumbered(rows, series, fields).to_batches():
            writer.add_rows(owner, part)
        return
    numbers = series[rows.column("series").to_numpy()], fields[rows.column("field").to_numpy()]
    for part in pa.table([*map(pa.array, numbers), *rows.columns[2:]], schema=SCHEMA).to_batches():
        writer.add(part)


@dataclass(frozen=True, slots=True)
class _Header:
    """The names that a piece's numbers refer to.

    Attributes:
        key: Its measurement.
        series: The series, by their numbers in the piece.
        fields: The fields, by their numbers.
        numbers: The numbers that the series have in the unit.
    """

    key: MeasurementKey
    series: list[Tags]
    fields: dict[int, tuple[str, ColumnType]]
    numbers: Numbers

    @classmethod
    def of(cls, key: MeasurementKey, batch: pa.RecordBatch, series: dict[int, Tags], unit: Unit) -> _Header:
        wide = are_wide(pa.Table.from_batches([batch]))
        there = np.unique(batch.column("series").to_numpy())
        used = field_numbers(batch) if wide else np.unique(batch.column("field").to_numpy()).tolist()
        fields = {number: (unit.fields[number].name, unit.fields[number].type) for number in used}
        return cls(key, [series[number] for number in there.tolist()], fields, there)

    def applied(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with the series numbered as in the piece."""
        series = np.searchsorted(self.numbers, batch.column("series").to_numpy()).astype(np.int32)
        return batch.set_column(0, batch.schema.field(0), pa.array(series))

    def written(self) -> bytes:
        context = self.key.context
        return json.dumps(
            {
                "measurement": [context.database, context.retention_policy, self.key.name],
                "series": self.series,
                "fields": [[number, name, kind.value] for number, (name, kind) in self.fields.items()],
            }
        ).encode()

    @classmethod
    def read(cls, schema: pa.Schema) -> _Header:
        header = json.loads(schema.metadata[_HEADER])
        *context, name = header["measurement"]
        series = [tuple((tag, value) for tag, value in tags) for tags in header["series"]]
        fields = {number: (field, ColumnType(kind)) for number, field, kind in header["fields"]}
        return cls(MeasurementKey(Context(*context), name), series, fields, np.arange(len(series), dtype=np.int32))


def _numbered(unit: Unit, owner: int) -> tuple[list[int], list[Tags]]:
    numbers, tags = unit.series(owner)
    return numbers.tolist(), tags


def _written(batch: pa.RecordBatch, header: _Header | None) -> bytes:
    if header is not None:
        batch = batch.replace_schema_metadata({_HEADER: header.written()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=_OPTIONS) as writer:
        writer.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _read(content: bytes) -> pa.RecordBatch:
    return pa.ipc.open_stream(content).read_next_batch()
