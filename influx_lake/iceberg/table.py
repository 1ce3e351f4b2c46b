"""A table that is there and has the columns: made on first use, evolved when the source grew."""

from __future__ import annotations

import hashlib
import random
import re
import time
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config import SchemaEvolution
from influx_lake.errors import CommitConflict, SchemaConflict
from influx_lake.iceberg.reader import find_table
from influx_lake.iceberg.schema import check_types, iceberg_schema, iceberg_type
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.translation import catalog_errors

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table

_ATTEMPTS = 20
_LONGEST_PAUSE_SECONDS = 2.0
_SAFE_IN_A_PATH = re.compile(r"[A-Za-z0-9_.-]+")


def ensure_table(catalog: Catalog, target: TableTarget, columns: pa.Schema) -> Table:
    """Load the target's table with every column of the rows in it; make it, and its namespace, when it is missing.

    Several processes may do this at once for the same table.

    Raises:
        SchemaConflict: A column has another type in the table, or is new where `schema_evolution` is `strict`.
        DataRefused: A column has no Iceberg type.
        CatalogError: The catalog fails.
    """
    table = find_table(catalog, target.identifier) or _create(catalog, target, columns)
    for attempt in range(_ATTEMPTS):
        check_types(columns, table.schema(), target.time_column, target.name)
        new = [column for column in columns if column.name not in table.schema().column_names]
        if not new:
            return table
        if target.schema_evolution is SchemaEvolution.STRICT:
            raise SchemaConflict(
                f"the source has columns that {target.name} does not have: {', '.join(column.name for column in new)}",
                remedy="Add them to the table, or set schema_evolution: add_columns",
            )
        if _add_columns(table, new, target):
            return table
        time.sleep(random.uniform(0, min(_LONGEST_PAUSE_SECONDS, 0.05 * 2**attempt)))
        with catalog_errors(f"load the table {target.name}"):
            table = catalog.load_table(target.identifier)
    raise CommitConflict(f"other writers kept changing {target.name} while columns were added to it")


def _create(catalog: Catalog, target: TableTarget, columns: pa.Schema) -> Table:
    from pyiceberg.exceptions import NamespaceAlreadyExistsError, TableAlreadyExistsError
    from sqlalchemy.exc import IntegrityError

    schema = iceberg_schema(columns, target.time_column)
    namespace = target.identifier[:-1]
    with catalog_errors(f"create the table {target.name}"):
        try:
            if not catalog.namespace_exists(namespace):
                catalog.create_namespace(namespace)
        except (NamespaceAlreadyExistsError, IntegrityError):
            pass
        try:
            return catalog.create_table(
                target.identifier,
                schema,
                location=_location(catalog, target.identifier),
                partition_spec=_by_day(schema, target.time_column),
                properties=_properties(target),
            )
        except TableAlreadyExistsError:
            return catalog.load_table(target.identifier)


def _by_day(schema: Schema, time_column: str) -> PartitionSpec:
    from pyiceberg.partitioning import PARTITION_FIELD_ID_START, PartitionField, PartitionSpec
    from pyiceberg.transforms import DayTransform

    source = schema.find_field(time_column)
    return PartitionSpec(
        PartitionField(
            source_id=source.field_id,
            field_id=PARTITION_FIELD_ID_START,
            transform=DayTransform(),
            name=f"{time_column}_day",
        )
    )


def _properties(target: TableTarget) -> dict[str, str]:
    """What other engines should know when they write to the table, and what keeps its metadata small."""
    write = target.write
    codec = "uncompressed" if write.compression.value == "none" else write.compression.value
    return {
        "format-version": "2",
        "write.parquet.compression-codec": codec,
        "write.target-file-size-bytes": str(write.target_file_size),
        "write.metadata.delete-after-commit.enabled": "true",
        "write.metadata.previous-versions-max": "100",
        f"write.metadata.metrics.column.{target.time_column}": "full",
    }


def _location(catalog: Catalog, identifier: tuple[str, ...]) -> str | None:
    """A location of our own only where the catalog would put a name into a path as it is, and should not."""
    warehouse = catalog.properties.get("warehouse")
    if warehouse is None or all(_SAFE_IN_A_PATH.fullmatch(part) for part in identifier):
        return None
    # Two names may become one path, and two tables must never share a folder.
    distinct = hashlib.blake2s("\0".join(identifier).encode(), digest_size=4).hexdigest()
    path = [re.sub(r"[^A-Za-z0-9_.-]", "_", part) for part in identifier]
    return "/".join([warehouse.rstrip("/"), *path]) + f"-{distinct}"


def _add_columns(table: Table, columns: list[pa.Field], target: TableTarget) -> bool:
    """Add optional columns; False when another writer changed the table first."""
    from pyiceberg.exceptions import CommitFailedException

    with catalog_errors(f"add columns to {target.name}"):
        try:
            with table.update_schema() as update:
                for column in columns:
                    update.add_column((column.name,), iceberg_type(column.type))
        except CommitFailedException:
            return False
    return True
