"""The points of a stretch of time, out of files that may overlap, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.arrow_texts import are_texts
from influx_lake.config.values.source_schema import TIME, ColumnType, MeasurementSchema, Role
from influx_lake.sources.arrow_types import ARROW_TYPES
from influx_lake.sources.influxdb3_parquet.footers import Odd
from influx_lake.sources.influxdb3_parquet.index import PersistedFile
from influx_lake.sources.influxdb3_parquet.merging import merged, server_order

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

_MERGED_AT_ONCE = 64 * 2**20
"""How large the rows are that are merged at once, as the files' footers count them."""

_TAGS = pa.dictionary(pa.int32(), pa.string())


def arrow_schema(schema: MeasurementSchema) -> pa.Schema:
    """The columns in which points are passed on."""
    return pa.schema(
        [
            pa.field(
                column.name,
                _TAGS if column.role is Role.TAG else ARROW_TYPES[column.type],
                nullable=column.type is not ColumnType.TIME,
            )
            for column in schema.columns
        ]
    )


@dataclass(frozen=True, slots=True)
class PointReader:
    """Reads points of one table.

    Attributes:
        store: Where the files are.
        schema: The table's columns.
        odd: Makes the error for a file that does not hold what it should.
        order: The files of a group, the one whose values win last.
    """

    store: FileSystem
    schema: MeasurementSchema
    odd: Odd
    order: Callable[[Iterable[PersistedFile]], list[PersistedFile]] = server_order

    def batches(self, files: Iterable[PersistedFile], start: int, end: int) -> Iterator[pa.RecordBatch]:
        """The points from `start` to before `end`, in nanoseconds, each once.

        Raises:
            SourceError: A file is damaged.
            FileNotFoundError: One is gone.
        """
        within = [file for file in files if file.min_time < end and file.max_time >= start]
        for group in overlapping(within):
            if len(group) == 1:
                yield from self._one_file(group[0], start, end)
            else:
                for first, last in slices(group, start, end):
                    yield from self._merged(group, first, last)

    def _one_file(self, file: PersistedFile, start: int, end: int) -> Iterator[pa.RecordBatch]:
        """A file alone: the server has merged its points when it wrote it."""
        for batch in self._fragment(file).to_batches(**self._selection(file, start, end)):
            if len(batch):
                yield self._fitted(file, pa.Table.from_batches([batch])).to_batches()[0]

    def _merged(self, group: Sequence[PersistedFile], start: int, end: int) -> Iterator[pa.RecordBatch]:
        order = self.order(file for file in group if file.min_time < end and file.max_time >= start)
        parts = [
            self._fitted(file, self._fragment(file).to_table(**self._selection(file, start, end))) for file in order
        ]
        plain = [_decoded(part) for part in parts if len(part)]
        if plain:
            yield from merged(plain, self.schema).cast(arrow_schema(self.schema)).combine_chunks().to_batches()

    def _fragment(self, file: PersistedFile) -> pa.dataset.ParquetFileFragment:
        import pyarrow.dataset as ds

        return ds.ParquetFileFormat().make_fragment(file.path, self.store)

    def _selection(self, file: PersistedFile, start: int, end: int) -> dict[str, object]:
        """The file's columns that are the table's, and its rows between two times."""
        held = {column.name for column in file.footer.columns}
        time, kind = pc.field(TIME), pa.timestamp("ns")
        inside = (time >= pa.scalar(start, kind)) & (time < pa.scalar(end, kind))
        return {
            "columns": [column.name for column in self.schema.columns if column.name in held],
            "filter": None if start <= file.min_time and file.max_time < end else inside,
        }

    def _fitted(self, file: PersistedFile, rows: pa.Table) -> pa.Table:
        """A file's rows with all the table's columns."""
        layout, come = arrow_schema(self.schema), frozenset(rows.column_names)
        for name in rows.column_names:
            if not are_texts(rows[name]):
                raise self.odd(f"{file.path} is damaged: column {name!r} has a text that is not UTF-8")
        try:
            return pa.table(
                [
                    rows[field.name].cast(field.type) if field.name in come else pa.nulls(len(rows), field.type)
                    for field in layout
                ],
                schema=layout,
            ).combine_chunks()
        except pa.ArrowInvalid as error:
            raise self.odd(f"{file.path} does not hold what the table declares: {error}") from None


def overlapping(files: Iterable[PersistedFile]) -> Iterator[list[PersistedFile]]:
    """The files in groups that have no time in common, oldest first."""
    group: list[PersistedFile] = []
    until = 0
    for file in sorted(files, key=lambda file: (file.min_time, file.sequence)):
        if group and file.min_time > until:
            yield group
            group = []
        until = max(until, file.max_time) if group else file.max_time
        group.append(file)
    if group:
        yield group


def slices(group: Sequence[PersistedFile], start: int, end: int) -> Iterator[tuple[int, int]]:
    """The time of a group, inside the bounds, in pieces whose points fit into memory together."""
    first = max(start, min(file.min_time for file in group))
    last = min(end, max(file.max_time for file in group) + 1)
    pieces = max(1, -(-sum(file.footer.bytes for file in group) // _MERGED_AT_ONCE))
    bounds = [first + (last - first) * number // pieces for number in range(pieces + 1)]
    yield from ((begin, stop) for begin, stop in pairwise(bounds) if begin < stop)


def _decoded(rows: pa.Table) -> pa.Table:
    """Texts in the place of dictionaries, which differ from file to file and cannot be grouped by."""
    kinds = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in rows.schema]
    return rows.cast(pa.schema(list(zip(rows.column_names, kinds, strict=True))))
