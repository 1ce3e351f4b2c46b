"""Landed Parquet is read column by column, and gives what its rows give one by one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influx_lake.config import LandingZoneConfig
from influx_lake.config.values.windows import Window
from influx_lake.errors import BadRecords, FileUnreadable
from influx_lake.sources import open_source
from influx_lake.sources.landing_zone.formats import batch_records
from influx_lake_tests.unit.sources.line_files import rows_of

HOUR = Window(datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 2, 1, tzinfo=UTC))
START = HOUR.start_us * 1000
TEXTS = st.sampled_from(["", "a", "b", "ä", "a,b=c"])
COLUMNS = {
    "host": (pa.string(), TEXTS),
    "rack": (pa.int32(), st.integers(-3, 3)),
    "zone": (pa.dictionary(pa.int8(), pa.string()), TEXTS),
    "usage": (pa.float64(), st.floats(allow_nan=True)),
    "small": (pa.float32(), st.floats(width=32, allow_nan=False)),
    "count": (pa.int16(), st.integers(-(2**15), 2**15 - 1)),
    "total": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "up": (pa.bool_(), st.booleans()),
    "state": (pa.large_string(), TEXTS),
    "mode": (pa.dictionary(pa.int16(), pa.string()), TEXTS),
}
TAGS = ["host", "rack", "zone"]
BY_HOUR = "{measurement}/year={year}/month={month}/day={day}/hour={hour}"


def read(folder: Path, table: pa.Table, **options: Any) -> list[dict[str, Any]]:
    """The rows of a file, as the source gives them."""
    file = folder / "in/cpu/year=2026/month=01/day=02/hour=00/points.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, file, row_group_size=3)
    path = f"{folder}/in/{BY_HOUR}"
    given = {"type": "landing_zone", "path": path, "timestamp_units": "ns", "format": "parquet",
             "database": "telemetry", "tags": TAGS, "staging": str(folder / "staging"), **options}  # fmt: skip
    source = open_source(LandingZoneConfig.model_validate(given))
    try:
        return rows_of(source, "cpu", HOUR)
    finally:
        source.close()


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """Rows with gaps, the same point more than once, and times that are equal."""
    rows = draw(st.integers(0, 12))
    chosen = {"usage", *draw(st.sets(st.sampled_from(sorted(COLUMNS))))}
    columns = {
        name: pa.array(draw(st.lists(st.none() | values, min_size=rows, max_size=rows)), kind)
        for name, (kind, values) in sorted(COLUMNS.items())
        if name in chosen
    }
    times = draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows))
    return pa.table({"timestamp": pa.array([START + each for each in times], pa.timestamp("ns")), **columns})


@settings(max_examples=30, deadline=None)
@given(table=tables())
def test_columns_and_rows_give_the_same(table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> None:
    text = table.set_column(0, "timestamp", table["timestamp"].cast(pa.string()))
    folder = tmp_path_factory.mktemp("zone")
    assert repr(read(folder, table)) == repr(read(folder, text)), "times in text are read row by row"


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The batches whose rows were looked at one by one."""
    found: list[int] = []

    def looking(batch: pa.RecordBatch, first: int) -> Any:
        found.append(first)
        return batch_records(batch, first)

    monkeypatch.setattr("influx_lake.sources.landing_zone.file_parser.batch_records", looking)
    return found


