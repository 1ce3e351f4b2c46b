"""Sets the table properties that lake.yaml states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from influx_lake.config.tables.format_versions import FORMAT_VERSION
from influx_lake.config.tables.table_properties import OF_COLUMNS
from influx_lake.errors import SchemaConflict
from influx_lake.iceberg.layout.bloom_columns import check_bloom_filters
from influx_lake.iceberg.target import TableTarget

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table, Transaction

_VERSION: Literal[2] = 2


def differing(table: Table, target: TableTarget) -> dict[str, str]:
    """The stated properties that the table does not have, or has with another value.

    Raises:
        SchemaConflict: The table has a later format version than stated, or lacks a column that a property names.
    """
    check_columns(target, table.schema())
    there = {**table.properties, FORMAT_VERSION: str(table.format_version)}
    found = {key: value for key, value in target.properties.items() if there.get(key) != value}
    if FORMAT_VERSION in found and table.format_version > _VERSION:
        raise SchemaConflict(
            f"{target.name} has format version {table.format_version}, and {FORMAT_VERSION} says {_VERSION}: a table "
            "does not go back",
            remedy=f"Leave {FORMAT_VERSION} out of table_properties, or give the measurement another table (`table:`)",
        )
    return found


def stage(transaction: Transaction, table: Table, target: TableTarget) -> None:
    """Add the differing properties to a transaction; others stay, and none is removed."""
    found = differing(table, target)
    if found.pop(FORMAT_VERSION, None):
        transaction.upgrade_table_version(_VERSION)
    if found:
        transaction.set_properties(found)


def check_columns(target: TableTarget, schema: Schema) -> None:
    """Check that properties of single columns name existing columns, and are possible.

    Raises:
        SchemaConflict: One does not, or is not.
    """
    check_bloom_filters(target, schema)
    columns = [field.name for field in schema.fields]
    for key in target.properties:
        prefix = next((prefix for prefix in OF_COLUMNS if key.startswith(prefix)), "")
        if prefix and key.removeprefix(prefix) not in columns:
            raise SchemaConflict(
                f"the table property {key} cannot be honoured: {target.name} has no column "
                f"{key.removeprefix(prefix)!r}, only {', '.join(columns)}",
                remedy="Name one of the measurement's columns in table_properties, as it is called in the table",
            )
