"""Metrics like Telegraf's, made by DuckDB from row numbers: the same rows every time, as many as asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

TAGS = ("datacenter", "host", "service")
HOSTS = 200
POINTS = 60
BATCH_ROWS = 65_536
START = "2026-01-01"
INTERVAL_SECONDS = 10

# As InfluxDB 3 serves them: sorted by series, then time, inside each ten minutes.
_QUERY = """
with numbered as (
  select i,
         (i // {points}) % {hosts} as host,
         (i // ({points} * {hosts})) * {points} + i % {points} as tick
  from range({first}, {last}) t(i)
)
select make_timestamp_ns((epoch_ns(timestamp '{start}') + tick * {step_ns} + (i % {days}) * {day_ns})::bigint) as time,
       'dc' || (host % 4) as datacenter,
       'host-' || lpad(host::varchar, 4, '0') as host,
       'service-' || (host % 17) as service,
       50 + 40 * sin(tick / 97.0 + host) + (hash(i) % 1000) / 300.0 as usage_user,
       10 + 8 * cos(tick / 61.0 + host) + (hash(i + 1) % 1000) / 500.0 as usage_system,
       round(20 + 10 * sin(tick / 31.0 + host), 1) as temperature,
       (hash(i + 2) % 1000000) / 1000003.0 as load1,
       (tick * 1500 + host * 1000 + hash(i) % 900)::bigint as bytes_sent,
       (hash(i + 3) % 32)::bigint as processes,
       hash(i) % 97 <> 0 as healthy
from numbered
"""

SCHEMA = pa.schema(
    [
        pa.field("time", pa.timestamp("ns"), nullable=False),
        *(pa.field(tag, pa.string()) for tag in TAGS),
        pa.field("usage_user", pa.float64()),
        pa.field("usage_system", pa.float64()),
        pa.field("temperature", pa.float64()),
        pa.field("load1", pa.float64()),
        pa.field("bytes_sent", pa.int64()),
        pa.field("processes", pa.int64()),
        pa.field("healthy", pa.bool_()),
    ]
)


def batches(rows: int, *, step_ns: int | None = None, days: int = 1) -> Iterator[pa.RecordBatch]:
    """Yield `rows` rows of SCHEMA in batches.

    Args:
        rows: How many.
        step_ns: The time between two points of a host; the default fits all rows in one day.
        days: Deal the rows to this many days in turns, so that every batch holds some of each.
    """
    import duckdb

    ticks = -(-rows // (HOSTS * POINTS)) * POINTS
    fitting = 86_399 * 10**9 // ticks // 1000 * 1000
    step = step_ns if step_ns is not None else min(INTERVAL_SECONDS * 10**9, fitting)
    connection = duckdb.connect()
    connection.execute("set threads = 1; set enable_progress_bar = false")
    chunk = BATCH_ROWS * 16
    for first in range(0, rows, chunk):
        query = _QUERY.format(
            points=POINTS,
            hosts=HOSTS,
            first=first,
            last=min(rows, first + chunk),
            start=START,
            step_ns=step,
            days=days,
            day_ns=86_400 * 10**9,
        )
        for batch in connection.sql(query).to_arrow_reader(BATCH_ROWS):
            yield pa.RecordBatch.from_arrays(
                [column.cast(field.type) for column, field in zip(batch.columns, SCHEMA, strict=True)], schema=SCHEMA
            )