@pytest.mark.parametrize("units", ["ns", "us", "ms", "s"])
def test_times_in_numbers(tmp_path: Path, looked_at: list[int], units: str) -> None:
    divisor = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}[units]
    table = pa.table({"timestamp": [START // divisor, START // divisor + 1], "usage": [1.5, 2.5]})
    rows = read(tmp_path, table, timestamp_units=units)
    assert [row["usage"] for row in rows] == [1.5, 2.5]
    assert rows[1]["time"] - rows[0]["time"] == divisor
    assert looked_at == []


def test_rows_that_are_no_points_are_reported_with_their_number(tmp_path: Path, looked_at: list[int]) -> None:
    times = pa.array([START, None, START + 2, 2**62], pa.int64())
    table = pa.table({"timestamp": times, "usage": [1.0, 2.0, 3.0, 4.0]})
    with pytest.raises(BadRecords, match="row 2 has no time in 'timestamp'"):
        read(tmp_path, table)
    assert [row["usage"] for row in read(tmp_path, table, max_bad_lines=1)] == [1.0, 3.0]
    assert looked_at == [1, 1]


@pytest.mark.parametrize(
    "odd",
    [
        {"tags": pa.array([{"host": "b"}])},
        {"usage": pa.array([3], pa.int64()), "columns": {"cpu": {"tags": ["host"], "fields": {"usage": "float"}}}},
        {"seen": pa.array([START], pa.timestamp("ns"))},
        {"rack": pa.array([1.5])},
    ],
    ids=["objects", "another type than declared", "times as values", "tags in fractions"],
)
def test_what_columns_do_not_tell_is_read_row_by_row(tmp_path: Path, looked_at: list[int], odd: dict[str, Any]) -> None:
    options = {"columns": odd.pop("columns")} if "columns" in odd else {}
    table = pa.table({"timestamp": [START], "usage": [1.5], **odd})
    [row] = read(tmp_path, table, **options)
    assert row["usage"] in (1.5, 3.0)
    assert looked_at == [1]


def test_declared_columns_are_read_by_column(tmp_path: Path, looked_at: list[int]) -> None:
    columns = {"cpu": {"tags": ["host", "rack", "zone"], "fields": {"usage": "float"}}}
    table = pa.table({"timestamp": pa.array([START], pa.timestamp("ns", "UTC")), "host": ["a"], "usage": [1.5]})
    [row] = read(tmp_path, table, columns=columns)
    assert (row["host"], row["usage"]) == ("a", 1.5)
    assert looked_at == []


FAR = 253402214400  # 9999-12-31


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_times_that_nanoseconds_do_not_reach_are_reported_with_their_row(tmp_path: Path, unit: str) -> None:
    scale = {"s": 1, "ms": 1_000, "us": 1_000_000}[unit]
    times = pa.array([START // 10**9 * scale, FAR * scale, START // 10**9 * scale], pa.timestamp(unit))
    seen = pa.array([FAR * scale, None, 0], pa.timestamp(unit, "UTC"))
    days = pa.array([FAR // 86_400, 0, None], pa.date32())
    table = pa.table({"timestamp": times, "host": ["a", "b", "c"], "usage": [1.0, 2.0, 3.0], "seen": seen, "day": days})
    with pytest.raises(BadRecords, match=r"points.parquet: row 2 has a time out of range"):
        read(tmp_path, table)
    rows = read(tmp_path, table, max_bad_lines=1)
    assert [row["host"] for row in rows] == ["a", "c"]
    assert (rows[0]["seen"], rows[0]["day"]) == ("9999-12-31 00:00:00.000000000Z", "9999-12-31")
    assert rows[1]["seen"] == "1970-01-01 00:00:00.000000000Z"


def test_times_of_96_bits_do_not_wrap_around(tmp_path: Path) -> None:
    file = tmp_path / "in/cpu/year=2026/month=01/day=02/hour=00/points.parquet"
    file.parent.mkdir(parents=True)
    times = pa.array([START // 1000 + 1, FAR * 10**6, -1], pa.timestamp("us"))
    old = pa.table({"timestamp": times, "usage": [1.0, 2.0, 3.0]})
    pq.write_table(old, file, use_deprecated_int96_timestamps=True)
    path = f"{tmp_path}/in/{BY_HOUR}"
    options = {"type": "landing_zone", "path": path, "format": "parquet", "database": "telemetry",
               "staging": str(tmp_path / "staging"), "max_bad_lines": 1}  # fmt: skip
    source = open_source(LandingZoneConfig.model_validate(options))
    assert rows_of(source, "cpu", HOUR) == [{"time": START + 1000, "usage": 1.0}]
    source.close()
    options["max_bad_lines"] = 0
    with pytest.raises(BadRecords, match="row 2 has a time out of range"):
        rows_of(open_source(LandingZoneConfig.model_validate(options)), "cpu", HOUR)


def test_a_column_twice_is_refused(tmp_path: Path) -> None:
    times = pa.array([START], pa.timestamp("ns"))
    twice = pa.Table.from_arrays([times, pa.array([1.0]), pa.array([2.0])], ["timestamp", "usage", "usage"])
    inside = pa.StructArray.from_arrays([pa.array([1.0]), pa.array([2.0])], ["usage", "usage"])
    for table in (twice, pa.table({"timestamp": times, "fields": inside})):
        with pytest.raises(FileUnreadable, match=r"points\.parquet has the column 'usage' twice"):
            read(tmp_path, table)


def test_values_of_types_that_are_not_known_are_reported(tmp_path: Path) -> None:
    times = pa.array([START], pa.timestamp("ns"))
    for odd in (pa.array([b"x"]), pa.array([[1]]), pa.array([1], pa.duration("s")), pa.array([{"a": 1}])):
        with pytest.raises(BadRecords, match="row 1 has"):
            read(tmp_path, pa.table({"timestamp": times, "usage": [1.0], "odd": odd}))


def test_a_file_that_cannot_be_read_fails_the_windows_that_need_it_and_names_it(tmp_path: Path) -> None:
    def place(day: int, name: str, measurement: str = "cpu") -> Path:
        file = tmp_path / f"in/{measurement}/2026/01/{day:02}/{name}"
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def day(number: int) -> Window:
        return Window(datetime(2026, 1, number, tzinfo=UTC), datetime(2026, 1, number + 1, tzinfo=UTC))

    second = START // 10**9
    pq.write_table(pa.table({"timestamp": [second], "usage": [1.5]}), place(2, "a.parquet"))
    whole = place(2, "a.parquet").read_bytes()
    json_line, csv_row = f'{{"timestamp": {second}, "usage": 1.5}}\n', f"timestamp,usage\n{second},1.5\n"
    for kind, good, broken in (
        ("parquet", whole, whole[:-20]), ("parquet", whole, b"PAR1" + b"x" * 1000),
        ("json", json_line.encode(), b"{\n"),
        ("csv", csv_row.encode(), b"1,2,3\n"), ("json", json_line.encode(), b"BZh91AY&SY\x00\x00"),
    ):  # fmt: skip
        for file in (tmp_path / "in").rglob("*"):
            if file.is_file():
                file.unlink()
        place(2, f"a.{kind}").write_bytes(good)
        place(9, f"b.{kind}").write_bytes(broken)
        place(2, f"c.{kind}", "mem").write_bytes(broken)
        place(9, f"empty.{kind}").touch()
        place(2, "_SUCCESS").touch()
        options = {"type": "landing_zone", "path": f"{tmp_path}/in/{{measurement}}/{{year}}/{{month}}/{{day}}",
                   "format": kind, "database": "telemetry", "staging": str(tmp_path / f"staging-{kind}")}  # fmt: skip
        source = open_source(LandingZoneConfig.model_validate(options))
        assert source.measurements() == ["cpu", "mem"]
        assert [row["usage"] for row in rows_of(source, "cpu", day(2))] == [1.5]
        assert source.count("cpu", day(2)) == 1
        assert rows_of(source, "cpu", day(5)) == []
        for _ in range(2):
            with pytest.raises((FileUnreadable, BadRecords), match=rf"09/b\.{kind}"):
                rows_of(source, "cpu", day(9))
        with pytest.raises((FileUnreadable, BadRecords), match=rf"mem/2026/01/02/c\.{kind}"):
            source.schema("mem")
        assert "1 empty file left out" in source.server().version
        place(9, f"b.{kind}").write_bytes(good)
        assert [row["usage"] for row in rows_of(source, "cpu", day(2))] == [1.5]
        source.close()


LATIN = pa.array([b"a", b"\xff\xfe", b"c"]).view(pa.string())
"""What a writer that does not look puts into a column of texts."""


@pytest.mark.parametrize(
    ("odd", "column"),
    [
        ({"state": LATIN}, "state"),
        ({"state": LATIN.dictionary_encode()}, "state"),
        ({"state": pa.array([b"a", b"\xff\xfe", b"c"], pa.large_binary()).view(pa.large_string())}, "state"),
        ({"host": LATIN}, "host"),
        ({"zone": LATIN.dictionary_encode()}, "zone"),
        ({"name": pa.array([b"cpu", b"\xff", b"cpu"]).view(pa.string())}, "name"),
        ({"timestamp": pa.array([b"2026-01-02T00:00:00Z", b"\xff", b"2026-01-02T00:00:01Z"]).view(pa.string())},
         "timestamp"),
        ({"tags": pa.StructArray.from_arrays([LATIN], ["rack"])}, "tags"),
    ],
    ids=["field", "dictionary", "large", "tag", "tag in a dictionary", "name", "time", "object"],
)  # fmt: skip
def test_a_text_that_is_not_utf8_is_a_bad_record(tmp_path: Path, odd: dict[str, pa.Array], column: str) -> None:
    table = pa.table({"timestamp": [START, START + 1, START + 2], "usage": [1.0, 2.0, 3.0], **odd})
    with pytest.raises(BadRecords, match=rf"points.parquet: row 2 has a string in '{column}' that is not UTF-8"):
        read(tmp_path, table)
    assert [row["usage"] for row in read(tmp_path, table, max_bad_lines=1)] == [1.0, 3.0]
    kept = [each.read_text() for each in (tmp_path / "staging/bad_lines").rglob("*") if each.is_file()]
    assert kept
    assert all("\\\\xff" in each for each in kept), "what is kept of them says what is written there"


def test_files_that_only_say_which_measurement_it_is_in_their_rows(tmp_path: Path) -> None:
    names = pa.array([b"cpu", b"\xff", b"cpu"]).view(pa.string())
    table = pa.table({"timestamp": [START, START + 1, START + 2], "name": names, "usage": [1.0, 2.0, 3.0]})
    path = f"{tmp_path}/in/cpu/year={{year}}/month={{month}}/day={{day}}/hour={{hour}}"
    with pytest.raises(BadRecords, match=r"points.parquet: row 2 has a string in 'name' that is not UTF-8"):
        read(tmp_path, table, path=path)
    assert [row["usage"] for row in read(tmp_path, table, path=path, max_bad_lines=1)] == [1.0, 3.0]
    with pytest.raises(FileUnreadable, match="has no column 'name': timestamp, usage") as caught:
        read(tmp_path, table.drop_columns("name"), path=path)
    assert "`measurement_column`" in str(caught.value.remedy)


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    read(tmp_path, pa.table({"timestamp": [START], "usageXX": [1.0]}))
    [file] = tmp_path.rglob("points.parquet")
    pq.write_table(pq.read_table(file), file, store_schema=False)
    file.write_bytes(file.read_bytes().replace(b"usageXX", b"usage\xff\xfe"))
    given = {"type": "landing_zone", "path": f"{tmp_path}/in/{BY_HOUR}", "format": "parquet", "database": "telemetry",
             "staging": str(tmp_path / "staging")}  # fmt: skip
    source = open_source(LandingZoneConfig.model_validate(given))
    with pytest.raises(FileUnreadable, match=r"points.parquet contains a name that is not UTF-8: .*usage"):
        rows_of(source, "cpu", HOUR)
    source.close()


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("time", "`timestamp: time`"), ("at", "`timestamp` to the right column")],
    ids=["time", "another"],
)
def test_a_file_without_the_column_of_the_time(tmp_path: Path, name: str, remedy: str) -> None:
    table = pa.table({name: [START], "usage": [1.0]})
    columns = {"cpu": {"fields": {"usage": "float"}}}
    for options in ({}, {"max_bad_lines": 2}, {"columns": columns}):
        with pytest.raises(FileUnreadable, match=f"points.parquet has no column 'timestamp': {name}, usage") as caught:
            read(tmp_path, table, **options)
        assert remedy in str(caught.value.remedy)
    assert len(read(tmp_path, table, timestamp=name)) == 1
