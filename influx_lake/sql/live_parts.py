"""Builds the UNION of a table's rows and those that sources have beyond it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from influx_lake.iceberg.columns.known_columns import as_known, is_zoned_time, share_of
from influx_lake.live.unloaded_rows import UnloadedRows
from influx_lake.sql.table_scan import TableScan, moment
from influx_lake.sql_quoting import identifier, text_literal

if TYPE_CHECKING:
    import duckdb

_NUMBERS = itertools.count(1)


def live_parts(
    connection: duckdb.DuckDBPyConnection,
    time_column: str,
    scan: TableScan | None,
    held: Sequence[str],
    unloaded: Sequence[UnloadedRows],
) -> list[str]:
    """The parts of the UNION, each with the same columns.

    Args:
        connection: The connection, in which the sources' rows are registered.
        time_column: The name of the time column in lake.yaml.
        scan: The table; None where there is none yet.
        held: The SELECT of the table's rows; empty where there is no table yet.
        unloaded: The rows that sources have beyond it, one entry per measurement.
    """
    fields = scan.schema.fields if scan is not None else ()
    ids, columns = [field.field_id for field in fields], [field.name for field in fields]
    new = dict.fromkeys(name for each in unloaded for name in each.rows.schema.names if each.ids.get(name) not in ids)
    places = [f"c{at}" for at in range(len(fields))]
    shown = [f"{place} AS {identifier(name)}" for place, name in zip(places, columns, strict=True)]
    parts = []
    for part in held:
        own = [*shown, *(f"NULL AS {identifier(name)}" for name in new)]
        listed = f"({part}) AS t({', '.join(places)})"
        hidden = _hidden(scan, time_column, unloaded) if scan is not None else ""
        parts.append(f"SELECT {', '.join(own)} FROM {listed}{hidden}")  # noqa: S608
    for each in unloaded:
        names = each.rows.schema.names
        at = {each.ids.get(name): place for place, name in enumerate(names) if name in each.ids}
        values = [f"c{at[number]}" if number in at else "NULL" for number in ids]
        values += [f"c{names.index(name)}" if name in names and name not in each.ids else "NULL" for name in new]
        called = zip(values, (*columns, *new), strict=True)
        view = f"influx_lake_live_{next(_NUMBERS)}"
        connection.register(view, each.rows.named([f"c{at}" for at in range(len(names))]))
        chosen = ", ".join(f"{value} AS {identifier(name)}" for value, name in called)
        parts.append(f"SELECT {chosen} FROM {view}")  # noqa: S608
    return parts


def _hidden(scan: TableScan, time_column: str, unloaded: Sequence[UnloadedRows]) -> str:
    """The condition that leaves out rows which a load would replace."""
    conditions = []
    for each in unloaded:
        known = as_known(scan.table, share=each.measurement.share)
        places = {field.name: f"c{at}" for at, field in enumerate(known.schema().fields)}
        is_zoned, share = is_zoned_time(known, time_column), share_of(known)
        of_share = f"{places[share.column]} = {text_literal(share.value)} AND " if share is not None else ""
        conditions += [
            f"NOT ({of_share}{places[time_column]} >= {moment(window.start, is_zoned=is_zoned)} AND "
            f"{places[time_column]} < {moment(window.end, is_zoned=is_zoned)})"
            for window in each.hidden
        ]
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""
