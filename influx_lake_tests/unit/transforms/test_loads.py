"""Tables of transformed rows, in every write mode: always those of a plain model."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog

from influx_lake.config import Measurement, OnShrink, WriteMode, WriteOptions
from influx_lake.config.measurements.tail import TailOptions
from influx_lake.config.values.windows import Window, parse_moment
from influx_lake.iceberg.scan.reader import read_windows
from influx_lake.replication.comparison.compare_windows import Depth, Verdict, compare_windows
from influx_lake.replication.tail import tail_measurement
from influx_lake.replication.window import replicate_window
from influx_lake_tests.unit.transforms.memory_source import DAY, MemorySource, Row, as_rows, at, measurement
from influx_lake_tests.unit.transforms.test_transformed_source import ROWS, modelled, transforms, within_the_model
from testbed.local_catalog import local_catalog

NEXT = Window(DAY.end, parse_moment("2026-01-03"))
MODES = {
    "replace": WriteOptions(),
    "append": WriteOptions(mode=WriteMode.APPEND),
    "upsert": WriteOptions(mode=WriteMode.UPSERT),
}


def one_each(rows: list[Row]) -> list[Row]:
    """Points as InfluxDB has them: one of each time and series."""
    return list({(row["time"], row["host"], row["region"]): row for row in rows}.values())


def held(catalog: Catalog, of: Measurement) -> list[Row]:
    """The table's rows in an order of their own; times in nanoseconds."""
    table = catalog.load_table(of.identifier)
    reader = read_windows(table, [DAY, NEXT], of.time_column)
    return ordered(row for batch in reader for row in as_rows(batch))


def ordered(rows: Any) -> list[Row]:
    return sorted(({key: str(value) for key, value in sorted(row.items())} for row in rows), key=str)


def expected(rows: list[Row], of: Measurement, columns: set[str]) -> list[Row]:
    made = modelled(rows, of.transforms)
    return ordered({**dict.fromkeys(columns), **row} for row in made)


def follow(folder: Path, mode: str, first: list[Row], second: list[Row], drawn: dict[str, Any]) -> None:
    catalog = local_catalog(folder)
    of = replace(measurement(**within_the_model(drawn)), write=MODES[mode], on_shrink=OnShrink.REPLACE)
    first, second = one_each(first), one_each(second)
    source = MemorySource(first)
    replicate_window(source, catalog, of, DAY, run_id="1")
    columns = {field.name for field in catalog.load_table(of.identifier).schema().fields}
    assert held(catalog, of) == expected(first, of, columns)
    if mode != "append":
        keys = {(row["time"], row["host"], row["region"]) for row in second}
        kept = [row for row in first if (row["time"], row["host"], row["region"]) not in keys]
        source.rows = [*kept, *second] if mode == "upsert" else second
        replicate_window(source, catalog, of, DAY, run_id="2")
        assert held(catalog, of) == expected(source.rows, of, columns)
    source.rows = [*source.rows, *({**row, "time": row["time"] + 86_400 * 10**9} for row in first)]
    replicate_window(source, catalog, of, NEXT, run_id="3")
    assert held(catalog, of) == expected(source.rows, of, columns)
    for depth in (Depth.PROFILE, Depth.VALUES):
        compared = compare_windows(source, catalog, of, [DAY, NEXT], depth=lambda _, depth=depth: depth)
        assert [each.verdict for each in compared] == [Verdict.EQUAL, Verdict.EQUAL]


@settings(max_examples=6, deadline=None)
@given(st.sampled_from(list(MODES)), ROWS, ROWS, transforms())
def test_the_table_holds_what_a_plain_model_says(
    mode: str, first: list[Row], second: list[Row], drawn: dict[str, Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        follow(Path(folder), mode, first, second, drawn)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(list(MODES)), ROWS, ROWS, transforms())
def test_the_table_holds_what_a_plain_model_says_in_many_cases(
    mode: str, first: list[Row], second: list[Row], drawn: dict[str, Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        follow(Path(folder), mode, first, second, drawn)


def test_a_tail_and_its_seal_of_transformed_rows(catalog: Catalog) -> None:
    of = replace(
        measurement(
            rename={"time": "timestamp", "busy": "used"},
            where="host = 'a'",
            computed={"free": "100 - used"},
            metadata_columns=["run_id", "window_start"],
        ),
        tail=TailOptions.model_validate({"every": "1m", "lag": "0s"}),
    )
    rows = [
        {"time": at(60 * number), "host": "ab"[number % 2], "region": None, "busy": float(number), "count": 1}
        for number in range(60)
    ]
    source = MemorySource(rows[:20])
    tail_measurement(source, catalog, of, run_id="one", now=parse_moment("2026-01-01T00:20:00Z"))
    source.rows = rows
    tail_measurement(source, catalog, of, run_id="two", now=parse_moment("2026-01-01T01:00:00Z"))

    def free() -> list[tuple[float, str]]:
        table = catalog.load_table(of.identifier).scan().to_arrow().sort_by("timestamp")
        return list(zip(table["free"].to_pylist(), table["run_id"].to_pylist(), strict=True))

    assert free() == [(100.0 - number, "one" if number < 20 else "two") for number in range(0, 60, 2)]
    replicate_window(source, catalog, of, DAY, run_id="seal")
    assert free() == [(100.0 - number, "seal") for number in range(0, 60, 2)]
