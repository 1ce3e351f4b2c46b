"""The schema changes that a table needs before rows fit it, or why they cannot fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config import SchemaEvolution
from influx_lake.errors import SchemaConflict
from influx_lake.iceberg.columns.promotion import holds, is_promotion
from influx_lake.iceberg.columns.row_mapping import Shape
from influx_lake.iceberg.columns.schema import doc_of, iceberg_type
from influx_lake.iceberg.target import TableTarget

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.update.schema import UpdateSchema
    from pyiceberg.types import IcebergType


@dataclass(frozen=True, slots=True)
class Evolution:
    """Changes of a table's columns, of the kinds that leave existing files as they are.

    Attributes:
        added: New columns, all of them optional.
        promoted: Columns with their new, wider types.
        docs: Docs of columns that the table does not have yet.
    """

    added: tuple[pa.Field, ...] = ()
    promoted: Mapping[str, IcebergType] = field(default_factory=dict)
    docs: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.added or self.promoted or self.docs)

    def stage(self, update: UpdateSchema, names: Mapping[str, str]) -> None:
        """Add the changes to an update of the table's schema.

        Args:
            update: The update.
            names: The columns' names in the table, where they differ from those here.
        """
        for column in self.added:
            update.add_column((column.name,), iceberg_type(column.type), doc=doc_of(column))
        for name, kind in self.promoted.items():
            update.update_column((names.get(name, name),), field_type=kind)
        for name, doc in self.docs.items():
            update.update_column((names.get(name, name),), doc=doc)


def evolution(shape: Shape, table: Table, target: TableTarget) -> Evolution:
    """Determine the changes that a table needs before rows of this shape fit it.

    Raises:
        SchemaConflict: A type does not fit, or `schema_evolution` forbids the change. The message names all columns.
    """
    there = {column.name: column.field_type for column in table.schema().fields}
    here = {column.name: iceberg_type(column.type) for column in shape.schema}
    unfit = {name: kind for name, kind in here.items() if name in there and not holds(there[name], kind)}
    promoted = {name: kind for name, kind in unfit.items() if is_promotion(there[name], kind)}
    if unfit and (target.schema_evolution is not SchemaEvolution.FULL or promoted != unfit):
        raise _conflict(unfit, there, promoted, target)
    added = [column for column in shape.schema if column.name not in there]
    if added and target.schema_evolution is SchemaEvolution.STRICT and not _is_first_load(added, table, target):
        raise SchemaConflict(
            f"the source has columns that {target.name} does not have: "
            f"{', '.join(_described(column, target) for column in added)}",
            remedy="Add them to the table, or set schema_evolution: add_columns",
        )
    said = {column.name: column.doc for column in table.schema().fields}
    docs = {name: doc for name, doc in target.docs.items() if name in said and said[name] != doc}
    return Evolution(tuple(added), promoted, docs)


def _conflict(
    unfit: Mapping[str, IcebergType],
    there: Mapping[str, IcebergType],
    promoted: Mapping[str, IcebergType],
    target: TableTarget,
) -> SchemaConflict:
    if target.time_column in unfit and str(there[target.time_column]) in ("timestamp", "timestamptz"):
        time = there[target.time_column]
        return SchemaConflict(
            f"the time of {target.name} is a {time}, and time_type asks for a {target.types.time_type}",
            remedy=f"Set time_type: {time} for this measurement, or give it another table (`table:`)",
        )
    described = "; ".join(
        f"{name!r} is {kind} in the source and {there[name]} in the table" for name, kind in unfit.items()
    )
    if promoted == unfit:
        remedy = "Set schema_evolution: full, which widens the table's types, or give the measurement another table"
    else:
        remedy = (
            "Give the measurement another table (`table:` in lake.yaml). To drop the table and load it again loses "
            "what the source does not have any more"
        )
    return SchemaConflict(f"the table {target.name} cannot take the source's types: {described}", remedy=remedy)


def _is_first_load(added: list[pa.Field], table: Table, target: TableTarget) -> bool:
    """Whether only the nanoseconds column is missing, from a table that nothing was loaded into."""
    names = {column.name for column in added}
    return table.current_snapshot() is None and names == {target.types.nanoseconds_column}


def _described(column: pa.Field, target: TableTarget) -> str:
    is_nanoseconds = target.with_nanoseconds and column.name == target.types.nanoseconds_column
    return f"{column.name} (for times finer than a microsecond)" if is_nanoseconds else str(column.name)
