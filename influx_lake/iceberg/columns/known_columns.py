"""Maps the columns of loads to those of a table by field id, which Iceberg never assigns to another column."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from influx_lake.config import RenamedColumns
from influx_lake.config.tables.shared_tables import Share
from influx_lake.errors import CatalogRefused, SchemaConflict, TableUnsupported
from influx_lake.iceberg.own_properties import has_own_uuid, own_properties
from influx_lake.iceberg.target import OWNER, TableTarget

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.types import NestedField

PROPERTY = "influx-lake.columns"
"""The table property, written in the same commit as rows: a JSON object of column names and field ids."""
_COMMIT_ID = "influx-lake.commit-id"
_BY_NAME = f"To have columns found by their names once more, remove the table property {PROPERTY}"

SHARES = "influx-lake.shares"
"""The table property, written in the same commit as rows: what each measurement of a shared table has loaded."""

Ids = Mapping[str, int]
"""Field ids of columns, by the names that loads know them by."""


def remembered(table: Table) -> dict[str, int] | None:
    """Read the field ids that the last load recorded; None where none has.

    Tools copy properties from table to table, and a field id means another column in each. So the ids count only where
    they were written for this table (its UUID says so), and its schemas had them under these names.

    Raises:
        CatalogRefused: The property is damaged.
    """
    stated = own_properties(table.metadata).get(PROPERTY)
    if stated is None:
        return None
    try:
        ids = {str(name): int(number) for name, number in json.loads(stated).items()}
    except (ValueError, AttributeError, TypeError):
        raise CatalogRefused(
            f"the property {PROPERTY} of {'.'.join(table.name())} is not what a load wrote: {stated[:100]!r}",
            remedy=f"Remove the table property {PROPERTY}: the next load finds columns by their names, and writes it",
        ) from None
    return ids if _schemas_had(actual(table).metadata, ids) else None


def recording(ids: Ids, table: Table) -> dict[str, str]:
    """The property that records the field ids of columns; empty where the table has it already."""
    return {} if ids == remembered(table) else {PROPERTY: json.dumps(dict(ids), ensure_ascii=False)}


def as_known(table: Table, ids: Ids | None = None, share: Share | None = None) -> Table:
    """View a table under the column names of its loads, and as one measurement's rows where it holds several.

    Planning, reading and counting on the view concern these rows only: the viewed rows.

    A column that another tool added keeps its name; where a column of the loads has that name, its field id is
    appended.

    Args:
        table: The table.
        ids: The columns' field ids, in place of those that the table records.
        share: The measurement whose rows are viewed.
    """
    ids = (remembered(table) or {}) if ids is None else ids
    known = {number: name for name, number in ids.items()}
    share = share or share_of(table)
    if share is not None and share.is_alone and not is_shared(table.metadata):
        share = None
    return _view(table, known, share) if known or share else table


def share_of(table: Table) -> Share | None:
    """The share of a table that is viewed; None: all rows."""
    found: Share | None = getattr(table, "share", None)
    return found


def is_shared(metadata: TableMetadata) -> bool:
    """Whether measurements were loaded into a table that each have a share of it."""
    return bool(own_properties(metadata).get(SHARES))


def _schemas_had(metadata: TableMetadata, ids: Ids) -> bool:
    """Whether a table's schemas had columns of these ids and names: loads record no name that its column never had."""
    there = {field.field_id: field.name for field in metadata.schema().fields}
    asked = {(number, name) for name, number in ids.items() if there.get(number) != name}
    if not asked:
        return True
    had = {(field.field_id, field.name) for schema in metadata.schemas for field in schema.fields}
    if asked <= had:
        return True
    numbers = {schema.schema_id for schema in metadata.schemas}
    # Engines may remove schemas that no snapshot uses: then earlier names are unknown.
    return numbers != set(range(max(numbers) + 1)) and (has_own_uuid(metadata) or _has_load(metadata))


def _has_load(metadata: TableMetadata) -> bool:
    """Whether a load of ours made one of a table's snapshots."""
    summaries = (each.summary for each in metadata.snapshots)
    return any(summary is not None and _COMMIT_ID in summary.additional_properties for summary in summaries)


