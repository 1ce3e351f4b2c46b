from __future__ import annotations

import gzip
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from influx_lake.config import LandingZoneConfig
from influx_lake.config.values.windows import Window
from influx_lake.errors import BadRecords, DataRefused, FileUnreadable
from influx_lake.sources import Source, open_source
from influx_lake.sources.files import FilePlace
from influx_lake.sources.landing_zone import file_parser
from influx_lake.sources.landing_zone.footers import Footers
from influx_lake_tests.unit.sources.line_files import ALWAYS, rows_of

BY_HOUR = "{measurement}/year={year}/month={month}/day={day}/hour={hour}"
DAY = datetime(2026, 1, 2, tzinfo=UTC)


def zone(folder: Path, path: str = BY_HOUR, **options: Any) -> Source:
    given = {"type": "landing_zone", "path": f"{folder}/in/{path}", "database": "telemetry",
             "staging": str(folder / "staging"), **options}  # fmt: skip
    return open_source(LandingZoneConfig.model_validate(given))


def land(folder: Path, hour: int, records: list[Any], measurement: str = "cpu", name: str = "a.json") -> Path:
    """Land records in the folder of an hour of the day."""
    moment = DAY + timedelta(hours=hour)
    file = folder / "in" / moment.strftime(f"{measurement}/year=%Y/month=%m/day=%d/hour=%H") / name
    file.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in records)
    file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return file


def metric(hour: float, fields: dict[str, Any], name: str = "cpu", **tags: str) -> dict[str, Any]:
    return {"name": name, "tags": tags, "fields": fields, "timestamp": int((DAY + timedelta(hours=hour)).timestamp())}


def hours(begin: float, end: float) -> Window:
    return Window(DAY + timedelta(hours=begin), DAY + timedelta(hours=end))


def fields_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "time"} for row in rows]


def test_what_telegraf_lands_becomes_rows(tmp_path: Path) -> None:
    land(tmp_path, 0, [metric(0, {"usage": 1.5, "up": True, "n": 3, "s": "x"}, host="a"), metric(0.5, {"usage": 2})])
    land(tmp_path, 1, [{"metrics": [metric(1, {"usage": 3.25}, host="b")]}], name="b.json.gz")
    source = zone(tmp_path)
    assert source.measurements() == ["cpu"]
    assert {each.name: each.type.value for each in source.schema("cpu").columns} == {
        "time": "time", "host": "string", "usage": "float", "up": "boolean", "n": "integer", "s": "string",
    }  # fmt: skip
    rows = rows_of(source, "cpu", hours(0, 2))
    assert fields_of(rows) == [
        {"host": "a", "usage": 1.5, "up": True, "n": 3, "s": "x"}, {"usage": 2.0}, {"host": "b", "usage": 3.25},
    ]  # fmt: skip
    assert source.count("cpu", hours(0, 1)) == 2
    source.close()


def test_only_the_folders_of_a_window_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for hour in range(24):
        land(tmp_path, hour, [metric(hour, {"usage": hour})])
    listed: list[str] = []
    entries, below = FilePlace.entries, FilePlace.files_below
    monkeypatch.setattr(FilePlace, "entries", lambda self, folder: (listed.append(folder), entries(self, folder))[1])
    monkeypatch.setattr(FilePlace, "files_below", lambda self, folder: (listed.append(folder), below(self, folder))[1])
    source = zone(tmp_path, columns={"cpu": {"fields": {"usage": "float"}}}, early="0s")
    assert fields_of(rows_of(source, "cpu", hours(5, 6))) == [{"usage": 5.0}]
    day = "in/cpu/year=2026/month=01/day=02"
    levels = ["in", "in/cpu", "in/cpu/year=2026", "in/cpu/year=2026/month=01", day, f"{day}/hour=05", f"{day}/hour=06"]
    assert sorted(listed) == [str(tmp_path / each) for each in levels], "each folder once, and of the hours only two"
    assert len(list((tmp_path / "staging").glob("*.lock"))) == 2
    source.close()


def test_late_files_are_looked_for_as_long_as_is_configured(tmp_path: Path) -> None:
    land(tmp_path, 1, [metric(1, {"usage": 1})])
    land(tmp_path, 4, [metric(1.5, {"usage": 2})])
    for late, expected in [("1h", 1), ("4h", 2)]:
        source = zone(tmp_path, late=late)
        assert len(rows_of(source, "cpu", hours(1, 2))) == expected
        source.close()


