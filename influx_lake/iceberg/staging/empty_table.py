"""Unloaded tables, left empty by a load that failed: the next load changes them to what it would create."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from influx_lake.errors import SchemaConflict
from influx_lake.iceberg.columns.row_mapping import Shape
from influx_lake.iceberg.columns.schema import iceberg_schema
from influx_lake.iceberg.own_properties import own_properties
from influx_lake.iceberg.table_state.commit_log import last
from influx_lake.iceberg.target import OWNER, TableTarget

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table, Transaction
    from pyiceberg.types import NestedField


def is_unloaded(table: Table) -> bool:
    """Whether a load of ours created a table, and it never had rows.

    Not every catalog can create a table in the commit of its first rows (the REST interfaces of S3 Tables and Glue
    cannot), so it is created before them.
    """
    said = own_properties(table.metadata)
    # Recorded commits of which the table has no snapshot are those of another table.
    return not table.metadata.snapshots and OWNER in said and last(said) is None


def ids_of(table: Table, shape: Shape) -> dict[str, int]:
    """The field ids of the rows' columns that the table has; their types may change, since no file has them."""
    names = shape.schema.names
    return {field.name: field.field_id for field in table.metadata.schema().fields if field.name in names}


def stage(transaction: Transaction, table: Table, shape: Shape, ids: Mapping[str, int], target: TableTarget) -> None:
    """Give the table the columns of the rows; columns that other tools added since its creation stay.

    Raises:
        SchemaConflict: A partition field does not suit the new type of its column.
    """
    from pyiceberg.schema import Schema
    from pyiceberg.table.update import AddSchemaUpdate, AssertCurrentSchemaId, SetCurrentSchemaUpdate
    from pyiceberg.types import MapType

    current, number = table.metadata.schema(), table.metadata.last_column_id
    fields: list[NestedField] = []
    for wanted in iceberg_schema(shape.schema, target.time_column).fields:
        if wanted.name not in ids:
            number += 1
        field = wanted.model_copy(update={"field_id": ids.get(wanted.name, number)})
        if isinstance(field.field_type, MapType):
            parts = {"key_id": number + 1, "value_id": number + 2}
            kept = current.find_type(field.field_id) if wanted.name in ids else None
            number += 0 if isinstance(kept, MapType) else 2
            kind = kept if isinstance(kept, MapType) else field.field_type.model_copy(update=parts)
            field = field.model_copy(update={"field_type": kind})
        fields.append(field)
    fields += [field for field in current.fields if field.name not in ids and _stays(field.field_id, table)]
    there = {field.field_id: field for field in current.fields}
    if {field.field_id: field for field in fields} == there:
        return
    _check_partition(table, {field.field_id: field for field in fields}, target)
    schemas = table.metadata.schemas
    schema = Schema(*fields, schema_id=max(each.schema_id for each in schemas) + 1)
    known = _known(schema, schemas)
    updates = (
        (SetCurrentSchemaUpdate.model_validate({"schema-id": known}),)
        if known is not None
        else (
            AddSchemaUpdate(schema=schema),
            SetCurrentSchemaUpdate.model_validate({"schema-id": -1}),
        )
    )
    transaction._apply(updates, (AssertCurrentSchemaId.model_validate({"current-schema-id": current.schema_id}),))


def _stays(field_id: int, table: Table) -> bool:
    """Whether a column that the rows lack stays: another tool added it, or the layout uses it."""
    ours = {field.field_id for field in min(table.metadata.schemas, key=lambda schema: schema.schema_id).fields}
    used = {field.source_id for spec in table.metadata.partition_specs for field in spec.fields}
    used |= {field.source_id for order in table.metadata.sort_orders for field in order.fields}
    return field_id not in ours or field_id in used


def _known(schema: Schema, schemas: list[Schema]) -> int | None:
    return next((each.schema_id for each in schemas if each.as_struct() == schema.as_struct()), None)


def _check_partition(table: Table, fields: Mapping[int, NestedField], target: TableTarget) -> None:
    unfit = [
        fields[field.source_id].name
        for field in table.spec().fields
        if not field.transform.can_transform(fields[field.source_id].field_type)
    ]
    if unfit:
        raise SchemaConflict(
            f"{target.name} is partitioned by {', '.join(map(repr, unfit))}, whose type in the source is another now; "
            "the table holds no rows",
            remedy="Drop the table: the next load creates it again",
        )
