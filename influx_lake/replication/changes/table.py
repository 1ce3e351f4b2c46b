"""Reads the table in which the plugin inside InfluxDB 3 records changes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote

from influx_lake.config import Lake
from influx_lake.config.connections import InfluxDB1Config, InfluxDB2Config, ServerConfig
from influx_lake.config.values.windows import Window, from_nanoseconds
from influx_lake.errors import MeasurementNotFound, UnexpectedAnswer
from influx_lake.replication.changes.change import Told
from influx_lake.replication.changes.change_intake import Noted, nanoseconds, what_to_note
from influx_lake.replication.changes.journal import ChangeJournal, SeenRow

if TYPE_CHECKING:
    from influx_lake.sources.protocol import Source

FIRST_LOOK = timedelta(days=7)
"""How far back the first read of a table goes."""
OVERLAP = timedelta(minutes=5)
"""How far back rows are read again: a row can become visible after one with a later time."""
AHEAD = timedelta(minutes=5)
"""How far the database's clock may be ahead of this machine's."""
_COLUMNS = ("time", "measurement", "first", "last", "points")


def tables_of_changes(lake: Lake) -> dict[str, str]:
    """The sources that may have a table of changes, each with the table's name."""
    return {
        name: config.changes.table
        for name, config in lake.sources.items()
        if isinstance(config, ServerConfig)
        and not isinstance(config, InfluxDB1Config | InfluxDB2Config)
        and config.changes is not None
    }


def note_table(lake: Lake, journal: ChangeJournal, name: str, source: Source, now: datetime) -> Noted:
    """Keep the new rows of a source's table of changes durably; does nothing where there is no such table.

    Args:
        lake: The lake.
        journal: Keeps the changes, and how far the table was read.
        name: The source's name.
        source: The source.
        now: The present.

    Raises:
        SourceError: The table cannot be read.
        StorageError: The changes cannot be kept.
    """
    table = tables_of_changes(lake)[name]
    until = journal.read_until(name)
    begin = now - FIRST_LOOK if until is None else from_nanoseconds(until) - OVERLAP
    try:
        rows = _rows(source, table, Window(begin, max(now, begin) + AHEAD))
    except MeasurementNotFound:
        return Noted()
    new = journal.unseen(name, rows.keys())
    # The plugin percent-encodes quotes, backslashes and control characters of names.
    told = [
        Told(unquote(row.measurement), row.first, row.last, rows[row]) for row in sorted(new) if row.first <= row.last
    ]
    noted = what_to_note(lake, name, told, now)
    newest = max([until or nanoseconds(begin), *(min(row.time, nanoseconds(now)) for row in new)])
    if new or until is None:
        journal.note_read(name, noted.changes, new, newest, newest - nanoseconds_of(OVERLAP + AHEAD))
    return noted


def nanoseconds_of(length: timedelta) -> int:
    """A duration in nanoseconds."""
    return length // timedelta(microseconds=1) * 1_000


def _rows(source: Source, table: str, window: Window) -> dict[SeenRow, int]:
    """The table's rows of a window, each with its number of points."""
    import pyarrow as pa

    schema = source.schema(table)
    found: dict[SeenRow, int] = {}
    if missing := [name for name in _COLUMNS if schema.column(name) is None]:
        raise UnexpectedAnswer(
            f"the table {table} is none that the plugin writes: it has no column {missing[0]}",
            remedy="Name the plugin's table in `changes: {table: ...}` of the source",
        )
    with source.read(schema.select(_COLUMNS), window) as stream:
        for batch in stream:
            columns = [batch.column(batch.schema.get_field_index(name)) for name in _COLUMNS]
            times, *values = [
                column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column for column in columns
            ]
            for time, measurement, first, last, points in zip(
                times.to_pylist(), *(value.to_pylist() for value in values), strict=True
            ):
                if measurement is not None and first is not None and last is not None:
                    found[SeenRow(time, measurement, first, last)] = points or 0
    return found