def _view(table: Table, known: Mapping[int, str], share: Share | None) -> Table:
    from influx_lake.iceberg.columns.known_table import KnownTable

    fields = table.metadata.schema().fields
    taken = {known[field.field_id] for field in fields if field.field_id in known}
    names = {
        field.field_id: known.get(field.field_id)
        or (field.name if field.name not in taken else f"{field.name} ({field.field_id})")
        for field in fields
    }
    same = all(names[field.field_id] == field.name for field in fields)
    return table if same and share is None else KnownTable(actual(table), names, share)


def actual(table: Table) -> Table:
    """The table itself, where this is a view of it."""
    found: Table = getattr(table, "actual", table)
    return found


def renamed(table: Table) -> dict[str, str]:
    """Columns that other tools renamed: their names in the table, by the names that loads know them by."""
    names: Mapping[str, str] = getattr(table, "names", {})
    return {here: there for there, here in names.items() if here != there and not here.startswith(f"{there} (")}


def case_collision_warning(names: Iterable[str]) -> str:
    """The warning about columns whose names differ in case only."""
    return (
        f"the columns {' and '.join(map(repr, names))} differ in case only: Trino and Athena cannot read such a table, "
        "Spark only with spark.sql.caseSensitive"
    )


def case_collisions(names: Iterable[str]) -> list[tuple[str, ...]]:
    """The groups of names that differ in case only, which engines such as Trino and Athena take for one."""
    folded: dict[str, list[str]] = {}
    for name in names:
        folded.setdefault(name.casefold(), []).append(name)
    return [tuple(sorted(each)) for each in folded.values() if len(each) > 1]


def resolved(table: Table, columns: Iterable[str], target: TableTarget) -> dict[str, int]:
    """Resolve the columns that loads know, and those of the rows that the table has, to field ids.

    Args:
        table: The table, under its own names.
        columns: The columns of the rows, under the names that lake.yaml gives them in the table.
        target: The table as lake.yaml describes it.

    Raises:
        SchemaConflict: Another tool dropped a column of the rows, renamed one where `renamed_columns` is `refuse`, or
            gave its name to another column; or the table has rows and no time column.
    """
    columns, fields = list(columns), table.metadata.schema().fields
    there = {field.name: field.field_id for field in fields}
    names = {field.field_id: field.name for field in fields}
    known = remembered(table)
    known = _from_earlier_schemas(table) if known is None else known
    if known.get(target.time_column, -1) not in (*names, -1) and holds_rows(table):
        raise no_time(table, target.time_column)
    _check_none_dropped(known, columns, there, target)
    ids = {name: number for name, number in known.items() if number in names}
    held = {number: name for name, number in ids.items()}
    coming = {ids[name]: name for name in columns if name in ids}
    for name in columns:
        number = there.get(name)
        if number is None or ids.get(name) == number:
            continue
        holder = coming.get(number)
        if holder is None and name not in ids:
            # The column was renamed in source and table alike, or another tool created it beforehand.
            ids.pop(held.pop(number, name), None)
            ids[name], held[number] = number, name
        elif holder is None or name not in ids:
            raise _two_of_one_name(name, holder, names.get(ids.get(name, number), name), target)
    if target.types.renamed_columns is RenamedColumns.REFUSE:
        check_not_renamed({name: names[ids[name]] for name in columns if name in ids}, target.name)
    if target.time_column not in ids and holds_rows(table):
        raise no_time(table, target.time_column)
    return ids


def holds_rows(table: Table) -> bool:
    """Whether a table's current snapshot has rows, or does not say."""
    snapshot = table.current_snapshot()
    return snapshot is not None and (snapshot.summary is None or (snapshot.summary["total-records"] or "1") != "0")


def check_not_renamed(names: Mapping[str, str], table: str) -> None:
    """Check that columns still have the names in a table that loads know them by.

    Raises:
        SchemaConflict: Some were renamed.
    """
    others = [f"{name!r} is {there!r} now" for name, there in names.items() if name != there]
    if others:
        raise SchemaConflict(
            f"columns of {table} were renamed in the table: {', '.join(others)}",
            remedy="Rename them back, or set renamed_columns: follow, which goes on filling them under their new names",
        )


