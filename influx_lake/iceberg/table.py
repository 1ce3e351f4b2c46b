"""A table that is there and has the columns: made on first use, evolved when the source grew."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.errors import CommitConflict, LakeError, StorageError
from influx_lake.iceberg import ownership, relayout, sort_order
from influx_lake.iceberg.commit_lock import commit_lock
from influx_lake.iceberg.evolution import Evolution, evolution
from influx_lake.iceberg.layout import new_table_properties, spec_of, table_location
from influx_lake.iceberg.outcome import Outcome, outcome_of
from influx_lake.iceberg.reader import check_readable, find_table
from influx_lake.iceberg.schema import iceberg_schema
from influx_lake.iceberg.shape import Shape, shape_of
from influx_lake.iceberg.stated_properties import check_columns
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake.iceberg.translation import safe_cause, translate
from influx_lake.iceberg.tries import tries
from influx_lake.iceberg.type_conflicts import settled
from influx_lake.iceberg.variants import arranged

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

_PATIENCE_SECONDS = 60.0


def ensure_table(
    catalog: Catalog, target: TableTarget, columns: pa.Schema, provenance: Provenance
) -> tuple[Table, Shape]:
    """Load the target's table with every column of the rows in it, laid out as was stated; make it when it is missing.

    Several processes may do this at once for the same table.

    Args:
        catalog: The catalog.
        target: The table.
        columns: The columns of the rows as they come.
        provenance: Where the rows come from.

    Returns:
        The table, and how the rows become rows of it.

    Raises:
        ForeignTable: The table is not this source's.
        CatalogRefused: The table has deletes that cannot be read.
        SchemaConflict: A column has another type in the table, or is new where `schema_evolution` is `strict`; or
            something was stated of a column that is not there.
        DataRefused: A column has no Iceberg type, or one that the options refuse.
        CatalogError: The catalog fails.
    """
    failure: LakeError | None = None
    for _ in tries(time.monotonic() + _PATIENCE_SECONDS):
        found = find_table(catalog, target.identifier)
        doing = f"change the columns or the layout of {target.name}" if found else f"create the table {target.name}"
        try:
            table = found or _create(catalog, target, arranged(shape_of(columns, target), columns, target), provenance)
            ownership.check_owner(table, target.name, provenance)
            check_readable(table)
            there = table.schema()
            shape = settled(arranged(shape_of(columns, target, there), columns, target, there), there, target)
            if change := evolution(shape, table, target):
                _evolve(table, change)
            if relayout.differs(table, target):
                relayout.change(table, target)
            return table, shape
        except LakeError:
            raise
        except Exception as error:
            failure = translate(error, doing)
            if outcome_of(error) is Outcome.REFUSED or isinstance(failure, StorageError):
                raise failure from safe_cause(error)
    raise CommitConflict(f"other writers kept changing {target.name} for {_PATIENCE_SECONDS:.0f} s: {failure}")


def _create(catalog: Catalog, target: TableTarget, shape: Shape, provenance: Provenance) -> Table:
    from pyiceberg.exceptions import TableAlreadyExistsError

    schema = iceberg_schema(shape.schema, target.time_column)
    spec = spec_of(target, schema)
    check_columns(target, schema)
    order = sort_order.new_order(target.write.sort_by or (), schema)
    _ensure_namespace(catalog, target.identifier[:-1])
    try:
        return catalog.create_table(
            target.identifier,
            schema,
            location=table_location(catalog, target.identifier),
            partition_spec=spec,
            sort_order=order,
            properties={**new_table_properties(target), ownership.PROPERTY: provenance.source},
        )
    except TableAlreadyExistsError:
        return catalog.load_table(target.identifier)


def _ensure_namespace(catalog: Catalog, namespace: tuple[str, ...]) -> None:
    from pyiceberg.exceptions import NamespaceAlreadyExistsError
    from sqlalchemy.exc import IntegrityError

    # Of two that create a database at once, Hive lets one fail, and deletes its folder, with the other's tables in it.
    # The name of a file has bounds, and that of a namespace none.
    digest = hashlib.sha256("\0".join((catalog.name, *namespace)).encode()).hexdigest()
    with commit_lock(f"namespace-{digest}"):
        try:
            if not catalog.namespace_exists(namespace):
                catalog.create_namespace(namespace)
        except (NamespaceAlreadyExistsError, IntegrityError):
            pass


def _evolve(table: Table, change: Evolution) -> None:
    with table.update_schema() as update:
        change.stage(update)
