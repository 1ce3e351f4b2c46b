"""What a lying server tells: the answers of InfluxDB 1, 2 and 3 for a few points, as the real ones have them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

import pyarrow as pa

from influx_lake.config import InfluxDB3Config
from influx_lake.config.connections import InfluxDB1Config, InfluxDB2Config, Protocol, QueryLanguage, ServerConfig
from influx_lake.config.values.read_options import RetryOptions
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.errors import WindowInterrupted
from influx_lake.sources import Source, open_reliable_source
from influx_lake_tests.unit.sources.lies.server import Asked

START = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(minutes=1))
NS = 1_767_225_600 * 10**9
POINTS: list[dict[str, Any]] = [
    {"time": NS + place * 10**9, "host": f"h{place % 2}", "n": place, "txt": f"t{place}", "usage": place + 0.5}
    for place in range(6)
]
NAMES = ("time", "host", "n", "txt", "usage")


def patient(**options: Any) -> dict[str, Any]:
    """Options that make no test wait: nothing is tried again, and a minute is not halved."""
    quick = {"timeout": timedelta(seconds=20), "connect_timeout": timedelta(seconds=5)}
    return {**quick, "retry": RetryOptions(budget=timedelta(0)), **options}


def influxdb1(url: str, **options: Any) -> ServerConfig:
    return InfluxDB1Config(type="influxdb1", host=url, database="d", **patient(**options))


def influxdb2(url: str, **options: Any) -> ServerConfig:
    return InfluxDB2Config(type="influxdb2", host=url, org="o", bucket="d", dbrp="d/autogen", **patient(**options))


def flux(url: str, **options: Any) -> ServerConfig:
    return InfluxDB2Config(
        type="influxdb2", host=url, org="o", bucket="d", query_language=QueryLanguage.FLUX, **patient(**options)
    )


def influxdb3(url: str, **options: Any) -> ServerConfig:
    return InfluxDB3Config(host=url, database="d", protocol=Protocol.HTTP, **patient(**options))


def load(config: ServerConfig, measurement: str = "cpu") -> list[dict[str, Any]]:
    """All rows of the window, as a load reads them."""
    source = open_reliable_source(config)
    try:
        schema = source.schema(measurement)
        found = _read(source, schema)
    except WindowInterrupted:
        # From now on nothing is passed on before it is complete.
        found = _read(source, schema)
    finally:
        source.close()
    return sorted(({**row, "time": _nanoseconds(row["time"])} for row in found), key=itemgetter("time"))


def _read(source: Source, schema: MeasurementSchema) -> list[dict[str, Any]]:
    with source.read(schema, WINDOW) as rows:
        return [{name: row[name] for name in NAMES} for batch in rows for row in batch.to_pylist()]


def _nanoseconds(time: datetime) -> int:
    return int((time.replace(tzinfo=UTC) - START) / timedelta(seconds=1)) * 10**9 + NS


# InfluxQL: one document per line; the last one does not announce more.


def document(rows: list[list[Any]], columns: list[str] | None = None, *, more: bool = False, **change: Any) -> bytes:
    """A document with rows of `cpu`."""
    series = {"name": "cpu", "columns": columns or list(NAMES), "values": rows, **({"partial": True} if more else {})}
    result = {"statement_id": 0, "series": [{**series, **change}], **({"partial": True} if more else {})}
    return json.dumps({"results": [result]}, separators=(",", ":")).encode() + b"\n"


def points_in(columns: list[str]) -> list[list[Any]]:
    return [[point[name] for name in columns] for point in POINTS]


def influxql_rows() -> list[bytes]:
    """The documents of the window."""
    rows = points_in(list(NAMES))
    return [document(rows[:2], more=True), document(rows[2:4], more=True), document(rows[4:])]


EMPTY = b'{"results":[{"statement_id":0}]}\n'


def influxql(asked: Asked) -> bytes | None:
    """What InfluxDB 1 and 2 answer to all but the question for rows."""
    statement = asked.statement
    if statement.startswith("SHOW FIELD KEYS"):
        return document([["n", "integer"], ["txt", "string"], ["usage", "float"]], ["fieldKey", "fieldType"])
    if statement.startswith("SHOW TAG KEYS"):
        return document([["host"]], ["tagKey"])
    if statement.startswith("SELECT count"):
        return document([[NS, 6, 6, 6]], ["time", "count", "count_1", "count_2"])
    return None


# Flux: blocks of CSV, an empty line behind each and at the end.

_KINDS = {"n": "long", "txt": "string", "usage": "double"}


def block(columns: dict[str, str], rows: list[list[Any]]) -> bytes:
    """A block of annotated CSV.

    Args:
        columns: The types of the columns behind Flux's own.
        rows: Their values, the number of the table first.
    """
    lines = [
        ["#datatype", "string", "long", *columns.values()],
        ["#group", "false", "false", *("false" for _ in columns)],
        ["#default", "_result", *("" for _ in columns), ""],
        ["", "result", "table", *columns],
        *(["", "", *map(str, row)] for row in rows),
        [],
    ]
    return "".join(f"{','.join(line)}\r\n" for line in lines).encode()


def flux_rows(kinds: dict[str, str] = _KINDS) -> list[bytes]:
    """The blocks of the window: the series one behind the other, the fields of each by name."""
    blocks, table = [], 0
    for host in ("h0", "h1"):
        for field, kind in kinds.items():
            held = [point for point in POINTS if point["host"] == host]
            rows = [[table, _stamp(point["time"]), point[field], field, host] for point in held]
            blocks.append(
                block({"_time": "dateTime:RFC3339", "_value": kind, "_field": "string", "host": "string"}, rows)
            )
            table += 1
    return blocks


def _stamp(nanoseconds: int) -> str:
    return (START + timedelta(seconds=(nanoseconds - NS) // 10**9)).strftime("%Y-%m-%dT%H:%M:%SZ")


def flux_counts(count: int = 6) -> bytes:
    counts = {"": 0, "n": count, "txt": count, "usage": count}
    rows = [[table, number, name] for table, (name, number) in enumerate(counts.items())]
    return block({"_value": "long", "_field": "string"}, rows)


def flux_others(asked: Asked) -> bytes | None:
    """What InfluxDB 2 answers to all but the question for rows."""
    if "buckets" in asked.path:
        return b'{"buckets": [{"name": "d", "id": "07"}]}'
    script = json.loads(asked.body)["query"]
    if "first()" in script:
        return b"".join(flux_rows()) * 2
    return flux_counts() if "count()" in script else None


# InfluxDB 3 over HTTP: a record per row below their names, an object per line, or an array of them.


def sql_rows() -> list[bytes]:
    return [json.dumps(point, separators=(",", ":")).encode() + b"\n" for point in POINTS]


def csv_rows() -> list[bytes]:
    header, first, *others = [",".join(NAMES), *(",".join(str(point[name]) for name in NAMES) for point in POINTS)]
    return [f"{header}\n{first}\n".encode(), *(f"{line}\n".encode() for line in others)]


def sql_others(asked: Asked) -> bytes | None:
    """What InfluxDB 3 answers to all but the question for rows."""
    query = json.loads(asked.body)["q"]
    if "influxdb_schema" in query:
        kinds = {"time": "time", "host": "tag", "n": "integer", "txt": "string", "usage": "float"}
        return json.dumps([{"key": name, "data_type": kind} for name, kind in kinds.items()]).encode()
    return b'[{"rows":6}]' if "count(*)" in query else None


COLUMNS = pa.schema(
    [
        pa.field("time", pa.timestamp("ns"), nullable=False),
        ("host", pa.string()),
        ("n", pa.int64()),
        ("txt", pa.string()),
        ("usage", pa.float64()),
    ]
)
"""The columns of the points, as a source has them."""
