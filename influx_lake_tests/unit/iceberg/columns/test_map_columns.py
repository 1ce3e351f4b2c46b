"""Maps of texts, as the tags of long tables are: as texts and back, and in every way that rows get into a table."""

from __future__ import annotations

from dataclasses import replace as changed
from datetime import timedelta

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog

from influx_lake.arrow.maps import as_texts, from_texts
from influx_lake.config import WriteOptions
from influx_lake.config.tables.sort_order import SortTerm
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.load.upsert import upsert_window
from influx_lake.iceberg.scan.reader import read_windows
from influx_lake.iceberg.sort import external_sort
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.window_result import WindowResult
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, day, hours, stream, table
from testbed.loads import load_of

MAP = pa.map_(pa.string(), pa.field("value", pa.string(), nullable=False))
TARGET = TableTarget(("telemetry", "long"), key=("tags", "metric"))
SCHEMA = pa.schema(
    [
        pa.field("time", pa.timestamp("ns"), nullable=False),
        ("tags", MAP),
        ("metric", pa.dictionary(pa.int32(), pa.string())),
        ("value", pa.float64()),
    ]
)
MAPS = st.none() | st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=3)
"""Also with the characters that the texts of maps are made with."""
TRICKY = st.none() | st.dictionaries(st.text("ab=,\\\n", max_size=3), st.text("ab=,\\\n", max_size=3), max_size=3)


def batch(*points: tuple[int, dict[str, str], str, float]) -> pa.RecordBatch:
    """Points at minutes of the first day."""
    minutes, tags, metrics, values = zip(*points, strict=True)
    times = [(day(0).start_us + minute * 60_000_000) * 1000 for minute in minutes]
    return pa.record_batch(
        [
            pa.array(times, pa.timestamp("ns")),
            pa.array([list(each.items()) for each in tags], MAP),
            pa.array(metrics).dictionary_encode(),
            pa.array(values),
        ],
        schema=SCHEMA,
    )


def load(
    catalog: Catalog, *batches: pa.RecordBatch, target: TableTarget = TARGET, upsert: bool = False
) -> WindowResult:
    way = upsert_window if upsert else replace_window
    return way(load_of(catalog, target, stream(*batches), day(0), PROVENANCE))


def held(catalog: Catalog) -> list[tuple[int, tuple[tuple[str, str], ...], str, float]]:
    rows = read_windows(table(catalog, TARGET), [day(0)]).read_all().to_pylist()
    found = [
        (
            (row["time"] - day(0).start).seconds // 60,
            tuple(sorted(row["tags"])),
            row["metric"],
            row["value"],
        )
        for row in rows
    ]
    return sorted(found)


@given(maps=st.lists(MAPS | TRICKY, max_size=8), first=st.integers(0, 8))
def test_texts_of_maps_are_equal_where_the_maps_are(maps: list[dict[str, str] | None], first: int) -> None:
    array = pa.array([each and list(each.items()) if each is not None else None for each in maps], MAP).slice(first)
    turned = pa.array([each and list(each.items())[::-1] if each is not None else None for each in maps], MAP).slice(
        first
    )
    texts, left = as_texts(array).to_pylist(), maps[first:]
    assert as_texts(turned).to_pylist() == texts, "the order of entries means nothing"
    for one, text in zip(left, texts, strict=True):
        for other, another in zip(left, texts, strict=True):
            assert (one == other) == (text == another)
    back = from_texts(pa.array(texts, pa.string()), MAP).to_pylist()
    assert [each if each is None else dict(each) for each in back] == left


ROWS = [
    (
        minute,
        {"host": f"h{minute % 3}", **({"region": "eu,w=1"} if minute % 2 else {})},
        f"m{minute % 5}",
        float(minute),
    )
    for minute in range(60)
]


