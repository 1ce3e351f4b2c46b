"""Compares the profiles of columns in source and lake."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config import Measurement, OnTypeConflict
from influx_lake.config.values.source_schema import TIME, Column, ColumnType, MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.columns.schema import iceberg_type
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.scan.planning import in_windows
from influx_lake.iceberg.scan.reader import read_windows
from influx_lake.replication.removed.erased import without_erased_from
from influx_lake.sources.arrow_types import ARROW_TYPES
from influx_lake.sources.profile import ColumnProfile, Profile, RowProfiler, profiles_of, scale_for
from influx_lake.sources.protocol import Source
from influx_lake.transforms import transformed

if TYPE_CHECKING:
    from pyiceberg.table import Table

_NUMBERS = (ColumnType.FLOAT, ColumnType.INTEGER, ColumnType.UINTEGER)
_NO_PROFILE = ColumnProfile(count=-1)

Values = TypeVar("Values", pa.Array, pa.ChunkedArray)


def changed_columns(
    source: Source, table: Table, measurement: Measurement, windows: Sequence[Window]
) -> list[tuple[str, ...]]:
    """The columns of each window, oldest first, whose profiles differ; a column that the table lacks differs where the
    source has values in it.

    The source gets one query; the rows of the windows are read from the lake. A column counts as missing where its type
    in the table cannot hold the source's values, unless `on_type_conflict: new_column` fills another one. Columns that
    change with each load are not compared.

    Raises:
        LakeError: Source or lake cannot be read.
    """
    if not windows:
        return []
    measurement = without_erased_from(measurement, table)
    source = transformed(source, measurement)
    lake = LakeColumns.of(table, measurement, source.schema(measurement.name))
    scales = {name: scale_for(largest) for name, largest in lake.largest(windows).items()}
    theirs = profiles_of(source, MeasurementSchema(measurement.name, lake.columns), windows, scales)
    ours = [lake.profile(window, scales) for window in windows]
    return [
        tuple(name for name, profile in there.items() if profile != here[name])
        for there, here in zip(theirs, ours, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class LakeColumns:
    """The columns of a measurement in its table.

    Attributes:
        table: The table.
        columns: The columns that are compared, as loads write them.
        names: Their names in the table, without those that it lacks.
        snapshot_id: The snapshot; None: the current one.
        time_column: The name of the time column.
    """

    table: Table
    columns: tuple[Column, ...]
    names: dict[str, str]
    snapshot_id: int | None = None
    time_column: str = TIME

    @classmethod
    def of(
        cls, table: Table, measurement: Measurement, schema: MeasurementSchema, snapshot_id: int | None = None
    ) -> LakeColumns:
        """Match the columns of a source with those that the table has, or had in a snapshot."""
        from pyiceberg.io.pyarrow import schema_to_pyarrow

        snapshot = table.snapshot_by_id(snapshot_id) if snapshot_id is not None else None
        then = table.schemas().get(snapshot.schema_id) if snapshot and snapshot.schema_id is not None else None
        held = {field.name: field.type for field in schema_to_pyarrow(then or table.schema(), include_field_ids=False)}
        names, compared = {}, tuple(column for column in schema.columns if column.is_compared)
        for column in compared:
            name = column.name
            beside = f"{name}__{_word(column.type)}"
            is_beside = (
                measurement.types.on_type_conflict is OnTypeConflict.NEW_COLUMN and {name, beside} <= held.keys()
            )
            if _fits(held.get(name), column):
                names[column.name] = name
            elif is_beside and _holds(held[beside], column.type):
                names[column.name] = beside
        return cls(table, compared, names, snapshot_id, schema.time)

    @property
    def floats(self) -> list[Column]:
        return [column for column in self.columns if column.type is ColumnType.FLOAT]

    def profile(self, window: Window, scales: dict[str, float]) -> Profile:
        """The profile of a window's rows; a column with a value that the source cannot have equals no profile."""
        profiler, unlike = RowProfiler(self.columns, scales), set[str]()
        for batch in self._batches([window], unlike=unlike):
            profiler.add(batch)
        return {**profiler.profile(), **dict.fromkeys(unlike, _NO_PROFILE)}

    def largest(self, windows: Sequence[Window]) -> dict[str, float]:
        """The largest magnitude of each column of floats, from the files' metadata where they have bounds."""
        largest = {column.name: 0.0 for column in self.columns if column.type is ColumnType.FLOAT}
        stated = self._stated(Window(windows[0].start, windows[-1].end))
        largest |= {name: found for name, found in stated.items() if found is not None}
        unstated = [column for column in self.columns if column.name in stated and stated[column.name] is None]
        for batch in self._batches(windows, unstated) if unstated else ():
            for column in unstated:
                found = pc.max(pc.abs(batch.column(column.name))).as_py()
                largest[column.name] = max(largest[column.name], found or 0.0)
        return largest

    def _stated(self, span: Window) -> dict[str, float | None]:
        """The largest magnitudes by the files' bounds, for columns of floats in the table; None where a file
        has none.
        """
        from pyiceberg.conversions import from_bytes
        from pyiceberg.types import DoubleType, FloatType

        fields = {field.name: field for field in self.table.schema().fields}
        held = {column.name: fields[self.names[column.name]] for column in self.floats if column.name in self.names}
        bounded = {
            name: (field.field_id, field.field_type)
            for name, field in held.items()
            if isinstance(field.field_type, DoubleType | FloatType)
        }
        stated: dict[str, float | None] = {name: 0.0 if name in bounded else None for name in held}
        with catalog_errors(f"look at the files of {'.'.join(self.table.name())}"):
            tasks = list(self.table.scan(row_filter=in_windows([span], self.table, self.time_column)).plan_files())
        for task in tasks:
            file = task.file
            nulls, ends = file.null_value_counts or {}, (file.lower_bounds or {}, file.upper_bounds or {})
            for name, (number, kind) in bounded.items():
                so_far = stated[name]
                if so_far is None or nulls.get(number) == file.record_count:
                    continue
                if all(number in bounds for bounds in ends):
                    values = [float(from_bytes(kind, bounds[number])) for bounds in ends]
                    stated[name] = max(so_far, *map(abs, values))
                else:
                    stated[name] = None
        return stated

    def _batches(
        self, windows: Sequence[Window], columns: Sequence[Column] | None = None, unlike: set[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Rows with the source's names and types.

        Args:
            windows: The windows.
            columns: The columns to read; None: all.
            unlike: Receives the columns with values that the source's type cannot hold; these are read as null.
        """
        wanted = [column for column in columns or self.columns if column.name in self.names]
        stored = [self.names[column.name] for column in wanted]
        for batch in read_windows(self.table, windows, self.time_column, stored, snapshot_id=self.snapshot_id):
            arrays = []
            for column in wanted:
                try:
                    arrays.append(as_in_source(batch.column(self.names[column.name]), column.type))
                except pa.ArrowInvalid:
                    # Another tool wrote 0.5 where the source has integers.
                    arrays.append(pa.nulls(len(batch), ARROW_TYPES.get(column.type, pa.null())))
                    if unlike is not None:
                        unlike.add(column.name)
            yield pa.RecordBatch.from_arrays(arrays, names=[column.name for column in wanted])


def _fits(kind: pa.DataType | None, column: Column) -> bool:
    """Whether loads write the source's values into a column of this type."""
    if kind is None or not _holds(kind, column.type):
        return False
    if column.iceberg_type is not None:
        return True
    is_float = column.type is ColumnType.FLOAT
    return is_float == pa.types.is_floating(kind) if column.type in _NUMBERS else True


def _word(source: ColumnType) -> str:
    return str(iceberg_type(ARROW_TYPES[source])).partition("(")[0] if source in ARROW_TYPES else str(source)


_HOLDING = {
    ColumnType.TIME: (pa.types.is_timestamp,),
    ColumnType.DATE: (pa.types.is_date,),
    ColumnType.MAP: (pa.types.is_map,),
    ColumnType.DECIMAL: (pa.types.is_decimal,),
    ColumnType.STRING: (pa.types.is_string, pa.types.is_large_string),
    ColumnType.BOOLEAN: (pa.types.is_boolean,),
}


def _holds(kind: pa.DataType, source: ColumnType) -> bool:
    """Whether a type of the table holds the source's values without loss."""
    if source in _HOLDING:
        return any(matches(kind) for matches in _HOLDING[source])
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def as_in_source(values: Values, source: ColumnType) -> Values:
    """Values of a table in their source's type."""
    return values if source not in ARROW_TYPES or source is ColumnType.TIME else values.cast(ARROW_TYPES[source])
