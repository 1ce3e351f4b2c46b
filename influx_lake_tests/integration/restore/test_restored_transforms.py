"""What transforms and layouts did to rows is undone: the points that come out are those of the source, or none do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from influx_lake.config import load_lake
from influx_lake.config.values.windows import Window, parse_moment
from influx_lake.sandbox import Sandbox
from influx_lake.sources import open_source
from influx_lake_tests.integration.cli_lake import FIRST_DAY_NS, CliLake

LAKE = """\
sources:
  default: {{host: {host}, database: telemetry, token: "${{file:token}}", retry: {{budget: 1s}}}}
  spare: {{host: {host}, database: spare, token: "${{file:token}}", retry: {{budget: 1s}}}}
catalog: {catalog}
defaults: {{partition: {{start: 2026-01-01}}}}
measurements:
  cpu: OPTIONS
"""
POINTS = (
    "cpu,host=a,dataCenter=eu usageIdle=1.5,count=3i,up=true {0}",
    'cpu,host=b usageIdle=-0.0,note="x, \\"y\\"" {1}',
    "cpu,dataCenter=us count=-9007199254740993i,big=18446744073709551615u {2}",
    'cpu up=false,usageIdle=1e300,note="" {3}',
)
FEWER = ("cpu,host=a,dc=eu usage=1.5,count=3i,up=true {0}", "cpu,host=b usage=-0.0,count=-7i {1}")

POINTS_OF_DAY = Window(parse_moment("2026-01-01"), parse_moment("2026-01-02"))


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        yield CliLake(tmp_path, box, capsys)


def loaded(lake: CliLake, options: str, points: tuple[str, ...] = POINTS) -> None:
    lake.write_config(LAKE.replace("OPTIONS", options.replace("{", "{{").replace("}", "}}")))
    times = [FIRST_DAY_NS + step for step in (0, 1, 2_000_000, 86_399_999_999_999)]
    lake.box.write("telemetry", "\n".join(points).format(*times))
    assert lake.tell("replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-02").code == 0


def points_of(lake: CliLake, source: str, measurement: str = "cpu") -> list[dict[str, Any]]:
    return points_in(lake.config, source, measurement, POINTS_OF_DAY)


def points_in(config: Path, source: str, measurement: str, window: Window) -> list[dict[str, Any]]:
    """The points that a database has, without what is null: each value with its type, as a text."""
    opened = open_source(load_lake(config).sources[source])
    with opened.read(opened.schema(measurement), window) as rows:
        found = [
            {name: (type(value), repr(value)) for name, value in row.items() if value is not None}
            for batch in rows
            for row in batch.set_column(0, "time", batch.column("time").cast(pa.int64())).to_pylist()
        ]
    opened.close()
    return sorted(found, key=repr)


@pytest.mark.parametrize(
    "options",
    [
        "{}",
        pytest.param("{rename: {usageIdle: idle, time: at, host: machine}}", marks=pytest.mark.slow),
        "{prefix: {tags: t_, fields: f_}, rename: {up: is_up}}",
        "{column_names: snake}",
        "{constants: {version: '1'}, computed: {double: usageIdle * 2}, metadata_columns: [measurement, loaded_at]}",
        pytest.param("{metadata_columns: {from: source}, rename: {run: r}}", marks=pytest.mark.slow),
        pytest.param("{types: {count: string}}", marks=pytest.mark.slow),
        "{types: {count: 'decimal(30, 2)', up: string}}",
        pytest.param("{time_type: timestamp}", marks=pytest.mark.slow),
        pytest.param("{table_properties: {format-version: '2'}, write: {mode: upsert}}", marks=pytest.mark.slow),
        "{layout: {long: {integers: true, booleans: true, texts: true}}, fields: {exclude: [big]}}",
    ],
)
def test_points_of_the_source_come_out(lake: CliLake, options: str) -> None:
    points = tuple(point.replace(",big=18446744073709551615u", "") for point in POINTS) if "long" in options else POINTS
    loaded(lake, options, points)
    result = lake.tell("restore", "cpu", "--to", "spare")
    assert result.code == 0, result.out + result.err
    assert points_of(lake, "spare") == points_of(lake, "default")


@pytest.mark.slow
def test_a_long_table_of_doubles_alone(lake: CliLake) -> None:
    loaded(lake, "{layout: long}", FEWER)
    assert lake.tell("restore", "cpu", "--to", "spare").code == 0
    assert points_of(lake, "spare") == points_of(lake, "default")


def test_measurements_that_share_a_table(lake: CliLake) -> None:
    text = LAKE.replace(
        "  cpu: OPTIONS",
        "  cpu: {{layout: {{long: {{integers: true}}}}}}\n  mem: {{layout: {{long: {{integers: true}}}}}}",
    )
    lake.write_config(text)
    lake.box.write("telemetry", f"cpu,host=a x=1.5,n=2i {FIRST_DAY_NS}\nmem,rack=b x=2.5 {FIRST_DAY_NS + 1}")
    assert lake.tell("replicate", "cpu", "mem", "--start", "2026-01-01", "--end", "2026-01-02").code == 0
    for name in ("cpu", "mem"):
        assert lake.tell("restore", name, "--to", "spare").code == 0
        assert points_of(lake, "spare", name) == points_of(lake, "default", name)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("{map: {host: {a: x}}}", "`map` of cpu put values in the place of others (host)"),
        ("{tags: {exclude: [host]}, duplicates: keep}", "`tags` of cpu left tags out"),
        ("{types: {note: 'string', usage: string, stamp: timestamptz}}", "was text before `types` made it timestamptz"),
    ],
)
def test_what_cannot_be_undone_is_refused(lake: CliLake, options: str, said: str) -> None:
    loaded(lake, options, ('cpu,host=a,dc=eu usage=1.5,count=3i,stamp="2026-01-01T00:00:00Z" {0}',))
    result = lake.tell("restore", "cpu", "--to", "spare")
    assert (result.code, said in result.err) == (2, True), result.err
    assert "--as-stored" in result.err
    result = lake.tell("restore", "cpu", "--to", "spare", "--as-stored")
    assert result.code == 0, result.out + result.err
    assert "equal value by value" in result.out


def test_a_source_that_does_not_tell_what_is_needed(lake: CliLake) -> None:
    loaded(lake, "{column_names: snake, namespace: telemetry}")
    text = lake.config.read_text()
    lake.config.write_text(text.replace("database: telemetry", "database: elsewhere"))
    result = lake.tell("restore", "cpu", "--to", "spare")
    assert result.code == 2
    assert "column_names: snake is not kept in the table, and its source does not tell" in result.err


def test_windows_that_were_made_by_other_options(lake: CliLake) -> None:
    loaded(lake, "{rename: {usageIdle: idle}}")
    lake.write_config(LAKE.replace("OPTIONS", "{{rename: {{usageIdle: free}}}}"))
    result = lake.tell("restore", "cpu", "--to", "spare")
    assert result.code == 1
    assert "1 of 1 windows were loaded under other options" in result.err


@pytest.mark.slow
def test_nanoseconds_that_the_lake_cut(lake: CliLake) -> None:
    loaded(lake, "{nanoseconds: truncate}", ("cpu,host=a usage=1.5 {0}", "cpu,host=b usage=2.5 {1}"))
    result = lake.tell("restore", "cpu", "--to", "spare")
    assert result.code == 0
    assert "! times are those of the lake, which `nanoseconds: truncate` cut to microseconds" in result.out
