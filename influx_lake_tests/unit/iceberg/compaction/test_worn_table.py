"""A table as minutely tails and late data leave it: what maintenance makes of it, and how much faster it is read."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace as changed
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config.maintenance.options import (
    CompactOptions,
    ExpireOptions,
    ManifestOptions,
    MetadataOptions,
    OrphanOptions,
)
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.load.tail import tail_window
from influx_lake.iceberg.maintenance.compact import compact
from influx_lake.iceberg.maintenance.expire_snapshots import expire_snapshots
from influx_lake.iceberg.maintenance.metadata import metadata
from influx_lake.iceberg.maintenance.remove_orphans import remove_orphans
from influx_lake.iceberg.maintenance.rewrite_manifests import rewrite_manifests
from influx_lake.iceberg.maintenance.task import TableTask
from influx_lake.iceberg.table_state import table_state
from influx_lake_tests.unit.iceberg.maintenance.tasks import files_of_table, needed, snapshots
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, TARGET, day, held, rows, stream, table
from testbed.loads import load_of

ROWS_A_MINUTE = 20
LATER = datetime(2026, 3, 1, tzinfo=UTC)


def part(number: int, minutes: int, first: int) -> Window:
    start = day(number).start + timedelta(minutes=first)
    return Window(start, start + timedelta(minutes=minutes))


def seconds_of(read: Callable[[], object]) -> float:
    def once() -> float:
        began = time.process_time()
        read()
        return time.process_time() - began

    return min(once() for _ in range(3))


def scans(catalog: Catalog) -> dict[str, float]:
    """What it costs to read the day with two engines, in seconds of CPU."""
    found = table(catalog)
    connection = duckdb.connect()
    for extension in ("avro", "iceberg"):
        _load(connection, extension)
    query = f"select count(*), sum(value) from iceberg_scan('{found.metadata_location}')"
    return {
        "duckdb": seconds_of(lambda: connection.sql(query).fetchall()),
        "polars": seconds_of(lambda: pl.scan_iceberg(found).select(pl.len(), pl.col("value").sum()).collect()),
    }


def _load(connection: duckdb.DuckDBPyConnection, extension: str) -> None:
    from duckdb_extensions import import_extension

    import_extension(extension, con=connection)
    connection.load_extension(extension)


def content(catalog: Catalog) -> pa.Table:
    return held(catalog).sort_by([(name, "ascending") for name in ("time", "host", "count", "value")])


@pytest.mark.parametrize(
    ("minutes", "redone", "times"),
    [
        pytest.param(100, 20, 2, marks=[pytest.mark.slow, pytest.mark.timeout(1_200)]),
        pytest.param(1_440, 200, 5, marks=[pytest.mark.long, pytest.mark.timeout(3_600)]),
    ],
)
def test_days_of_tails_and_redone_hours_are_read_many_times_faster(
    minutes: int, redone: int, times: int, catalog: Catalog, tmp_path: Path
) -> None:
    """The hours are of ten other days, each of which was loaded as a whole before."""
    target = changed(TARGET, key=("host", "count"))
    for minute in range(minutes):
        window = part(0, 1, minute)
        tail_window(load_of(catalog, target, stream(rows(window, ROWS_A_MINUTE)), window, PROVENANCE), replace_window)
    for number in range(1, 11):
        replace_window(load_of(catalog, target, stream(rows(day(number), 24 * 60)), day(number), PROVENANCE))
    for number in range(redone):
        window = part(1 + number % 10, 60, number // 10 * 60)
        replace_window(load_of(catalog, target, stream(rows(window, 80, value=number)), window, PROVENANCE))
    before, state, slow = content(catalog), table_state(table(catalog)), scans(catalog)

    task = TableTask(catalog, target, "maintenance", LATER)
    done = compact(task, CompactOptions())
    manifests = rewrite_manifests(task, ManifestOptions(min_manifests=2))

    assert done.before.data_files >= minutes + redone
    assert done.after.data_files == done.after.partitions == 11
    assert manifests.after.manifests <= 2
    assert content(catalog) == before
    assert table_state(table(catalog)) == state
    fast = scans(catalog)
    assert {
        engine: round(slow[engine] / fast[engine], 1) for engine in fast if slow[engine] < times * fast[engine]
    } == {}

    weeks_later = changed(task, now=datetime.now(UTC) + timedelta(weeks=3))
    expire_snapshots(weeks_later, ExpireOptions(keep_last=10))
    metadata(weeks_later, MetadataOptions(keep_last=20))
    remove_orphans(weeks_later, OrphanOptions())
    assert len(snapshots(catalog)) == 10
    assert files_of_table(tmp_path / "lake") == needed(table(catalog))
    assert content(catalog) == before
    assert table_state(table(catalog)) == state
