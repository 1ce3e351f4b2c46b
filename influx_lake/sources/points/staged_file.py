"""The points of one file, on a local disk: by measurement, in runs sorted by time, with an index.

They are stored as cells, or as rows if they came as rows. A run of rows is a file of its own, whose columns are its
fields.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from influx_lake.config.values.source_schema import ColumnType
from influx_lake.errors import StorageError
from influx_lake.private_folders import make_private_file
from influx_lake.sources.points.bad_record import BadRecord
from influx_lake.sources.points.cells import SCHEMA, Numbers
from influx_lake.sources.points.registry import Context, FieldKey, MeasurementKey, Registry, Tags
from influx_lake.sources.points.wide_rows import batches, by_time, count_values

FORMAT = 2
_CELLS, _SERIES, _CHUNKS = "cells.arrow", "series.arrow", "chunks.arrow"
FACTS = "unit.json"
"""The file of a unit that is written last."""
INDEX = (_SERIES, _CHUNKS, FACTS)
"""The files of a unit that hold no values."""
_SERIES_SCHEMA = pa.schema([("measurement", pa.int32()), ("tags", pa.map_(pa.string(), pa.string()))])
CHUNKS_SCHEMA = pa.schema(
    [
        ("measurement", pa.int32()),
        ("run", pa.int32()),
        ("rows", pa.int64()),
        ("first", pa.int64()),
        ("last", pa.int64()),
        ("file", pa.int32()),
        ("place", pa.int32()),
    ]
)
_IN_CELLS = -1
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is held in memory.

    Attributes:
        run_rows: Rows that are sorted together.
        run_bytes: The same in bytes, for strings.
        chunk_rows: Rows that are read together.
        chunk_bytes: The same in bytes.
    """

    run_rows: int = 2_000_000
    run_bytes: int = 128_000_000
    chunk_rows: int = 16_384
    chunk_bytes: int = 4_000_000


LIMITS = Limits()