def test_a_point_that_landed_twice_is_one(tmp_path: Path) -> None:
    land(tmp_path, 0, [metric(0, {"usage": 1, "n": 1}, host="a"), metric(0, {"usage": 2}, host="a")])
    land(tmp_path, 0, [metric(0, {"usage": 3}, host="a")], name="b.json")
    source = zone(tmp_path)
    assert fields_of(rows_of(source, "cpu", ALWAYS)) == [{"host": "a", "usage": 3, "n": 1}]
    source.close()


def test_integers_among_floats_are_floats_or_refused(tmp_path: Path) -> None:
    land(tmp_path, 0, [metric(0, {"usage": 2**53 + 1}), metric(0.5, {"usage": 0.5})])
    source = zone(tmp_path)
    with pytest.raises(DataRefused, match=r"the field .usage. is of type float, since it has floats.*a\.json, line 1"):
        rows_of(source, "cpu", hours(0, 1))
    source.close()


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("{", "is not JSON"),
        ('{"fields": {"usage": "\\ud800"}, "timestamp": 1}', "has half of a surrogate pair"),
        ("[" * 100_000, "is nested too deeply"),
        ({"fields": {"usage": 1}}, "has no time"),
        ({"fields": 3, "timestamp": 1}, "it is not an object"),
        (
            {"fields": {"usage": [1]}, "timestamp": 1},
            "has a list in 'usage': fields hold numbers, booleans and strings",
        ),
        ({"fields": {"usage": 1}, "timestamp": "yesterday"}, "has an invalid time"),
        ({"fields": {"usage": 1}, "timestamp": 10**12}, "has a time out of range"),
    ],
)
def test_bad_records_are_counted_and_told(record: Any, reason: str, tmp_path: Path) -> None:
    file = land(tmp_path, 0, [metric(0, {"usage": 1.0}), record])
    with pytest.raises(BadRecords, match="line 2") as caught:
        zone(tmp_path).schema("cpu")
    assert reason in str(caught.value)
    assert str(file) in str(caught.value)
    source = zone(tmp_path, max_bad_lines=1)
    assert len(rows_of(source, "cpu")) == 1
    source.close()


def test_what_is_not_declared_is_no_point(tmp_path: Path) -> None:
    land(tmp_path, 0, [metric(0, {"usage": 1.0, "idle": 2.0})])
    source = zone(tmp_path, columns={"cpu": {"fields": {"usage": "float"}}})
    with pytest.raises(BadRecords, match="'idle', which is not declared"):
        rows_of(source, "cpu", hours(0, 1))
    source = zone(tmp_path, columns={"cpu": {"fields": {"usage": "integer", "idle": "integer"}}})
    assert fields_of(rows_of(source, "cpu", hours(0, 1))) == [{"usage": 1, "idle": 2}]
    source.close()
    source = zone(tmp_path, columns={"cpu": {"fields": {"usage": "string", "idle": "float"}}})
    with pytest.raises(BadRecords, match="'usage' that is not of type string"):
        rows_of(source, "cpu", hours(0, 1))


def test_csv_and_parquet_give_the_same_rows(tmp_path: Path) -> None:
    file = land(tmp_path, 0, ["time_,host,usage,n,s", '2026-01-02T00:00:00.123456789Z,a,1.5,3,"x,y"',
                              "1767312000.5,,2,,"], name="a.csv")  # fmt: skip
    source = zone(tmp_path, format="csv", timestamp="time_", tags=["host"])
    found = rows_of(source, "cpu", hours(0, 1))
    assert [row["time"] % 10**9 for row in found] == [123456789, 500000000]
    assert fields_of(found) == [{"host": "a", "usage": 1.5, "n": 3, "s": "x,y"}, {"usage": 2.0}]
    source.close()
    file.unlink()
    start = 1767312000 * 10**9
    table = pa.table({
        "time_": pa.array([start + 123456789, start + 500000000], pa.timestamp("ns")),
        "host": ["a", None], "usage": [1.5, 2.0], "n": pa.array([3, None], pa.int32()), "s": ["x,y", None],
    })  # fmt: skip
    pq.write_table(table, file.with_suffix(".parquet"))
    source = zone(tmp_path, format="parquet", timestamp="time_", tags=["host"])
    assert rows_of(source, "cpu", hours(0, 1)) == found
    source.close()