def no_time(table: Table, time_column: str) -> SchemaConflict:
    """The error for a table without its time column."""
    kinds = ("timestamp", "timestamptz")
    times = [field.name for field in table.metadata.schema().fields if str(field.field_type) in kinds]
    missing = f"{'.'.join(table.name())} has no column {time_column!r}, which places its rows in windows"
    known = remembered(table)
    if known is not None and time_column not in known:
        return SchemaConflict(
            f"{missing}: loads called it otherwise so far; its columns of time are {', '.join(times) or 'none'}",
            remedy="The time of a table that has rows keeps its name: set `rename: {time: ...}` to it, or give the "
            "measurement another table (`table:`)",
        )
    return SchemaConflict(
        f"{missing}: others renamed or dropped it; its columns of time are {', '.join(times) or 'none'}",
        remedy=f"Rename the column back to {time_column}, or give the measurement another table (`table:`)",
    )


def is_zoned_time(table: Table, time_column: str) -> bool:
    """Whether the time column has a zone (`timestamptz`); raises as `time_field` does."""
    from pyiceberg.types import TimestamptzType

    return isinstance(time_field(table, time_column).field_type, TimestamptzType)


def time_field(table: Table, time_column: str) -> NestedField:
    """The time column of a table.

    Raises:
        SchemaConflict: The table has no column of this name.
        TableUnsupported: Its type has nanoseconds, by which pyiceberg cannot filter rows.
    """
    field = next((field for field in table.metadata.schema().fields if field.name == time_column), None)
    if field is None:
        raise no_time(table, time_column)
    if (kind := str(field.field_type)) in ("timestamptz_ns", "timestamp_ns"):
        raise TableUnsupported(
            f"{time_column} of {'.'.join(table.name())} is a {kind} (format version 3), by which pyiceberg cannot "
            "filter rows yet",
            remedy="Give the measurement another table (`table:`), which keeps them in a column for nanoseconds",
        )
    return field


def check_fillable(schema: Schema, target: TableTarget) -> None:
    """Check that every column but the time is optional.

    Args:
        schema: The table's schema, under the names of the rows.
        target: The table.

    Raises:
        SchemaConflict: A column is required: points may lack any tag and any field.
    """
    required = [field.name for field in schema.fields if field.required and field.name != target.time_column]
    if required:
        raise SchemaConflict(
            f"columns of {target.name} are required, and points may lack them: {', '.join(map(repr, required))}",
            remedy="Make them optional: `influx-lake adopt` does, for it checks the rows of tables that others "
            "filled (or, in Spark, ALTER TABLE ... ALTER COLUMN ... DROP NOT NULL)",
        )


def _check_none_dropped(known: Ids, columns: Iterable[str], there: Ids, target: TableTarget) -> None:
    ids = set(there.values())
    dropped = [name for name in columns if name in known and known[name] not in ids and name not in there]
    if dropped and dropped != [target.time_column]:
        raise _dropped(dropped, target.name)


def _dropped(columns: Iterable[str], table: str) -> SchemaConflict:
    return SchemaConflict(
        f"columns that the source has were dropped from {table} by others: {', '.join(map(repr, columns))}",
        remedy="Leave them out of the measurement in lake.yaml, or add them to the table again, where they are null in "
        "the rows that are there, and load the windows again",
    )


def _two_of_one_name(name: str, holder: str | None, now: str, target: TableTarget) -> SchemaConflict:
    if holder is not None:
        what = (
            f"the source's column {holder!r} was renamed {name!r} in {target.name}, and the source has a {name!r} too"
        )
    else:
        what = f"the column {name!r} of {target.name} was renamed {now!r}, and another column is called {name!r} now"
    return SchemaConflict(
        f"{what}: which of them loads have to fill is unknown", remedy=f"Give one of them another name. {_BY_NAME}"
    )


def _from_earlier_schemas(table: Table) -> dict[str, int]:
    """The ids of a table whose loads recorded none yet: columns by their first names, where no column has them now."""
    there = {field.field_id: field.name for field in table.metadata.schema().fields}
    if OWNER not in own_properties(table.metadata):
        return {}
    first: dict[int, str] = {}
    for schema in sorted(table.metadata.schemas, key=lambda schema: schema.schema_id):
        for field in schema.fields:
            first.setdefault(field.field_id, field.name)
    names = {number: first[number] if first[number] not in there.values() else name for number, name in there.items()}
    return {name: number for number, name in names.items()}
