"""A table that is there and has the columns: made on first use, evolved when the source grew."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.errors import CommitConflict
from influx_lake.iceberg.evolution import Evolution, evolution
from influx_lake.iceberg.layout import spec_of, table_location, table_properties
from influx_lake.iceberg.reader import find_table
from influx_lake.iceberg.relayout import with_layout
from influx_lake.iceberg.schema import iceberg_schema
from influx_lake.iceberg.shape import Shape, shape_of
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.translation import catalog_errors
from influx_lake.iceberg.type_conflicts import settled

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

_ATTEMPTS = 20
_LONGEST_PAUSE_SECONDS = 2.0


def ensure_table(catalog: Catalog, target: TableTarget, columns: pa.Schema) -> tuple[Table, Shape]:
    """Load the target's table with every column of the rows in it, laid out as was stated; make it when it is missing.

    Several processes may do this at once for the same table.

    Args:
        catalog: The catalog.
        target: The table.
        columns: The columns of the rows as they come.

    Returns:
        The table, and how the rows become rows of it.

    Raises:
        SchemaConflict: A column has another type in the table, or is new where `schema_evolution` is `strict`.
        DataRefused: A column has no Iceberg type, or one that the options refuse.
        CatalogError: The catalog fails.
    """
    table = find_table(catalog, target.identifier) or _create(catalog, target, shape_of(columns, target).schema)
    for attempt in range(_ATTEMPTS):
        shape = settled(shape_of(columns, target, table.schema()), table.schema(), target)
        change = evolution(shape, table, target)
        if not change or _evolve(table, change, target):
            return with_layout(catalog, table, target), shape
        time.sleep(random.uniform(0, min(_LONGEST_PAUSE_SECONDS, 0.05 * 2**attempt)))
        with catalog_errors(f"load the table {target.name}"):
            table = catalog.load_table(target.identifier)
    raise CommitConflict(f"other writers kept changing {target.name} while its columns were changed")


def _create(catalog: Catalog, target: TableTarget, columns: pa.Schema) -> Table:
    from pyiceberg.exceptions import NamespaceAlreadyExistsError, TableAlreadyExistsError
    from sqlalchemy.exc import IntegrityError

    schema = iceberg_schema(columns, target.time_column)
    spec = spec_of(target, schema)
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
                location=table_location(catalog, target.identifier),
                partition_spec=spec,
                properties=table_properties(target),
            )
        except TableAlreadyExistsError:
            return catalog.load_table(target.identifier)


def _evolve(table: Table, change: Evolution, target: TableTarget) -> bool:
    """Change the table's columns; False when another writer changed the table first."""
    from pyiceberg.exceptions import CommitFailedException

    with catalog_errors(f"change the columns of {target.name}"):
        try:
            with table.update_schema() as update:
                change.stage(update)
        except CommitFailedException:
            return False
    return True