@dataclass
class UnitWriter:
    """Writes a unit, which is complete once it is closed.

    Attributes:
        folder: Its folder, which exists and is empty.
        bad_file: The file for unreadable records.
        registry: The meaning of the cells' numbers.
        max_bytes: The largest size of the unit.
        limits: How much is held in memory.
    """

    folder: Path
    bad_file: Path
    registry: Registry
    max_bytes: int
    limits: Limits = field(default_factory=lambda: LIMITS)
    _waiting: list[pa.RecordBatch] = field(default_factory=list)
    _rows: int = 0
    _bytes: int = 0
    _runs: int = 0
    _bad: int = 0
    _chunks: list[tuple[int, int, int, int, int, int, int]] = field(default_factory=list)
    _rows_waiting: dict[int, list[pa.RecordBatch]] = field(default_factory=dict)
    _written: int = 0
    _cell_chunks: int = 0

    def __post_init__(self) -> None:
        self._sink = pa.OSFile(str(make_private_file(self.folder / _CELLS)), "wb")
        self._file = pa.ipc.new_file(self._sink, SCHEMA, options=_OPTIONS)

    def add(self, batch: pa.RecordBatch) -> None:
        """Add cells, in the order of precedence.

        Raises:
            StorageError: There is no room for them.
        """
        if not len(batch):
            return
        self._write_rows()
        self._waiting.append(batch)
        self._count(batch, len(batch))

    def add_rows(self, measurement: int, batch: pa.RecordBatch) -> None:
        """Add points of a measurement in rows (`wide_rows`), in the order of precedence.

        Raises:
            StorageError: There is no room for them.
        """
        if not len(batch):
            return
        self._write_run()
        waiting = self._rows_waiting.setdefault(measurement, [])
        if waiting and waiting[0].schema != batch.schema:
            self._write_rows_of(measurement, self._rows_waiting.pop(measurement))
            waiting = self._rows_waiting.setdefault(measurement, [])
        waiting.append(batch)
        self._count(batch, batch.num_columns * len(batch))

    def _count(self, batch: pa.RecordBatch, values: int) -> None:
        self._rows += values
        self._bytes += batch.nbytes
        if self._rows >= self.limits.run_rows or self._bytes >= self.limits.run_bytes:
            self._write_run()
            self._write_rows()

    def add_bad(self, records: list[BadRecord]) -> int:
        """Write bad records to their file, and return how many there are so far."""
        if records:
            self.bad_file.parent.mkdir(mode=0o700, exist_ok=True)
            if not self._bad:
                make_private_file(self.bad_file)
            with self.bad_file.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(asdict(record)) + "\n" for record in records)
        self._bad += len(records)
        return self._bad

    def close(self, facts: dict[str, Any]) -> None:
        """Write the rest, and the meaning of the numbers.

        Args:
            facts: Further facts about the unit.
        """
        self._write_run()
        self._write_rows()
        self._file.close()
        self._sink.close()
        rows = [dict(zip(CHUNKS_SCHEMA.names, chunk, strict=True)) for chunk in self._chunks]
        chunks = pa.Table.from_pylist(rows, CHUNKS_SCHEMA)
        write_index(self.folder, self.registry, chunks, {**facts, "bad": self._bad})

    def abandon(self) -> None:
        """Close the files of a unit that will not be completed."""
        self._sink.close()

    def _write_run(self) -> None:
        if not self._waiting:
            return
        table = pa.Table.from_batches(self._waiting)
        self._waiting.clear()
        order = np.argsort(table.column("time").to_numpy(), kind="stable")
        starts, ends, owners = np.zeros(1, np.intp), [len(order)], np.zeros(1, np.int32)
        if len(self.registry.measurements) > 1:
            owners = np.fromiter(self.registry.field_measurements(), np.int32)[table.column("field").to_numpy()[order]]
            by_owner = np.argsort(_small(owners), kind="stable")
            order, owners = order[by_owner], owners[by_owner]
            starts = np.flatnonzero(np.diff(owners, prepend=np.int32(-1)))
            ends = [*starts[1:], len(owners)]
        table = _taken(table, order)
        for begin, end in zip(starts, ends, strict=True):
            self._write_chunks(int(owners[begin]), table.slice(begin, end - begin))
        self._runs += 1
        self._rows = self._bytes = 0
        self._check_room()

    def _check_room(self) -> None:
        if self._written + self._sink.tell() > self.max_bytes:
            raise StorageError(
                f"the points of a file take more than {self.max_bytes / 1e9:,.1f} GB in {self.folder.parent}",
                remedy="Raise staging_limit, or name a folder on a larger disk with `staging`",
            )

    def _write_chunks(self, measurement: int, table: pa.Table) -> None:
        length = max(1, min(self.limits.chunk_rows, len(table) * self.limits.chunk_bytes // max(1, table.nbytes)))
        for batch in table.to_batches(length):
            self._add_chunk(measurement, batch, len(batch), _IN_CELLS, self._cell_chunks)
            self._file.write_batch(batch)
            self._cell_chunks += 1

    def _add_chunk(self, measurement: int, batch: pa.RecordBatch, values: int, file: int, place: int) -> None:
        times = batch.column("time")
        self._chunks.append((measurement, self._runs, values, times[0].as_py(), times[-1].as_py(), file, place))

    def _write_rows(self) -> None:
        for measurement, waiting in self._rows_waiting.items():
            self._write_rows_of(measurement, waiting)
        if self._rows_waiting:
            self._rows_waiting.clear()
            self._rows = self._bytes = 0

    def _write_rows_of(self, measurement: int, waiting: list[pa.RecordBatch]) -> None:
        table = by_time(pa.Table.from_batches(waiting))
        length = max(1, min(self.limits.chunk_rows, len(table) * self.limits.chunk_bytes // max(1, table.nbytes)))
        path = make_private_file(self.folder / _rows_file(self._runs))
        with pa.OSFile(str(path), "wb") as sink:
            with pa.ipc.new_file(sink, table.schema, options=_OPTIONS) as file:
                for place, batch in enumerate(batches(table, length)):
                    self._add_chunk(measurement, batch, count_values(batch), self._runs, place)
                    file.write_batch(batch)
            self._written += sink.tell()
        self._runs += 1
        self._check_room()


def write_index(folder: Path, registry: Registry, chunks: pa.Table, facts: Mapping[str, Any]) -> None:
    """Write what is known of a unit's values.

    Args:
        folder: The unit's.
        registry: What their numbers stand for.
        chunks: Where they are; see `Unit.chunks`.
        facts: What else is known.
    """
    _write(folder / _SERIES, _series_table(list(registry.series)))
    _write(folder / _CHUNKS, chunks)
    known = {
        **facts,
        "format": FORMAT,
        "measurements": [
            [key.context.database, key.context.retention_policy, key.name] for key in registry.measurements
        ],
        "fields": [[key.measurement, key.name, key.type.value] for key in registry.fields],
    }
    make_private_file(folder / FACTS).write_text(json.dumps(known), encoding="utf-8")


@dataclass(frozen=True)
class Unit:
    """The points of one file.

    Attributes:
        folder: The unit's folder.
        bad_file: The file of unreadable records.
        facts: Facts about the unit.
        measurements: Its measurements, by their numbers.
        fields: Its fields, by their numbers.
        chunks: The index: for each chunk the measurement, the run, the number of values (`rows`), the first and the
            last time, the file and the index in it.
    """

    folder: Path
    bad_file: Path
    facts: dict[str, Any]
    measurements: list[MeasurementKey]
    fields: list[FieldKey]
    chunks: dict[str, Numbers]

    @classmethod
    def open(cls, folder: Path, bad_file: Path) -> Self:
        """Open a unit that was closed by its writer."""
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        return cls(
            folder=folder,
            bad_file=bad_file,
            facts=facts,
            measurements=[MeasurementKey(Context(*context), name) for *context, name in facts["measurements"]],
            fields=[FieldKey(owner, name, ColumnType(kind)) for owner, name, kind in facts["fields"]],
            chunks={
                name: column.to_numpy()
                for name, column in zip(CHUNKS_SCHEMA.names, _read(folder / _CHUNKS).columns, strict=True)
            },
        )

    @property
    def bad(self) -> int:
        """How many bad lines the file has."""
        return int(self.facts["bad"])

    @property
    def empty(self) -> int:
        """How many of its records have no value in any field."""
        return int(self.facts.get("empty", 0))

    @property
    def has_values(self) -> bool:
        """Whether the values are available, not only the index."""
        return True

    def series(self, measurement: int) -> tuple[Numbers, list[Tags]]:
        """The numbers and tags of a measurement's series."""
        table = _read(self.folder / _SERIES)
        numbers = np.flatnonzero(table.column("measurement").to_numpy() == measurement)
        tags = table.column("tags").combine_chunks()
        pairs = list(zip(*map(_words, (tags.keys, tags.items)), strict=True))
        ends = tags.offsets.to_numpy()
        widths = np.diff(ends)
        if len(widths) and (width := int(widths[0])) and (widths == width).all():
            # Most measurements have the same tags in each series.
            tagged = list(zip(*(pairs[place::width] for place in range(width)), strict=True))
            every = len(numbers) == len(tagged)
            return numbers.astype(np.int32), tagged if every else [tagged[number] for number in numbers.tolist()]
        spans = zip(ends[numbers].tolist(), ends[numbers + 1].tolist(), strict=True)
        return numbers.astype(np.int32), [tuple(pairs[begin:end]) for begin, end in spans]

    def chunk(self, number: int) -> pa.RecordBatch:
        """A chunk by its number: cells, or rows (`wide_rows`). Both have `series` and `time`."""
        file, place = (int(self.chunks[name][number]) for name in ("file", "place"))
        path = self.folder / (_CELLS if file == _IN_CELLS else _rows_file(file))
        return pa.ipc.open_file(pa.memory_map(str(path))).get_batch(place)

    def chunks_of(self) -> Iterator[pa.RecordBatch]:
        """All chunks in order."""
        return map(self.chunk, range(len(self.chunks["rows"])))


def _series_table(series: list[tuple[int, Tags]]) -> pa.Table:
    owners, tagged = (list(map(itemgetter(place), series)) for place in (0, 1))
    pairs = list(chain.from_iterable(tagged))
    ends = np.cumsum([0, *map(len, tagged)], dtype=np.int32)
    names, texts = (pa.array(list(map(itemgetter(place), pairs)), pa.string()) for place in (0, 1))
    tags = pa.MapArray.from_arrays(pa.array(ends), names, texts)
    return pa.table([pa.array(owners, pa.int32()), tags], schema=_SERIES_SCHEMA)


def _words(texts: pa.Array) -> list[str]:
    """The strings as a list in which equal ones are the same object, which is hashed only once."""
    encoded = texts.dictionary_encode()
    words = encoded.dictionary.to_pylist()
    return list(map(words.__getitem__, encoded.indices.to_pylist()))


def _small(numbers: Numbers) -> npt.NDArray[np.integer]:
    """The numbers in as few bytes as they need: stable sorts of small integers are radix sorts."""
    return numbers.astype(np.uint16) if int(numbers.max()) < 2**16 else numbers


def _taken(cells: pa.Table, order: npt.NDArray[np.intp]) -> pa.Table:
    """Reorder cells."""
    columns = [pa.array(column.to_numpy()[order]) for column in cells.columns[:-1]]
    text = cells.column("text")
    # Most points are numbers.
    text = pa.nulls(len(cells), pa.string()) if text.null_count == len(text) else text.take(pa.array(order))
    return pa.table([*columns, text], schema=SCHEMA)


def _rows_file(run: int) -> str:
    return f"rows-{run}.arrow"


def _write(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(make_private_file(path)), "wb") as sink, pa.ipc.new_file(sink, table.schema) as file:
        file.write_table(table)


def _read(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()