def test_measurements_may_share_files(tmp_path: Path) -> None:
    land(tmp_path, 0, [metric(0, {"usage": 1.0}), metric(0, {"used": 2.0}, name="mem")], measurement="all")
    source = zone(tmp_path, "all/year={year}/month={month}/day={day}/hour={hour}")
    assert source.measurements() == ["cpu", "mem"]
    assert fields_of(rows_of(source, "mem", hours(0, 1))) == [{"used": 2.0}]
    source.close()


@pytest.mark.parametrize("path", ["s3://b/{host}/year={year}", "s3://b/day={day}", "s3://b/files"])
def test_a_path_says_its_dates(path: str) -> None:
    with pytest.raises(ValidationError, match="year"):
        LandingZoneConfig.model_validate({"type": "landing_zone", "path": path, "database": "d"})


def test_a_file_without_points(tmp_path: Path) -> None:
    land(tmp_path, 0, [])
    land(tmp_path, 1, [metric(1, {"usage": 2.0})], name="b.json")
    source = zone(tmp_path)
    assert fields_of(rows_of(source, "cpu", hours(0, 2))) == [{"usage": 2.0}]
    source.close()


def land_parquet(folder: Path, hour: int, columns: dict[str, Any], name: str = "a.parquet") -> Path:
    file = land(folder, hour, [], name=name)
    pq.write_table(pa.table(columns), file)
    return file


def test_the_columns_of_parquet_files_are_in_their_footers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [int(DAY.timestamp())]
    land_parquet(
        tmp_path, 0, {"timestamp": seconds, "host": ["a"], "usage": [1.5], "count": pa.array([1], pa.uint64())}
    )
    later = pa.array([{"host": "b", "rack": "r"}])
    values = pa.array([{"up": True, "state": None}], pa.struct([("up", pa.bool_()), ("state", pa.large_string())]))
    land_parquet(tmp_path, 5, {"timestamp": [seconds[0] + 5 * 3600], "tags": later, "fields": values})
    read: list[str] = []
    of_rows = file_parser.parquet_batches
    monkeypatch.setattr(
        file_parser, "parquet_batches", lambda file, *rest: (read.append(file.path), of_rows(file, *rest))[1]
    )
    source = zone(tmp_path, format="parquet", tags=["host"])
    schema = source.schema("cpu")
    assert [(each.name, each.role.value, each.type.value) for each in schema.columns] == [
        ("time", "time", "time"), ("host", "tag", "string"), ("rack", "tag", "string"),
        ("count", "field", "uinteger"), ("state", "field", "string"), ("up", "field", "boolean"),
        ("usage", "field", "float"),
    ]  # fmt: skip
    assert read == [], "no rows were read"
    assert fields_of(rows_of(source, "cpu", hours(0, 1))) == [{"host": "a", "usage": 1.5, "count": 1}]
    assert len(read) == 1, "and then only those of the window's folders"
    assert fields_of(rows_of(source, "cpu", hours(5, 6))) == [{"host": "b", "rack": "r", "up": True}]
    source.close()


def test_footers_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"timestamp": [int(DAY.timestamp())], "usage": [1.5]}
    land_parquet(tmp_path, 0, columns)
    zone(tmp_path, format="parquet").schema("cpu")
    land_parquet(tmp_path, 1, {**columns, "idle": [1]})
    read: list[str] = []
    of_file = Footers._read
    monkeypatch.setattr(Footers, "_read", lambda self, file: (read.append(file.path), of_file(self, file))[1])
    assert zone(tmp_path, format="parquet").schema("cpu").fields == ("idle", "usage")
    assert [Path(path).parent.name for path in read] == ["hour=01"]
    (kept,) = (tmp_path / "staging").glob("footers-*.json")
    kept.write_text("damaged")
    assert zone(tmp_path, format="parquet").schema("cpu").fields == ("idle", "usage")


def test_a_damaged_footer_is_named(tmp_path: Path) -> None:
    file = land(tmp_path, 0, ["no parquet"], name="a.parquet")
    with pytest.raises(FileUnreadable, match=re.escape(str(file))):
        zone(tmp_path, format="parquet").schema("cpu")
