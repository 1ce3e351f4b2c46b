"""Landed Parquet that is read where it lies gives the rows that it gives when it is taken apart."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influx_lake.config import LandingZoneConfig
from influx_lake.config.values.conditions import Compared, Operator
from influx_lake.config.values.windows import Window
from influx_lake.errors import BadRecords, WindowInterrupted
from influx_lake.sources import Source, open_source
from influx_lake.sources.landing_zone import footers
from influx_lake.sources.landing_zone.archive import LandingZone
from influx_lake.sources.landing_zone.direct import direct_parquet
from influx_lake.sources.points.source import PointsSource

DAY = datetime(2026, 1, 2, tzinfo=UTC)
SECOND = 10**9
START = int(DAY.timestamp()) * SECOND
HOUR = Window(DAY, DAY + timedelta(hours=1))
PATH = "{measurement}/year={year}/month={month}/day={day}/hour={hour}"


def config(folder: Path, **options: Any) -> LandingZoneConfig:
    given = {"type": "landing_zone", "path": f"{folder}/in/{PATH}", "format": "parquet", "timestamp_units": "ns",
             "database": "telemetry", "tags": ["host", "rack"], "staging": str(folder / "staging")}  # fmt: skip
    return LandingZoneConfig.model_validate(given | options)


def land(folder: Path, table: pa.Table, name: str = "a", hour: int = 0, **options: Any) -> Path:
    file = folder / f"in/cpu/year=2026/month=01/day=02/hour={hour:02}/{name}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, file, **options)
    return file


def points(times: list[int], **columns: Any) -> pa.Table:
    return pa.table({"timestamp": pa.array([START + each for each in times], pa.int64()), **columns})


def rows_of(source: Source, window: Window = HOUR, select: list[str] | None = None, **where: Any) -> list[Any]:
    schema = source.schema("cpu")
    if select is not None:
        schema = schema.select(select, **where)
    with source.read(schema, window) as stream:
        table = pa.Table.from_batches(stream, stream.schema)
    assert table.schema == stream.schema
    return table.set_column(0, "time", table.column("time").cast(pa.int64())).to_pylist()


def is_staged(folder: Path) -> bool:
    return any(each.is_dir() and each.name != "bad_lines" for each in (folder / "staging").iterdir())


@pytest.fixture
def zone(tmp_path: Path) -> Iterator[Any]:
    with ExitStack() as opened:

        def open_zone(**options: Any) -> Source:
            source = open_source(config(tmp_path, **options))
            opened.callback(source.close)
            return source

        yield open_zone


TEXTS = st.sampled_from(["", "a", "b", "ä"])
FIELDS = {
    "usage": (pa.float64(), st.floats(allow_nan=True)),
    "count": (pa.int32(), st.integers(-5, 5)),
    "state": (pa.string(), TEXTS),
}


@st.composite
def files(draw: st.DrawFn) -> list[pa.Table]:
    """Files that overlap or not, in order of time or not, with the same points or not, of columns that differ."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        begin, step = draw(st.integers(0, 30)), draw(st.integers(0, 9))
        count = draw(st.integers(1, 12))
        times = [begin + number * step for number in range(count)]
        if draw(st.booleans()):
            times = draw(st.permutations(times))
        columns: dict[str, Any] = {
            "usage": pa.array(draw(st.lists(FIELDS["usage"][1], min_size=count, max_size=count)))
        }
        for name in draw(st.sets(st.sampled_from(["host", "rack", "count", "state"]))):
            kind, values = FIELDS.get(name, (pa.string(), TEXTS))
            columns[name] = pa.array(draw(st.lists(st.none() | values, min_size=count, max_size=count)), kind)
        found.append(points([each * SECOND for each in times], **columns))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [8_000_000, 20])
