"""Metadata of a materialised window for its asset's page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from influx_lake.config.values.source_schema import TIME, Role
from influx_lake.config.values.windows import Window
from influx_lake.orchestration.markdown import markdown_table, plain_cell
from influx_lake.orchestration.partition_events import Facts

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table

    from influx_lake.iceberg.table_state.recorded_loads import RecordedLoad
    from influx_lake.iceberg.window_result import WindowResult
    from influx_lake.rollups.window import RollupWindow

PREVIEW_ROWS = 10
_PREVIEW_COLUMNS = 12
_PREVIEW_CHARACTERS = 40


def replication_facts(result: WindowResult, upstream: dg.AssetKey) -> Facts:
    """The metadata of a window that was read from a source; Dagster plots numbers by partition.

    Args:
        result: The result of the load.
        upstream: The external asset of the measurement.
    """
    return {
        **partition_facts(result.window, result.rows),
        **table_facts(result),
        "dagster/column_lineage": column_lineage(upstream, result.sources),
        "previous_rows": dg.MetadataValue.int(result.previous_rows),
        "quarantined_rows": dg.MetadataValue.int(result.quarantined_rows),
        "seconds": _rounded(result.seconds, 3),
        "read_seconds": _rounded(result.read_seconds, 3),
        "write_seconds": _rounded(result.write_seconds, 3),
        "rows_per_second": _rounded(result.rows_per_second, 1),
        "lag_seconds": _rounded(lag(result.window, result.last_time, datetime.now(UTC)).total_seconds(), 1),
        **commit_facts(result),
    }


def rollup_facts(rows: RollupWindow, result: WindowResult, upstream: dg.AssetKey) -> Facts:
    """The metadata of a roll-up's window.

    Args:
        rows: The window.
        result: The result of the load.
        upstream: The measurement's asset.
    """
    return {
        **partition_facts(result.window, result.rows),
        **table_facts(result),
        "dagster/column_lineage": column_lineage(upstream, rows.lineage),
        "previous_rows": dg.MetadataValue.int(result.previous_rows),
        "points": dg.MetadataValue.int(rows.points),
        "lag_seconds": _rounded(lag(result.window, result.last_time, datetime.now(UTC)).total_seconds(), 1),
        "upstream_snapshot_id": dg.MetadataValue.text(str(rows.snapshot_id)),
        "seconds": _rounded(result.seconds, 3),
        **commit_facts(result),
    }


def column_lineage(upstream: dg.AssetKey, made_of: Mapping[str, Iterable[str]]) -> dg.MetadataValue:
    """The columns of the upstream asset that each column is made of."""
    return dg.TableColumnLineageMetadataValue(
        dg.TableColumnLineage(
            {
                name: [dg.TableColumnDep(asset_key=upstream, column_name=source) for source in sources]
                for name, sources in made_of.items()
            }
        )
    )


def partition_facts(window: Window, rows: int) -> Facts:
    """The metadata of every partition."""
    return {"window": dg.MetadataValue.text(str(window)), "dagster/partition_row_count": dg.MetadataValue.int(rows)}


def lag(window: Window, last_time: datetime | None, loaded_at: datetime) -> timedelta:
    """The time from a window's end to its load; for an open window, from its newest point."""
    return loaded_at - (window.end if window.end <= loaded_at else last_time or window.start)


def table_facts(result: WindowResult) -> Facts:
    """The metadata of the whole table after a commit."""
    from influx_lake.iceberg.columns.known_columns import renamed

    others = renamed(result.table)
    return {
        **standing_facts(result.table),
        **({"renamed_columns": dg.MetadataValue.json(others)} if others else {}),
        "dagster/row_count": dg.MetadataValue.int(result.total_rows),
        "dagster/column_schema": column_schema(result.table.schema(), _declared_roles(result)),
        # Snapshot ids need 63 bits; a browser would round the number.
        "snapshot_id": dg.MetadataValue.text(str(result.snapshot_id)),
    }


