"""Fields that the source holds with several types: chooses which type gets the field's column of the table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config import OnTypeConflict
from influx_lake.config.values.source_schema import VARIANT_OF
from influx_lake.errors import SchemaConflict
from influx_lake.iceberg.columns.promotion import holds
from influx_lake.iceberg.columns.row_mapping import Misfit, Shape, ShapedColumn
from influx_lake.iceberg.columns.schema import iceberg_type
from influx_lake.iceberg.target import TableTarget

if TYPE_CHECKING:
    from pyiceberg.schema import Schema


def arranged(shape: Shape, columns: pa.Schema, target: TableTarget, existing: Schema | None = None) -> Shape:
    """Give each field one column of the table; `on_type_conflict` decides what becomes of its values of other types.

    The column has the type that the table has already, else the first one that the source lists.

    Args:
        shape: The mapping of the rows, with a column for each type of a field.
        columns: The Arrow schema of the rows; the metadata of a field's further types (`VARIANT_OF`) name its column.
        target: The table as lake.yaml describes it.
        existing: The table's schema, where it exists.

    Raises:
        SchemaConflict: Another column has the name for a further type.
    """
    first_of = {column.name: (column.metadata or {}).get(VARIANT_OF.encode(), b"").decode() for column in columns}
    fields: dict[str, list[ShapedColumn]] = {}
    single = []
    for column in shape.columns:
        # The time may be the source of two columns.
        if column.source == target.time_column:
            single.append(column)
        else:
            fields.setdefault(first_of[column.source] or column.source, []).append(column)
    if not any(len(types) > 1 for types in fields.values()):
        return shape
    kept, misfits = single, list(shape.misfits)
    for types in fields.values():
        own = _own(types, existing)
        others = [column for column in types if column is not own]
        kept.append(replace(own, name=types[0].name, doc=types[0].doc))
        if target.types.on_type_conflict is OnTypeConflict.NEW_COLUMN:
            kept += [_beside(types[0], other) for other in others]
        else:
            misfits += [_misfit(types[0], own, other, target) for other in others]
    _check_names(kept, target)
    return replace(shape, columns=tuple(kept), misfits=tuple(misfits))


def _own(types: list[ShapedColumn], existing: Schema | None) -> ShapedColumn:
    """Choose the type of the field's own column."""
    there = {column.name: column.field_type for column in existing.fields} if existing else {}
    kind = there.get(types[0].name)
    fitting = (column for column in types if kind is not None and holds(kind, iceberg_type(column.type)))
    return next(fitting, types[0])


def _beside(first: ShapedColumn, other: ShapedColumn) -> ShapedColumn:
    word = _word(other)
    return replace(other, name=f"{first.name}__{word}", doc=f"{first.source!r} in the source, where it is a {word}")


def _misfit(first: ShapedColumn, own: ShapedColumn, other: ShapedColumn, target: TableTarget) -> Misfit:
    reason = f"{first.source!r} is {_word(own)} in some points of the source and {_word(other)} in others"
    return Misfit(other.source, reason, refused=target.types.on_type_conflict is OnTypeConflict.FAIL)


def _word(column: ShapedColumn) -> str:
    return str(iceberg_type(column.type)).partition("(")[0]


def _check_names(columns: list[ShapedColumn], target: TableTarget) -> None:
    names: dict[str, ShapedColumn] = {}
    for column in columns:
        other = names.setdefault(column.name, column)
        if other is not column:
            raise SchemaConflict(
                f"{column.source!r} and {other.source!r} of the source would both be {column.name!r} in {target.name}",
                remedy="Set on_type_conflict: quarantine",
            )