def test_maps_are_written_and_read_by_every_engine(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    load(catalog, batch(*ROWS[:30]), batch(*ROWS[30:]))
    expected = sorted((minute, tuple(sorted(tags.items())), metric, value) for minute, tags, metric, value in ROWS)
    assert held(catalog) == expected
    found = table(catalog, TARGET)
    by_scan = found.scan().to_arrow().sort_by("time")["tags"].to_pylist()
    assert [dict(each) for each in by_scan] == [tags for _, tags, _, _ in ROWS]
    (file,) = found.inspect.files()["file_path"].to_pylist()
    path = file.removeprefix("file://")
    read = duckdb.sql(f"SELECT tags['host'] AS host, count(*) FROM '{path}' WHERE tags['region'] = 'eu,w=1' GROUP BY 1")
    assert sorted(read.fetchall()) == [("h0", 10), ("h1", 10), ("h2", 10)]
    frame = pl.scan_iceberg(found).sort("time").collect()
    # Before it had a type for maps, Polars read lists of keys and values.
    maps = [each if isinstance(each, dict) else {pair["key"]: pair["value"] for pair in each} for each in frame["tags"]]
    assert maps == [tags for _, tags, _, _ in ROWS]
    monkeypatch.setattr(
        "pyiceberg.io.pyarrow._task_to_record_batches", lambda *arguments, **named: pytest.fail("scanned by pyiceberg")
    )
    assert read_windows(found, [hours(0, 0, 1)]).read_all().num_rows == 60


def test_a_file_with_maps_is_split_at_a_bound(catalog: Catalog) -> None:
    load(catalog, batch(*ROWS))
    first = hours(0, 0, 24).until(day(0).start + timedelta(minutes=30))
    assert first is not None
    replace_window(load_of(catalog, TARGET, stream(batch((1, {"host": "x"}, "m", 0.5))), first, PROVENANCE))
    expected = [(minute, tuple(sorted(tags.items())), m, v) for minute, tags, m, v in ROWS if minute >= 30]
    assert held(catalog) == sorted([(1, (("host", "x"),), "m", 0.5), *expected])


@pytest.mark.parametrize("upserted", ["as it comes", "sorted"])
def test_points_are_distinguished_by_their_maps(catalog: Catalog, upserted: str) -> None:
    sort_by = (SortTerm("metric"), SortTerm("time")) if upserted == "sorted" else None
    target = changed(TARGET, write=WriteOptions(sort_by=sort_by))
    load(catalog, batch(*ROWS), target=target, upsert=True)
    again = [
        (0, {"host": "h0"}, "m0", 100.0),
        (1, {"region": "eu,w=1", "host": "h1"}, "m1", 101.0),
        (1, {"host": "h1"}, "m1", 102.0),
        (1, {"region": "eu,w=1", "host": "h1"}, "m2", 103.0),
    ]
    load(catalog, batch(*again), target=target, upsert=True)
    model = {(minute, tuple(sorted(tags.items())), metric): value for minute, tags, metric, value in [*ROWS, *again]}
    assert len(model) == 62
    assert held(catalog) == sorted((*key, value) for key, value in model.items())


def test_the_last_of_two_rows_of_a_point_stays(catalog: Catalog) -> None:
    """Rows with one key are joined whole."""
    load(catalog, batch((0, {"a": "1"}, "m", 1.0), (0, {"a": "2"}, "m", 2.0), (0, {"a": "1"}, "m", 3.0)), upsert=True)
    assert held(catalog) == [(0, (("a", "1"),), "m", 3.0), (0, (("a", "2"),), "m", 2.0)]


def test_rows_with_maps_are_sorted_on_disk() -> None:
    """More of them than fit in memory, and with more distinct ones than have a place in a dictionary."""
    rows = [(minute, {"host": f"h{minute * 7919 % 5000}" * 3, "x": ","}, "m", float(-minute)) for minute in range(1440)]
    batches = [batch(*rows[begin : begin + 100]) for begin in range(0, 1440, 100)]
    limits = external_sort.Limits(run_bytes=20_000, chunk_bytes=1_000, round_bytes=20_000)
    found = list(external_sort.sorted_batches(batches, SCHEMA, [SortTerm("value")], limits))
    assert [dict(tags) for each in found for tags in each.column("tags").to_pylist()] == [
        tags for _, tags, _, _ in sorted(rows, key=lambda row: row[3])
    ]
