"""Schema changes that let loads write to a table that another tool made; its data files stay as they are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config import OnTypeConflict
from influx_lake.errors import SchemaConflict
from influx_lake.iceberg.columns.field_variants import arranged
from influx_lake.iceberg.columns.known_columns import PROPERTY, actual, as_known, remembered, renamed, resolved
from influx_lake.iceberg.columns.promotion import holds, is_promotion
from influx_lake.iceberg.columns.row_mapping import shape_of
from influx_lake.iceberg.columns.schema import doc_of, iceberg_type
from influx_lake.iceberg.columns.type_conflicts import settled
from influx_lake.iceberg.commit.metadata_commit import commit_metadata
from influx_lake.iceberg.history.updates import property_updates
from influx_lake.iceberg.target import TableTarget

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table
    from pyiceberg.table.update import TableUpdate
    from pyiceberg.types import IcebergType


@dataclass(frozen=True, slots=True)
class SchemaRepair:
    """The schema changes that let loads write to a table. Columns have the names that loads know them by.

    Attributes:
        optional: Required columns that become optional.
        widened: Columns with a narrower type than the source's, and their new type.
        set_aside: Columns whose type does not hold the source's values, and the name that they are renamed to. A new
            column takes their place, which is null in the existing rows.
        types: The table's types of all columns that do not fit.
        added: The new columns that take their place.
        missing: Columns of the source that the table lacks: loads add them.
        only_there: Columns of the table that the source lacks: they stay, and are null in loaded rows.
        time: The type of the time column where it differs from `time_type`, which cannot be changed in place.
    """

    optional: tuple[str, ...] = ()
    widened: Mapping[str, IcebergType] = field(default_factory=dict)
    set_aside: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, IcebergType] = field(default_factory=dict)
    added: Mapping[str, pa.Field] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    only_there: tuple[str, ...] = ()
    time: str | None = None

    def __bool__(self) -> bool:
        """Whether the table has to change before rows are loaded."""
        return bool(self.optional or self.widened or self.set_aside)


def repair_of(table: Table, columns: pa.Schema, target: TableTarget) -> SchemaRepair:
    """Determine the schema changes that a table needs before loads fit it; none of them touches a data file.

    Args:
        table: The table.
        columns: The Arrow schema of the source's rows.
        target: The table as lake.yaml describes it.

    Raises:
        SchemaConflict: The table has no time column, or another tool dropped a column that loads know.
        DataRefused: A column of the source has a type that the options refuse.
    """
    table = as_known(table)
    there = table.schema()
    shape = settled(arranged(shape_of(columns, target, there), columns, target, there), there, target)
    resolved(actual(table), shape.schema.names, target)
    types = {each.name: each.field_type for each in there.fields}
    wanted = {each.name: each for each in shape.schema if each.name in types}
    unfit = {name: each for name, each in wanted.items() if not holds(types[name], iceberg_type(each.type))}
    time = unfit.pop(target.time_column, None)
    kinds = {name: iceberg_type(each.type) for name, each in unfit.items()}
    widened = {name: kind for name, kind in kinds.items() if is_promotion(types[name], kind)}
    moved = {name: each for name, each in unfit.items() if name not in widened}
    if target.types.on_type_conflict is not OnTypeConflict.FAIL:
        moved = {}
    taken = {*types, *shape.schema.names}
    return SchemaRepair(
        optional=tuple(each.name for each in there.fields if each.required and each.name != target.time_column),
        widened=widened,
        set_aside={name: _unused(f"{name}__{_word(types[name])}", taken) for name in moved},
        types={name: types[name] for name in unfit},
        added=moved,
        missing=tuple(name for name in shape.schema.names if name not in types),
        only_there=tuple(name for name in types if name not in shape.schema.names),
        time=None if time is None else str(types[target.time_column]),
    )


def repair_table(catalog: Catalog, target: TableTarget, columns: pa.Schema) -> None:
    """Make the changes of `repair_of` in one metadata commit; does nothing where none is needed.

    Raises:
        SchemaConflict: The time column has another type than `time_type`, or as for `repair_of`.
        LakeError: The catalog fails.
    """

    def plan(table: Table) -> tuple[TableUpdate, ...]:
        found = repair_of(table, columns, target)
        if found.time is not None:
            raise time_conflict(found.time, target)
        return _updates(table, found) if found else ()

    commit_metadata(catalog, target, "change the columns of", plan)


def time_conflict(kind: str, target: TableTarget) -> SchemaConflict:
    """The error for a table whose time column has another type than `time_type`, which cannot change in place."""
    return SchemaConflict(
        f"the time of {target.name} is a {kind}, which cannot become a {target.types.time_type} in place; nothing was "
        "changed",
        remedy=f"Set time_type: {kind} for this measurement to go on with it, or load into a new table: influx-lake "
        "adopt --into TABLE",
    )


def _updates(table: Table, found: SchemaRepair) -> tuple[TableUpdate, ...]:
    transaction, names = table.transaction(), renamed(as_known(table))

    def called(name: str) -> str:
        return names.get(name, name)

    with transaction.update_schema() as update:
        for name in found.optional:
            update.make_column_optional((called(name),))
        for name, kind in found.widened.items():
            update.update_column((called(name),), field_type=kind)
        for name, aside in found.set_aside.items():
            update.rename_column((called(name),), aside)
    if found.added:
        with transaction.update_schema() as update:
            for name, column in found.added.items():
                update.add_column((name,), iceberg_type(column.type), doc=doc_of(column))
    known = remembered(table)
    properties = {}
    if known is not None and found.set_aside:
        left = {name: number for name, number in known.items() if name not in found.set_aside}
        properties = {PROPERTY: json.dumps(left, ensure_ascii=False)}
    return (*transaction._updates, *property_updates(properties))


def _unused(name: str, taken: set[str]) -> str:
    candidates: Iterable[str] = chain([name], (f"{name}_{number}" for number in count(2)))
    unused = next(candidate for candidate in candidates if candidate not in taken)
    taken.add(unused)
    return unused


def _word(kind: IcebergType) -> str:
    return str(kind).partition("(")[0].partition("<")[0]
