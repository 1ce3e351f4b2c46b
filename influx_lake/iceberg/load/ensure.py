"""Finds or creates the table for the rows of a window, and the changes it needs before they fit."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config.tables.format_versions import NEWEST_WRITTEN
from influx_lake.errors import CatalogRefused, CatalogUnavailable, CommitConflict, LakeError, TableUnsupported
from influx_lake.iceberg.catalogs.commit_lock import commit_lock
from influx_lake.iceberg.catalogs.namespaces import make_namespace
from influx_lake.iceberg.catalogs.retry import retry_attempts
from influx_lake.iceberg.columns.field_variants import arranged
from influx_lake.iceberg.columns.known_columns import (
    actual,
    as_known,
    case_collision_warning,
    case_collisions,
    check_fillable,
    resolved,
)
from influx_lake.iceberg.columns.row_mapping import shape_of
from influx_lake.iceberg.columns.schema import iceberg_schema
from influx_lake.iceberg.failures.commit_outcome import Outcome, outcome_of
from influx_lake.iceberg.failures.exceptions import text_of
from influx_lake.iceberg.failures.rest import refused_properties
from influx_lake.iceberg.failures.translation import safe_cause, translate
from influx_lake.iceberg.layout import sort_order
from influx_lake.iceberg.layout.new_table import (
    new_table_properties,
    spec_of,
    table_location,
    unasked_properties,
)
from influx_lake.iceberg.layout.properties import check_columns
from influx_lake.iceberg.own_properties import OURS
from influx_lake.iceberg.scan.reader import check_readable, find_table
from influx_lake.iceberg.staging.copied_folder import check_not_copied
from influx_lake.iceberg.staging.empty_table import is_unloaded
from influx_lake.iceberg.staging.staged import Staged, stage
from influx_lake.iceberg.table_state import ownership
from influx_lake.iceberg.target import OWNER, Provenance, TableTarget

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

_PATIENCE_SECONDS = 60.0

log = logging.getLogger("influx_lake.replication")


def table_for(catalog: Catalog, target: TableTarget, columns: pa.Schema, provenance: Provenance) -> Staged:
    """Load the target's table, or create it, and determine the changes it needs before rows fit it.

    An existing table is not changed yet: that happens in the commit of the rows. Several processes may call this at
    once for the same table.

    Args:
        catalog: The catalog.
        target: The table.
        columns: The Arrow schema of the rows.
        provenance: The origin of the rows.

    Returns:
        The table with its staged changes, and the mapping of the rows.

    Raises:
        ForeignTable: The table belongs to another source.
        CatalogRefused: The table has delete files that cannot be read.
        SchemaConflict: The rows do not fit the table; see `stage`.
        DataRefused: A column has no Iceberg type, or one that the options refuse.
        CatalogError: The catalog fails.
    """
    failure: LakeError | None = None
    patience = min(_PATIENCE_SECONDS, target.write.commit_timeout.total_seconds())
    for _ in retry_attempts(time.monotonic() + patience):
        found = find_table(catalog, target.identifier, target.share)
        try:
            table = actual(found) if found else _create(catalog, target, columns, provenance)
            ownership.check_owner(table, target, provenance)
            check_not_copied(table, target.name)
            check_readable(table)
            check_writable(table, target.name)
            staged = stage(table, columns, target)
        except LakeError:
            raise
        except Exception as error:
            doing = "fit the columns of the rows into" if found else "create"
            failure = translate(error, f"{doing} the table {target.name}")
            outcome = outcome_of(error)
            if outcome is Outcome.REFUSED or (outcome is Outcome.UNKNOWN and not _may_pass(failure)):
                raise failure from safe_cause(error)
        else:
            _warn_of_names(staged, target.name)
            return staged
    if isinstance(failure, CatalogUnavailable):
        raise failure
    assert failure is not None
    raise CommitConflict(f"other writers kept changing {target.name} for {patience:g} s: {failure.message}")


def check_writable(table: Table, name: str) -> None:
    """Check that files can be committed to a table.

    Raises:
        TableUnsupported: pyiceberg does not write the table's format version.
    """
    version = table.metadata.format_version
    if version > NEWEST_WRITTEN:
        raise TableUnsupported(
            f"{name} is a table of Iceberg's format version {version}, which pyiceberg cannot write yet; it can be "
            "read, compared and rolled up",
            remedy="Load into a table of another name (`table`), or copy it into one of format version 2 under its "
            "name (in Spark: CREATE TABLE ... TBLPROPERTIES ('format-version' = '2') AS SELECT ..., then rename both)",
        )


def _may_pass(failure: LakeError) -> bool:
    """Whether to ask a catalog again that may have done what it was asked for; a failed store is not asked again."""
    return isinstance(failure, CatalogUnavailable | CommitConflict)


def check_table(catalog: Catalog, target: TableTarget, names: Iterable[str], provenance: Provenance) -> None:
    """Check, before rows are read, that the table still has the columns that they will fill.

    Args:
        catalog: The catalog.
        target: The table.
        names: The columns, under the names that lake.yaml gives them in the table.
        provenance: The origin of the rows.

    Raises:
        ForeignTable: The table belongs to another source.
        TableUnsupported: pyiceberg does not write its format version.
        SchemaConflict: Another tool dropped a column, renamed one where `renamed_columns` is `refuse`, or made one
            required.
        CatalogError: The catalog fails.
    """
    found = find_table(catalog, target.identifier, target.share)
    if found is not None and not is_unloaded(found):
        table = actual(found)
        ownership.check_owner(table, target, provenance)
        check_not_copied(table, target.name)
        check_writable(table, target.name)
        _check_names(table, target, names)


def check_takes_columns(table: Table, target: TableTarget, names: Iterable[str], columns: pa.Schema) -> None:
    """Check that a table takes the columns of rows, with the checks and messages of a load.

    Args:
        table: The table, under its own names.
        target: The table as lake.yaml describes it.
        names: The columns, under the names that lake.yaml gives them in the table.
        columns: The Arrow schema of the rows.

    Raises:
        SchemaConflict: It does not.
        DataRefused: A column has a type that the options refuse.
    """
    if not is_unloaded(table):
        _check_names(table, target, names)
    stage(table, columns, target)


def _check_names(table: Table, target: TableTarget, names: Iterable[str]) -> None:
    check_fillable(as_known(table, resolved(table, names, target)).schema(), target)


def _warn_of_names(staged: Staged, table: str) -> None:
    """Warn about columns that other tools renamed, and about names that some engines cannot distinguish."""
    for name, there in staged.renamed.items():
        log.warning("%s: another tool renamed the column %r to %r, which loads fill now", table, name, there)
    for names in case_collisions(field.name for field in staged.table.schema().fields):
        said = case_collision_warning(names)
        log.warning("%s: %s. Give one of them another name where the points come from", table, said)


def _create(catalog: Catalog, target: TableTarget, columns: pa.Schema, provenance: Provenance) -> Table:
    from pyiceberg.exceptions import TableAlreadyExistsError

    shape = arranged(shape_of(columns, target), columns, target)
    schema = iceberg_schema(shape.schema, target.time_column)
    spec = spec_of(target, schema)
    check_columns(target, schema)
    order = sort_order.new_order(target.write.sort_by or (), schema)
    _ensure_namespace(catalog, target.identifier[:-1])
    properties = {**new_table_properties(target), OWNER: provenance.source}
    while True:
        try:
            return catalog.create_table(
                target.identifier,
                schema,
                location=table_location(catalog, target.identifier),
                partition_spec=spec,
                sort_order=order,
                properties=properties,
            )
        except TableAlreadyExistsError:
            return catalog.load_table(target.identifier)
        except Exception as error:
            refused = refused_properties(error, properties)
            if not refused:
                raise
            if stated := sorted(refused - unasked_properties(target)):
                raise _property_refused(error, target, stated) from safe_cause(error)
            log.info("%s: the catalog takes no %s, so the table does without", target.name, ", ".join(sorted(refused)))
            properties = {name: value for name, value in properties.items() if name not in refused}


def _property_refused(error: Exception, target: TableTarget, stated: list[str]) -> CatalogRefused:
    names = ", ".join(f"`{name}`" for name in stated)
    ours = any(name.startswith(OURS) for name in stated)
    return CatalogRefused(
        f"could not create the table {target.name}: the catalog does not take the property {names} ({text_of(error)})",
        remedy="Have the catalog allow it: the lake records in it which source owns a table"
        if ours
        else "Leave it out of the measurement's options in lake.yaml, or have the catalog allow it",
    )


def _ensure_namespace(catalog: Catalog, namespace: tuple[str, ...]) -> None:
    # When two processes create a database at once, Hive fails one of them, and deletes its folder, with the other's
    # tables in it. File names have a length limit, and namespaces have none.
    digest = hashlib.sha256("\0".join((catalog.name, *namespace)).encode()).hexdigest()
    with commit_lock(f"namespace-{digest}"):
        make_namespace(catalog, namespace)