@settings(max_examples=30, deadline=None)
@given(tables=files(), groups=st.integers(1, 5), span=st.tuples(st.integers(0, 40), st.integers(1, 60)))
def test_the_same_rows_as_of_files_that_are_taken_apart(
    at_once: int, tables: list[pa.Table], groups: int, span: tuple[int, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("zone")
    for number, table in enumerate(tables):
        land(folder, table, name=str(number), row_group_size=groups)
    window = Window(DAY + timedelta(seconds=span[0]), DAY + timedelta(seconds=sum(span)))
    direct, staged = open_source(config(folder)), PointsSource(LandingZone(config(folder)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(direct_parquet, "_MOST_VALUES", at_once)
        patch.setattr(direct_parquet, "_ROWS_AT_ONCE", 7)
        found, wanted = rows_of(direct, window), rows_of(staged, window)
        some = rows_of(direct, window, ["usage"]), rows_of(staged, window, ["usage"])
    by_point = [sorted(map(repr, rows)) for rows in (found, wanted, *some)]
    assert by_point[0] == by_point[1]
    assert by_point[2] == by_point[3]
    assert [row["time"] for row in found] == [row["time"] for row in wanted], "in order of time"
    direct.close()
    staged.close()


def test_plain_files_are_not_taken_apart(tmp_path: Path, zone: Any) -> None:
    for hour in range(2):
        times = [hour * 3600 * SECOND + each for each in (0, 0, 5)]
        land(tmp_path, points(times, host=["b", "a", ""], usage=[1.0, 2.0, 3.0]), hour=hour)
    rows = rows_of(zone(), Window(DAY, DAY + timedelta(hours=2)))
    assert [(row["host"], row["usage"]) for row in rows] == [("b", 1.0), ("a", 2.0), (None, 3.0)] * 2
    assert not is_staged(tmp_path)


@pytest.mark.parametrize(
    "odd",
    [
        points([2, 2], host=["a", "a"], usage=[1.0, 2.0]),
        points([3], host=["a"], usage=pa.array([None], pa.float64())),
        points([3], host=["a"], usage=pa.array([1], pa.int64())),
    ],
    ids=["a point twice", "no value", "another type"],
)
def test_what_is_not_plain_is_taken_apart_from_there_on(tmp_path: Path, zone: Any, odd: pa.Table) -> None:
    land(tmp_path, points([0, 1], host=["a", "b"], usage=[0.5, 0.25]))
    land(tmp_path, odd, name="b")
    rows = rows_of(zone())
    assert [row["usage"] for row in rows if row["time"] < START + 2] == [0.5, 0.25]
    assert is_staged(tmp_path)


def test_a_bad_record_is_refused(tmp_path: Path, zone: Any) -> None:
    land(tmp_path, points([0, 1], host=["a", "b"], usage=[0.5, 0.25]))
    text = pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, 1], np.int32)), pa.py_buffer(b"\xff"))
    land(tmp_path, points([2], host=text, usage=[1.0]), name="b")
    with pytest.raises(BadRecords, match="UTF-8"):
        rows_of(zone())


def test_a_footer_that_lies(tmp_path: Path, zone: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its row groups were chosen by it: the window is begun again, of files that are taken apart."""
    land(tmp_path, points([5, 6], host=["a", "b"], usage=[0.5, 0.25]))
    told = footers.row_groups
    monkeypatch.setattr(
        footers, "row_groups", lambda *given: tuple(each._replace(first=START + 6) for each in told(*given) or ())
    )
    source = zone()
    with pytest.raises(WindowInterrupted, match="points earlier than the first time in its footer"):
        rows_of(source)
    assert [row["usage"] for row in rows_of(source)] == [0.5, 0.25]


def test_conditions(tmp_path: Path, zone: Any) -> None:
    land(tmp_path, points([0, 1, 2], host=["a", "b", "a"], usage=[0.5, None, 0.25], count=[1, 2, 3]))
    only = Compared("host", Operator.EQUAL, "a")
    assert [row["usage"] for row in rows_of(zone(), select=["usage"], where=only)] == [0.5, 0.25]
    assert not is_staged(tmp_path)


def test_points_of_other_times_are_reported(tmp_path: Path, zone: Any, caplog: pytest.LogCaptureFixture) -> None:
    land(tmp_path, points([0, 5 * 3600 * SECOND], usage=[0.5, 0.25]))
    with caplog.at_level(logging.WARNING):
        assert [row["usage"] for row in rows_of(zone())] == [0.5]
    assert "1 point of 1 file has other times than their folders say" in caplog.text


def test_points_outside_of_partitions_are_counted(tmp_path: Path, zone: Any) -> None:
    land(tmp_path, points([0, 30 * SECOND], usage=[0.5, 0.25]))
    source = zone()
    rows_of(source)
    assert source.outside("cpu", HOUR) is None
    assert not is_staged(tmp_path)
    found = source.outside("cpu", Window(DAY, DAY + timedelta(seconds=10)))
    assert (found.before, found.behind, found.everything) == (0, 1, False)
