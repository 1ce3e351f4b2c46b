from __future__ import annotations

import pytest

from influx_lake.sandbox.query.file_limit import CHUNK_NS, check_file_limit
from influx_lake.sandbox.query.query_errors import FileLimitExceeded
from influx_lake.sandbox.storage.columns import TIME, Kind, arrow_schema
from influx_lake.sandbox.storage.merge import Run
from influx_lake.sandbox.storage.table import Snapshot

SCHEMA = arrow_schema("m", {TIME: Kind.TIME})
DAY = Snapshot(SCHEMA, (Run(1, 0, 100 * CHUNK_NS - 1), Run(1, 200 * CHUNK_NS, 201 * CHUNK_NS)))


def within(plan: str, limit: int, name: str = "m") -> bool:
    try:
        check_file_limit(plan, {name: DAY}, limit)
    except FileLimitExceeded:
        return False
    return True


@pytest.mark.parametrize(
    ("condition", "chunks"),
    [
        ("", 102),
        (f"m.time >= TimestampNanosecond({90 * CHUNK_NS}, None)", 12),
        (f"m.time > TimestampNanosecond({91 * CHUNK_NS - 1}, None)", 11),
        (f"m.time < TimestampNanosecond({5 * CHUNK_NS}, None)", 5),
        (f"m.time <= TimestampNanosecond({5 * CHUNK_NS}, None)", 6),
        (f"m.time = TimestampNanosecond({5 * CHUNK_NS}, None)", 1),
        (f"m.time >= TimestampNanosecond(-5, None) AND m.time < TimestampNanosecond({CHUNK_NS}, None)", 1),
        (f"m.time < TimestampNanosecond({CHUNK_NS}, None) OR m.v > Int64(1)", 102),
        (f"m.lifetime < TimestampNanosecond({CHUNK_NS}, None)", 102),
    ],
)
def test_chunks_within_bounds(condition: str, chunks: int) -> None:
    plan = f"Filter: {condition}\n  TableScan: m projection=[time]"
    assert within(plan, chunks)
    assert not within(plan, chunks - 1)


def test_only_scanned_measurements_count() -> None:
    assert within("TableScan: m2 projection=[time]", 0)
    assert within("TableScan: columns", 0)
    assert not within("SubqueryAlias: m\n  Union", 0)
    assert not within("TableScan: public.iox.m", 0)
    assert not within('TableScan: o\'b "x" projection=[time]', 0, name='o\'b "x"')