def _declared_roles(result: WindowResult) -> dict[str, Role]:
    """The roles of the table's columns, by the load's rows; a variant column has the role of its column."""
    columns = result.schema.columns if result.schema else ()
    by_source = {column.sources: column.role for column in reversed(columns)}
    declared = {name: by_source[sources] for name, sources in result.sources.items() if sources in by_source}
    declared |= {column.name: column.role for column in columns}
    return {name: declared[name] for name in result.table.schema().column_names if name in declared}


def standing_facts(table: Table) -> Facts:
    """The metadata of a table, whoever wrote it."""
    from influx_lake.iceberg.scan.row_counts import total_rows
    from influx_lake.iceberg.table_state import table_state

    snapshot, roles, state = table.current_snapshot(), {}, table_state(table)
    if state.tags is not None:
        time = table.schema().find_column_name(state.time_id) if state.time_id is not None else TIME
        roles = {name: _role(name, time or TIME, state.tags) for name in table.schema().column_names}
    rows = total_rows(table, snapshot)
    return {
        "dagster/column_schema": column_schema(table.schema(), roles),
        "dagster/uri": dg.MetadataValue.text(table.location()),
        **({"dagster/row_count": dg.MetadataValue.int(rows)} if snapshot and snapshot.summary else {}),
    }


def recorded_facts(window: Window, load: RecordedLoad) -> Facts:
    """The metadata of a load that Dagster does not know, as the table records it."""
    return {
        "run": dg.MetadataValue.text(load.run_id),
        "previous_rows": dg.MetadataValue.int(load.previous_rows),
        "lag_seconds": _rounded(lag(window, None, load.committed).total_seconds(), 1),
        "snapshot_id": dg.MetadataValue.text(str(load.snapshot_id)),
        "files": dg.MetadataValue.int(load.files),
        "bytes": dg.MetadataValue.int(load.bytes),
    }


def _role(column: str, time: str, tags: Sequence[str]) -> Role:
    return Role.TIME if column == time else Role.TAG if column in tags else Role.FIELD


def commit_facts(result: WindowResult) -> Facts:
    """The metadata of a commit: a partition's own figures where it was committed alone."""
    ends = {"first_time": result.first_time, "last_time": result.last_time}
    return {
        "files": dg.MetadataValue.int(result.files_added),
        "bytes": dg.MetadataValue.int(result.bytes_written),
        **{name: dg.MetadataValue.timestamp(moment) for name, moment in ends.items() if moment is not None},
        # The preview is tall and comes last, so that the figures are together.
        "preview": preview(result.preview),
    }


def column_schema(table: Schema, roles: Mapping[str, Role]) -> dg.TableColumnSchemaMetadataValue:
    """The table's columns, tagged as time, tag or field where the role is known."""
    return dg.MetadataValue.table_schema(
        dg.TableSchema(
            [
                dg.TableColumn(
                    field.name,
                    str(field.field_type),
                    description=field.doc,
                    constraints=dg.TableColumnConstraints(nullable=not field.required),
                    tags={str(roles[field.name]): ""} if field.name in roles else {},
                )
                for field in table.fields
            ]
        )
    )


def preview(rows: pa.Table, characters: int = _PREVIEW_CHARACTERS) -> dg.MarkdownMetadataValue:
    """The first rows as a Markdown table; wide tables and long values are cut."""
    names = rows.column_names[:_PREVIEW_COLUMNS]
    more = len(rows.column_names) - len(names)
    if not len(rows):
        return dg.MetadataValue.md("No rows in this window.")
    rows_shown = rows.select(names).slice(0, PREVIEW_ROWS).to_pylist()
    cells = [[plain_cell(_shown(value), characters) for value in row.values()] for row in rows_shown]
    text = markdown_table([plain_cell(name, characters) for name in names], cells)
    return dg.MetadataValue.md(text + (f"\n\n... and {more} more columns" if more else ""))


def _shown(value: object) -> object:
    """A time without its zone, since all times are in UTC."""
    return str(value).removesuffix("+00:00") if isinstance(value, datetime) else value


def _rounded(value: float, digits: int) -> dg.FloatMetadataValue:
    return dg.MetadataValue.float(round(value, digits))
