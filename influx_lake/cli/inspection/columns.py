"""The mapping from a measurement's columns to its table's, for `influx-lake schema`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

from influx_lake.config import Measurement
from influx_lake.config.transforms.options import Duplicates, OnCastError
from influx_lake.config.values.source_schema import Column, MeasurementSchema, Role
from influx_lake.iceberg.columns.field_variants import arranged
from influx_lake.iceberg.columns.row_mapping import Shape, shape_of
from influx_lake.iceberg.columns.schema import iceberg_type
from influx_lake.iceberg.target import TableTarget
from influx_lake.replication.table_columns import table_target
from influx_lake.sources.protocol import Source
from influx_lake.transforms import transformed
from influx_lake.transforms.column_naming import option_for
from influx_lake.transforms.columns import arrow_schema


@dataclass(frozen=True, slots=True)
class ColumnLine:
    """A column of the table, or one of the source that the table does not get.

    Attributes:
        sources: The source columns that it is computed from, with roles and types.
        transform: How it is computed; empty where it is copied.
        name: Its name in the table; None where the table does not get it.
        type: Its Iceberg type.
        notes: Remarks.
    """

    sources: tuple[Column, ...]
    transform: str = ""
    name: str | None = None
    type: str | None = None
    notes: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """The line as JSON."""
        return {
            "source": [{"name": each.name, "role": str(each.role), "type": str(each.type)} for each in self.sources],
            "transform": self.transform or None,
            "column": self.name,
            "type": self.type,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Columns:
    """The column mapping of a measurement.

    Attributes:
        lines: Each column of the table, then the source columns that it does not get.
        rows: Remarks on rows, such as filters.
        wide: For a long table: the wide columns that its rows are made from.
    """

    lines: tuple[ColumnLine, ...]
    rows: tuple[str, ...]
    wide: tuple[ColumnLine, ...] = ()


def columns_of(source: Source, measurement: Measurement) -> Columns:
    """Map a source's columns to those of a measurement's table; the catalog is not contacted.

    Raises:
        SourceError: The source cannot be asked.
        LakeError: The options do not fit the columns.
    """
    declared = source.schema(measurement.name)
    schema = transformed(source, measurement).schema(measurement.name)
    target, shape = shaped(measurement, schema)
    made = {column.name: column for column in schema.columns}
    of_source = {column.name: column for column in declared.columns}
    lines = []
    for column in shape.columns:
        read_column = made.get(column.source)
        names = read_column.sources if read_column is not None else (column.source,)
        sources = tuple(of_source[name] for name in names if name in of_source)
        notes = tuple(_notes(read_column, target, measurement))
        transform = _transform(read_column, sources, measurement, made) if read_column is not None else ""
        lines.append(ColumnLine(sources, transform, column.name, str(iceberg_type(column.type)), notes))
    used = {source.name for line in lines for source in line.sources}
    lines += [
        ColumnLine((column,), notes=(_why_not(column, measurement),))
        for column in declared.columns
        if column.name not in used
    ]
    wide = columns_of(source, replace(measurement, layout=None)).lines if measurement.layout is not None else ()
    return Columns(tuple(lines), tuple(_row_notes(measurement)), wide)


def shaped(measurement: Measurement, schema: MeasurementSchema) -> tuple[TableTarget, Shape]:
    """The table that a load would create, and the mapping of rows to it."""
    target, rows = table_target(measurement, schema), arrow_schema(schema)
    return target, arranged(shape_of(rows, target), rows, target)


def _transform(
    column: Column, sources: tuple[Column, ...], measurement: Measurement, table_columns: Collection[str]
) -> str:
    options, types = measurement.transforms, measurement.types.types
    if column.name in options.computed:
        return _with_cast(options.computed[column.name], column, types.get(column.name))
    if column.name in options.constants:
        return _with_cast(f"constant {options.constants[column.name]!r}", column, types.get(column.name))
    if not sources or (measurement.layout is not None and column.made_of is not None and column.role is not Role.TIME):
        # Columns that exist once for all fields or rows describe themselves.
        return column.doc or ""
    steps = []
    [source] = sources[:1]
    if source.name != column.name:
        steps.append("renamed")
    if column.name in options.map:
        steps.append("mapped: " + ", ".join(f"{old} → {new}" for old, new in options.map[column.name].items()))
    cast_type = option_for(source.name, column.name, types, table_columns)
    return _with_cast(", ".join(steps), column, cast_type)


def _with_cast(text: str, column: Column, cast_type: str | None) -> str:
    return text if cast_type is None else f"{text}{', ' if text else ''}cast to {column.iceberg_type or cast_type}"


def _notes(column: Column | None, target: TableTarget, measurement: Measurement) -> Iterator[str]:
    if column is None:
        yield "added when the first time comes that is finer than a microsecond"
        return
    if column.role is not Role.FIELD:
        yield str(column.role)
    if column.name in target.key and target.key != target.tags:
        yield "key"
    options, types = measurement.transforms, measurement.types.types
    if types.keys() & {column.name, *column.sources} and options.on_cast_error is not OnCastError.FAIL:
        is_null = options.on_cast_error is OnCastError.NULL
        yield "null where it cannot be cast" if is_null else "rows that cannot be cast go to the quarantine"
    if column.variant_of is not None:
        yield f"values of another type of {column.variant_of}: {measurement.types.on_type_conflict}"
    if not column.is_compared and column.name not in options.constants:
        yield "changes from load to load, not compared"


def _why_not(column: Column, measurement: Measurement) -> str:
    option = measurement.transforms.tags if column.role is Role.TAG else measurement.transforms.fields
    if option.chooses:
        return f"left out by `{'tags' if column.role is Role.TAG else 'fields'}`"
    return f"values of another type: {measurement.types.on_type_conflict}"


def _row_notes(measurement: Measurement) -> Iterator[str]:
    options = measurement.transforms
    if options.where is not None:
        yield f"only rows where {options.where}"
    if options.fields.chooses:
        yield "only points that have one of the fields"
    if options.duplicates is Duplicates.LAST:
        yield "of points that only a tag told apart that is left out, the last"
    elif options.duplicates is Duplicates.KEEP and options.tags.chooses:
        yield "points that only a tag told apart that is left out are rows of the same time and tags"
