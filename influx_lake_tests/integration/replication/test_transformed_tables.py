"""Transforms over every kind of source, alone and in pairs: tables hold what plain Python makes of the points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config import InfluxDB3Config, LineProtocolConfig, Measurement, Secret
from influx_lake.config.tables.shared_tables import LongOptions, Share
from influx_lake.iceberg.scan.reader import open_table, read_windows
from influx_lake.replication.comparison.compare_windows import Depth, Verdict, compare_windows
from influx_lake.replication.window import replicate_window
from influx_lake.sandbox import Sandbox
from influx_lake.sources import Source, open_reliable_source
from influx_lake_tests.unit.transforms.memory_source import DAY, Row, as_rows, at, measurement
from influx_lake_tests.unit.transforms.test_loads import expected, held, ordered
from influx_lake_tests.unit.transforms.test_transformed_source import within_the_model
from testbed.influxdb_servers import DATABASE, influxdb1, influxdb2
from testbed.local_catalog import local_catalog

TEXTS = ["x", "y", "ünï", "it's", "a,b=c", None]
POINTS: list[Row] = [
    {
        "time": at(number // 2),
        "host": ["a", "b", "c d", None][number % 4],
        "region": ["eu", "x", None][number % 3],
        "busy": None if number % 5 == 0 else number / 4 - 3,
        "count": None if number % 7 == 0 else number - 20,
        "on": None if number % 3 == 0 else number % 2 == 0,
        "text": TEXTS[number % 6],
    }
    for number in range(60)
]
OPTIONS: dict[str, Any] = {
    "fields": {"include": ["busy", "text"]},
    "rename": {"text": "note", "time": "timestamp", "host": "Host Name"},
    "prefix": {"tags": "tag_", "fields": "f."},
    "constants": {"version": "1.0"},
    "where": "{host} <> 'a'",
    "map": {"x": "z", "y": None, "*": "w"},
    "computed": True,
}
NOTHING: dict[str, Any] = {"fields": {}, "where": None, "map": {}, "computed": False}
CASES = [{**NOTHING, **dict(chosen)} for count in (1, 2) for chosen in combinations(OPTIONS.items(), count)]


def line(row: Row) -> str:
    """A point as line protocol."""
    tags = "".join(f",{name}={row[name].replace(' ', chr(92) + ' ')}" for name in ("host", "region") if row[name])
    fields = {
        "busy": row["busy"],
        "count": None if row["count"] is None else f"{row['count']}i",
        "on": None if row["on"] is None else str(row["on"]).lower(),
        "text": None if row["text"] is None else f'"{row["text"]}"',
    }
    written = ",".join(f"{name}={value}" for name, value in fields.items() if value is not None)
    return f"cpu{tags} {written} {row['time']}"


LINES = "\n".join(line(row) for row in POINTS if any(row[name] is not None for name in ("busy", "count", "on", "text")))
HELD = [row for row in POINTS if any(row[name] is not None for name in ("busy", "count", "on", "text"))]


@pytest.fixture(
    scope="module",
    params=[
        "influxdb3",
        "line_protocol",
        *(pytest.param(each, marks=pytest.mark.servers) for each in ("influxdb1", "influxdb2", "flux")),
    ],
)
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    folder = tmp_path_factory.mktemp("source")
    match request.param:
        case "influxdb3":
            with Sandbox() as box:
                box.write(DATABASE, LINES)
                yield open_reliable_source(
                    InfluxDB3Config(host=box.url, database=DATABASE, token=Secret(str(box.token)))
                )
        case "line_protocol":
            (folder / "cpu.lp").write_text(LINES)
            yield open_reliable_source(
                LineProtocolConfig(type="line_protocol", path=str(folder / "cpu.lp"), database=DATABASE)
            )
        case "influxdb1":
            with influxdb1(folder) as server:
                server.write(LINES)
                yield open_reliable_source(server.config())
        case _:
            with influxdb2(folder) as server:
                server.write(LINES)
                language = {"query_language": "flux"} if request.param == "flux" else {}
                yield open_reliable_source(server.config(**language))


def in_words(drawn: dict[str, Any]) -> str:
    return "+".join(name for name in OPTIONS if drawn.get(name) not in (None, {}, False))


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return local_catalog(Path(tmp_path_factory.mktemp("lake")))


@pytest.mark.slow
@pytest.mark.parametrize("drawn", CASES, ids=in_words)
def test_each_alone_and_in_pairs(source: Source, catalog: Catalog, drawn: dict[str, Any]) -> None:
    check(source, catalog, drawn)


def test_several_together(source: Source, catalog: Catalog) -> None:
    check(source, catalog, {**NOTHING, **OPTIONS})


def check(source: Source, catalog: Catalog, drawn: dict[str, Any]) -> None:
    name = f"{type(source).__name__}_{abs(hash((id(source), in_words(drawn))))}"
    of = replace(measurement(**within_the_model(drawn)), table=name)
    done = replicate_window(source, catalog, of, DAY, run_id="1")
    columns = {field.name for field in catalog.load_table(of.identifier).schema().fields}
    rows = expected(HELD, of, columns)
    assert held(catalog, of) == rows
    assert done.rows == len(rows)
    [compared] = compare_windows(source, catalog, of, [DAY], depth=lambda _: Depth.PROFILE)
    assert (compared.verdict, compared.source_rows) == (Verdict.EQUAL, len(rows))


def test_the_long_layout(source: Source, catalog: Catalog) -> None:
    options = LongOptions(integers=True, booleans=True, texts=True)
    name = f"long_{id(source)}"
    of = replace(measurement(), table=name, layout=options, share=Share("measurement", "cpu"))
    done = replicate_window(source, catalog, of, DAY, run_id="1")
    places = {"busy": "metric_value", "count": "value_integer", "on": "value_boolean", "text": "value_string"}
    made = [
        {
            "time": row["time"],
            "measurement": "cpu",
            "tags": sorted((tag, row[tag]) for tag in ("host", "region") if row[tag] is not None),
            "metric_name": field,
            **{place: row[field] if place == places[field] else None for place in places.values()},
        }
        for row in HELD
        for field in places
        if row[field] is not None
    ]
    rows = [{**row, "tags": sorted(row["tags"])} for batch in _read(catalog, of) for row in as_rows(batch)]
    assert ordered(rows) == ordered(made)
    assert done.rows == len(made)
    [compared] = compare_windows(source, catalog, of, [DAY], depth=lambda _: Depth.PROFILE)
    assert (compared.verdict, compared.source_rows) == (Verdict.EQUAL, len(made))


def _read(catalog: Catalog, of: Measurement) -> list[pa.RecordBatch]:
    return list(read_windows(open_table(catalog, of.identifier, of.share), [DAY], of.time_column))
