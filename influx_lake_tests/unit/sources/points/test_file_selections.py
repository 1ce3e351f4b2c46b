"""Some columns and rows of files of any format are what plain Python makes of all of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

from influx_lake.config import LandingZoneConfig
from influx_lake.config.values.conditions import Compared, Operator
from influx_lake.config.values.windows import Window
from influx_lake.errors import FileUnreadable, WindowInterrupted
from influx_lake.sources import Source, open_source
from influx_lake.sources.arrow_types import ARROW_TYPES
from influx_lake_tests.unit.sources.influxdb3_parquet.persisted_files import spoil
from influx_lake_tests.unit.sources.line_files import line_source
from testbed.selections import (
    FIELDS,
    MEASUREMENT,
    TAGS,
    Asked,
    check,
    check_projection,
    points,
    read,
    rows_of,
    selections,
)

START = datetime(2026, 1, 2, tzinfo=UTC)
HOUR = Window(START, START + timedelta(hours=1))
BY_HOUR = "year={year}/month={month}/day={day}/hour={hour}"
HALVES = [Window(START, START + timedelta(minutes=30)), Window(START + timedelta(minutes=30), HOUR.end)]
POINTS = points(HOUR.start_us * 1000, 60 * 10**9, FIELDS, count=150)
ROWS = [point.row for point in POINTS]
TYPES = {name: kind for name, (kind, _) in FIELDS.items()}


def landing_zone(folder: Path, form: str, **options: Any) -> Source:
    given = {
        "type": "landing_zone",
        "path": f"{folder}/in/{BY_HOUR}",
        "format": form,
        "database": "telemetry",
        "timestamp_units": "ns",
        "measurement_column": "measurement name",
        "timestamp": "when",
        "columns": {MEASUREMENT: {"tags": sorted(TAGS), "fields": {name: str(kind) for name, kind in TYPES.items()}}},
        "staging": str(folder / "staging"),
        **options,
    }
    return open_source(LandingZoneConfig.model_validate(given))


def landed(folder: Path, form: str) -> Source:
    """The points in a file of a landing zone."""
    file = folder / f"in/year=2026/month=01/day=02/hour=00/points.{form}"
    file.parent.mkdir(parents=True)
    records = [{"measurement name": MEASUREMENT, "when": point.time, **point.tags, **point.fields} for point in POINTS]
    if form == "json":
        file.write_text("\n".join(map(json.dumps, records)))
    else:
        kinds = {"measurement name": pa.string(), "when": pa.int64(), **dict.fromkeys(TAGS, pa.string())}
        kinds |= {name: ARROW_TYPES[kind] for name, kind in TYPES.items()}
        arrays = [pa.array([record.get(name) for record in records], kind) for name, kind in kinds.items()]
        pq.write_table(pa.table(arrays, names=list(kinds)), file)
    return landing_zone(folder, form)


@pytest.fixture(scope="module", params=["lp", "json", "parquet"])
def source(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Source]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "lp":
        (folder / "points.lp").write_text("\n".join(point.line(TYPES) for point in POINTS) + "\n")
        opened = line_source(folder)
    else:
        opened = landed(folder, request.param)
    yield opened
    opened.close()


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=selections(FIELDS))
def test_rows_and_counts(source: Source, asked: Asked) -> None:
    check(source, asked, ROWS, HOUR, *HALVES)


@pytest.mark.slow
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=selections(FIELDS))
def test_many_selections(source: Source, asked: Asked) -> None:
    check(source, asked, ROWS, HOUR, *HALVES)


def test_types_of_one_field_are_columns_of_their_own(tmp_path: Path) -> None:
    start = HOUR.start_us * 1000
    (tmp_path / "mixed.lp").write_text(
        f"mixed,host=a v=1.5,other=1i {start}\nmixed,host=b v=2 {start}\nmixed v=9007199254740993i,other=2i {start}\n"
        f'mixed,host=a v=3i {start + 1}\nmixed,host=a v="text" {start + 2}\nmixed,host=b other=3i {start + 2}\n'
        # The last value counts, of whatever type.
        f'mixed,host=c v=1.5 {start}\nmixed,host=c v="x" {start}\nmixed v="" {start + 2}\n'
    )
    source = line_source(tmp_path)
    whole, rows = source.schema("mixed"), rows_of(source, "mixed", HOUR)
    assert len(rows) == 8
    assert len(whole.fields) == 4
    for count in range(1, len(whole.fields)):
        for fields in combinations(whole.fields, count):
            for tags in ((), ("host",)):
                check_projection(source, whole.select([*tags, *fields]), rows, HOUR)
    source.close()


@pytest.mark.parametrize("line", ["m,host=a c=1 {}", 'm,host=a b="x" {}', "m,rack=1 a=1 {}"])
def test_what_came_since_is_reported_also_where_it_is_not_read(tmp_path: Path, line: str) -> None:
    start = HOUR.start_us * 1000
    (tmp_path / "1.lp").write_text(f"m,host=a a=1,b=2 {start}\n")
    source = line_source(tmp_path)
    some = source.schema("m").select(["a"], Compared("host", Operator.EQUAL, "a"))
    assert len(read(source, some, HOUR)) == 1
    (tmp_path / "2.lp").write_text(line.format(start + 1) + "\n")
    source.close()
    with pytest.raises(WindowInterrupted):
        read(source, some, HOUR)
    source.close()


@pytest.fixture
def wide(tmp_path: Path) -> Source:
    """A file of Parquet with columns that share a part of their names, a row of one field, and times of old engines."""
    file = tmp_path / "in/cpu/year=2026/month=01/day=02/hour=00/points.parquet"
    file.parent.mkdir(parents=True)
    start = HOUR.start_us * 1000
    columns = {
        "when": pa.array([start, start, start + 1, start + 2], pa.timestamp("ns")),
        "host": ["x", "y", None, "x"],
        "a": [1.5, None, None, 2.5],
        "a.b": [1, 2, 3, None],
        "other": ["s", "t", "u", None],
    }
    pq.write_table(pa.table(columns), file, use_deprecated_int96_timestamps=True, compression="none")
    options = {"measurement_column": "measurement", "columns": {}, "tags": ["host"]}
    return landing_zone(tmp_path, "parquet", path=f"{tmp_path}/in/{{measurement}}/{BY_HOUR}", **options)


def test_columns_of_landed_parquet_that_are_left_out_are_not_read(
    wide: Source, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole, rows = wide.schema("cpu"), rows_of(wide, "cpu", HOUR)
    assert len(rows) == 4
    wide.close()
    for count in (1, 2):
        for fields in combinations(whole.fields, count):
            for tags in ((), ("host",)):
                check_projection(wide, whole.select([*tags, *fields]), rows, HOUR)
        wide.close()
    looked_at = whole.select(["a"], Compared("a.b", Operator.GREATER, 0))
    check_projection(wide, looked_at, rows, HOUR)
    assert "no value" not in caplog.text
    wide.close()
    shutil.rmtree(tmp_path / "staging")
    (file,) = tmp_path.rglob("points.parquet")
    spoil(file, "other")
    check_projection(wide, whole.select(["a"]), rows, HOUR)
    with pytest.raises(FileUnreadable):
        read(wide, whole, HOUR)
    wide.close()
