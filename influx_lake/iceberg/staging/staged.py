"""Stages a table for a window's rows: with their columns, and the layout that lake.yaml states."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config.tables.table_properties import OF_COLUMNS
from influx_lake.errors import ColumnsChanged, SchemaConflict
from influx_lake.iceberg.columns.field_variants import arranged
from influx_lake.iceberg.columns.known_columns import as_known, check_fillable, recording, renamed, resolved
from influx_lake.iceberg.columns.row_mapping import Shape, shape_of
from influx_lake.iceberg.columns.schema_evolution import Evolution, evolution
from influx_lake.iceberg.columns.type_conflicts import settled
from influx_lake.iceberg.layout import layout_evolution
from influx_lake.iceberg.staging import empty_table
from influx_lake.iceberg.staging.staged_table import StagedTable, layout_requirements
from influx_lake.iceberg.target import TableTarget

if TYPE_CHECKING:
    from pyiceberg.table import Table, Transaction
    from pyiceberg.table.update import TableRequirement


@dataclass(frozen=True, slots=True)
class Staged(StagedTable):
    """A table, and the changes that are committed with rows.

    A window that fails leaves the table's columns and layout as they were: no change is committed before the rows are.

    Attributes:
        shape: The mapping of the rows to the table.
        ids: The field ids of its columns, by their names in lake.yaml.
    """

    shape: Shape
    ids: Mapping[str, int]

    @property
    def renamed(self) -> dict[str, str]:
        """Columns that other tools renamed: their names in the table, by their names in lake.yaml."""
        return {name: there for name, there in renamed(self.table).items() if name in self.shape.sources}

    @property
    def properties(self) -> dict[str, str]:
        """The property that records the field ids of columns; empty where the table has it already."""
        return recording(self.ids, self.actual)


@dataclass(frozen=True, slots=True)
class Staging:
    """Stages the changes that rows need, for each attempt to commit them.

    Attributes:
        columns: The Arrow schema of the rows.
        target: The table as lake.yaml describes it.
        first: The staged table that the rows were mapped to.
    """

    columns: pa.Schema
    target: TableTarget
    first: Staged

    def again(self, table: Table) -> Staged:
        """Stage the changes for the table as it is now.

        Raises:
            ColumnsChanged: Rows would be mapped to the table in another way than they were.
            SchemaConflict: The rows no longer fit the table.
        """
        staged = stage(table, self.columns, self.target)
        if not _same(staged.shape, self.first.shape):
            raise ColumnsChanged(
                f"another tool changed columns of {self.target.name} while the window was written, so that its rows "
                "belong into other columns, or other types, than they were written for",
                remedy="Run the window again",
            )
        return staged


def stage(table: Table, columns: pa.Schema, target: TableTarget) -> Staged:
    """Determine the changes that a table needs before rows fit it.

    Args:
        table: The table as it is now.
        columns: The Arrow schema of the rows.
        target: The table as lake.yaml describes it.

    Raises:
        SchemaConflict: A column has another type in the table, is new where `schema_evolution` is `strict`, is
            required, or was renamed or dropped by another tool; or an option names a column that does not exist.
        DataRefused: A column has no Iceberg type, or one that the options refuse.
    """
    # The names that columns have if none of them is in conflict.
    named = arranged(shape_of(columns, target), columns, target)
    if empty_table.is_unloaded(table):
        return _staged(table, target, named, empty_table.ids_of(table, named), None)
    ids = resolved(table, named.schema.names, target)
    there = as_known(table, ids).schema()
    shape = settled(arranged(shape_of(columns, target, there), columns, target, there), there, target)
    ids = resolved(table, dict.fromkeys((*named.schema.names, *shape.schema.names)), target)
    known = as_known(table, ids)
    check_fillable(known.schema(), target)
    return _staged(table, target, shape, ids, evolution(shape, known, target))


def _staged(
    table: Table, target: TableTarget, shape: Shape, ids: Mapping[str, int], change: Evolution | None
) -> Staged:
    names = renamed(as_known(table, ids))
    transaction = table.transaction()
    if change is None:
        empty_table.stage(transaction, table, shape, ids, target)
    elif change:
        with transaction.update_schema() as update:
            change.stage(update, names)
    changed = _table_after(table, transaction)
    asked = _in_table(target, names, changed)
    if layout_evolution.differs(changed, asked):
        layout_evolution.stage(transaction, changed, asked)
        changed = _table_after(table, transaction)
    there = {field.name: field.field_id for field in changed.schema().fields}
    ids = {**ids, **{name: there[name] for name in shape.schema.names if name not in ids}}
    ids = {name: number for name, number in ids.items() if number in there.values()}
    requirements: dict[type[TableRequirement], TableRequirement] = {
        type(each): each for each in (*layout_requirements(table.metadata), *transaction._requirements)
    }
    return Staged(
        actual=table,
        changed=changed,
        table=as_known(changed, ids, target.share),
        shape=shape,
        ids=ids,
        updates=transaction._updates,
        requirements=tuple(requirements.values()),
    )


def _table_after(table: Table, transaction: Transaction) -> Table:
    from pyiceberg.table import Table as IcebergTable

    if not transaction._updates:
        return table
    metadata = transaction.table_metadata
    return IcebergTable(table.name(), metadata, table.metadata_location, table.io, table.catalog, table.config)


def _in_table(target: TableTarget, names: Mapping[str, str], table: Table) -> TableTarget:
    """The target with its columns under their names in the table.

    Raises:
        SchemaConflict: An option in lake.yaml names a column as only the table does.
    """
    if not names:
        return target
    there = set(table.schema().column_names)
    known = {new: name for name, new in names.items() if name not in there}

    def called(name: str, option: str) -> str:
        if name in known:
            raise SchemaConflict(
                f"{option} names {name!r}, which is the new name of {known[name]!r} in {target.name}",
                remedy=f"Write {known[name]!r} in {option}: lake.yaml calls columns as the source does",
            )
        return names.get(name, name)

    write = target.write
    terms = write.sort_by
    sort_by = terms and tuple(replace(term, column=called(term.column, "sort_by")) for term in terms)
    bloom_filter = tuple(called(name, "write.bloom_filter") for name in write.bloom_filter)
    update = {"sort_by": sort_by, "bloom_filter": bloom_filter}
    partition = target.partition and tuple(
        replace(term, column=called(term.column, "iceberg_partition")) for term in target.partition
    )
    return replace(
        target,
        write=write.model_copy(update={key: value for key, value in update.items() if key in write.model_fields_set}),
        partition=partition,
        properties={_property(key, called): value for key, value in target.properties.items()},
    )


def _property(key: str, called: Callable[[str, str], str]) -> str:
    prefix = next((prefix for prefix in OF_COLUMNS if key.startswith(prefix)), None)
    return key if prefix is None else prefix + called(key.removeprefix(prefix), f"the table property {key}")


def _same(shape: Shape, other: Shape) -> bool:
    return (
        shape.schema == other.schema
        and shape.sources == other.sources
        and [each.column for each in shape.misfits] == [each.column for each in other.misfits]
    )
