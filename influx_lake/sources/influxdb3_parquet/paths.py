"""Parses the paths of InfluxDB 3 Core's Parquet files:
`{node}/dbs/{database}/{table}/{date}/{time}/{sequence}.parquet`.

Databases and tables are numbers in it. A folder of date and time is a *chunk*: the interval of its files' points, ten
minutes unless the server is configured otherwise. Source: `influxdb3_write/src/paths.rs` of InfluxDB 3.10.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_FILE = re.compile(
    r"dbs/(?P<database>\d+)/(?P<table>\d+)/(?P<date>\d{4}-\d{2}-\d{2})/(?P<time>\d{2}-\d{2})/(?P<sequence>\d+)\.parquet"
)
# Before 3.1 the numbers followed the names: `telemetry-1/cpu-3`.
_NAMED_FILE = re.compile(
    r"dbs/(?P<database_name>.+)-(?P<database>\d+)/(?P<table_name>.+)-(?P<table>\d+)/"
    r"(?P<date>\d{4}-\d{2}-\d{2})/(?P<time>\d{2}-\d{2})/(?P<sequence>\d+)\.parquet"
)


@dataclass(frozen=True, slots=True)
class PersistedPath:
    """The parsed path of a persisted file.

    Attributes:
        database: The database's number.
        table: The table's number in it.
        chunk: The start of the file's chunk.
        sequence: The number of the write-ahead log's file at its writing: newer files have higher ones.
        database_name: The database's name, where the path has it.
        table_name: The table's name, likewise.
    """

    database: int
    table: int
    chunk: datetime
    sequence: int
    database_name: str | None = None
    table_name: str | None = None


def parse_path(path: str) -> PersistedPath | None:
    """Parse a path below a node's folder; None where it is not a persisted file."""
    found = _FILE.fullmatch(path) or _NAMED_FILE.fullmatch(path)
    if found is None:
        return None
    parts = found.groupdict()
    try:
        chunk = datetime.strptime(f"{parts['date']} {parts['time']}", "%Y-%m-%d %H-%M").replace(tzinfo=UTC)
    except ValueError:
        return None
    return PersistedPath(
        int(parts["database"]),
        int(parts["table"]),
        chunk,
        int(parts["sequence"]),
        parts.get("database_name"),
        parts.get("table_name"),
    )
