"""The points of a stretch of time, out of files that may overlap, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from operator import and_
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.arrow.texts import are_texts
from influx_lake.config.values.conditions import All, Condition, columns_of
from influx_lake.config.values.source_schema import TIME, ColumnType, MeasurementSchema, Role
from influx_lake.sources.arrow_types import ARROW_TYPES
from influx_lake.sources.influxdb3_parquet.footers import Odd
from influx_lake.sources.influxdb3_parquet.index import PersistedFile
from influx_lake.sources.influxdb3_parquet.merging import merged, server_order
from influx_lake.sources.projected_rows import arrow_condition, has_a_field, with_a_field

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
        schema: The columns and rows that are wanted.
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
        """Read a file that overlaps no other; its points were merged when the server wrote it."""
        held, wanted = _columns_of(file), _within(file, start, end)
        if self.schema.where is not None:
            wanted.append(arrow_condition(self.schema.where, self.schema.types, held))
        if self.schema.needs_a_field:
            wanted.append(has_a_field(self.schema, held))
        for batch in self._fragment(file).to_batches(**_selection(self.schema, held, wanted)):
            if len(batch):
                yield self._fitted(file, pa.Table.from_batches([batch]), self.schema).to_batches()[0]

    def _merged(self, group: Sequence[PersistedFile], start: int, end: int) -> Iterator[pa.RecordBatch]:
        """Read files that share points; all their tags are read, for these identify a point."""
        order = self.order(file for file in group if file.min_time < end and file.max_time >= start)
        read = _key_and(self.schema)
        plain = [_decoded(part) for file in order if len(part := self._part(file, read, start, end))]
        if plain:
            rows = with_a_field(merged(plain, read), self.schema)
            if self.schema.where is not None:
                rows = rows.filter(arrow_condition(self.schema.where, self.schema.types, rows.column_names))
            layout = arrow_schema(self.schema)
            yield from rows.select(layout.names).cast(layout).combine_chunks().to_batches()

    def _part(self, file: PersistedFile, read: MeasurementSchema, start: int, end: int) -> pa.Table:
        """Read the rows of a file, filtered only by tags: all rows of a point have the same tags."""
        held, wanted = _columns_of(file), _within(file, start, end)
        wanted += [arrow_condition(part, self.schema.types, held) for part in _of_tags(self.schema)]
        return self._fitted(file, self._fragment(file).to_table(**_selection(read, held, wanted)), read)

    def _fragment(self, file: PersistedFile) -> pa.dataset.ParquetFileFragment:
        import pyarrow.dataset as ds

        return ds.ParquetFileFormat().make_fragment(file.path, self.store)

    def _fitted(self, file: PersistedFile, rows: pa.Table, schema: MeasurementSchema) -> pa.Table:
        """Convert a file's rows to all columns that are read."""
        layout, come = arrow_schema(schema), frozenset(rows.column_names)
        for name in rows.column_names:
            if not are_texts(rows[name]):
                raise self.odd(f"{file.path} is damaged: column {name!r} has a string that is not UTF-8")
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


def _columns_of(file: PersistedFile) -> frozenset[str]:
    return frozenset(column.name for column in file.footer.columns)


def _within(file: PersistedFile, start: int, end: int) -> list[pc.Expression]:
    """The conditions that select a time range of a file; none where the whole file lies in the range."""
    time, kind = pc.field(TIME), pa.timestamp("ns")
    inside = (time >= pa.scalar(start, kind)) & (time < pa.scalar(end, kind))
    return [] if start <= file.min_time and file.max_time < end else [inside]


def _selection(read: MeasurementSchema, held: Collection[str], wanted: list[pc.Expression]) -> dict[str, object]:
    """The columns of a file to read, and its row filter."""
    return {
        "columns": [column.name for column in read.columns if column.name in held],
        "filter": reduce(and_, wanted) if wanted else None,
    }


def _key_and(schema: MeasurementSchema) -> MeasurementSchema:
    """The selected columns, those used by the condition, and all tags."""
    if not schema.left_out:
        return schema.whole
    looked_at = () if schema.where is None else columns_of(schema.where)
    return schema.whole.select({*schema.tags, *schema.fields, *looked_at, *schema.whole.tags})


def _of_tags(schema: MeasurementSchema) -> list[Condition]:
    """The parts of the condition that use only tags; all must hold."""
    if schema.where is None:
        return []
    parts = schema.where.parts if isinstance(schema.where, All) else (schema.where,)
    return [part for part in parts if {*columns_of(part)} <= {*schema.whole.tags}]


def overlapping(files: Iterable[PersistedFile]) -> Iterator[list[PersistedFile]]:
    """Group files that overlap in time, oldest group first."""
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
    """Split the time range of a group, inside the bounds, into pieces whose points fit into memory together."""
    first = max(start, min(file.min_time for file in group))
    last = min(end, max(file.max_time for file in group) + 1)
    pieces = max(1, -(-sum(file.footer.bytes for file in group) // _MERGED_AT_ONCE))
    bounds = [first + (last - first) * number // pieces for number in range(pieces + 1)]
    yield from ((begin, stop) for begin, stop in pairwise(bounds) if begin < stop)


def _decoded(rows: pa.Table) -> pa.Table:
    """Replace dictionaries, which differ per file and cannot be grouped by, by strings."""
    kinds = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in rows.schema]
    return rows.cast(pa.schema(list(zip(rows.column_names, kinds, strict=True))))
