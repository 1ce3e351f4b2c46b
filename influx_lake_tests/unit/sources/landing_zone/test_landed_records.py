"""Landed JSON and CSV are read in columns, and give what their records give one by one."""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influx_lake.config import LandingZoneConfig
from influx_lake.config.values.windows import Window
from influx_lake.errors import LakeError
from influx_lake.sources import open_source
from influx_lake.sources.landing_zone.columns import PointColumns
from influx_lake.sources.landing_zone.record_columns import RecordColumns
from influx_lake.sources.landing_zone.text_records import TextRecords
from influx_lake_tests.unit.sources.line_files import rows_of

HOUR = Window(datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 2, 1, tzinfo=UTC))
START = HOUR.start_us // 1_000_000
BY_HOUR = "{measurement}/year={year}/month={month}/day={day}/hour={hour}"
DECLARED = {
    "cpu": {
        "tags": ["host", "rack"],
        "fields": {"usage": "float", "count": "integer", "total": "uinteger", "up": "boolean", "state": "string"},
    }
}


def read(text: str, kind: str, **options: Any) -> dict[str, Any]:
    """What a file comes to: its rows, or the error, and the records that are no points."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"in/cpu/year=2026/month=01/day=02/hour=00/a.{kind}"
        file.parent.mkdir(parents=True)
        file.write_text(text, encoding="utf-8", newline="")
        given = {"type": "landing_zone", "path": f"{folder}/in/{BY_HOUR}", "timestamp_units": "s", "format": kind,
                 "database": "telemetry", "tags": ["host"], "staging": f"{folder}/staging", **options}  # fmt: skip
        source = open_source(LandingZoneConfig.model_validate(given))
        try:
            rows: object = sorted(map(repr, rows_of(source, "cpu", HOUR)))
        except LakeError as error:
            rows = re.sub(r"\w+\.jsonl", "", str(error).replace(folder, ""))
        finally:
            source.close()
        bad = sorted(each.read_text(encoding="utf-8") for each in Path(folder, "staging/bad_lines").glob("*"))
        return {"rows": rows, "bad": [each.replace(folder, "") for each in bad]}


@contextmanager
def watched(columns: Callable[[RecordColumns, Sequence[object]], list[PointColumns] | None]) -> Iterator[list[bool]]:
    """Tells of each lot of records whether it was read in columns."""
    found: list[bool] = []

    def of(reader: RecordColumns, records: Sequence[object]) -> list[PointColumns] | None:
        points = columns(reader, records)
        found.append(points is not None)
        return points

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RecordColumns, "of", of)
        yield found


def by_rows(text: str, kind: str, **options: Any) -> dict[str, Any]:
    with watched(lambda reader, records: None), pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextRecords, "points", lambda text, block: None)
        return read(text, kind, **options)


times = st.integers(START, START + 3)
odd_times = st.sampled_from([START + 0.5, str(START), "2026-01-02T00:00:01Z", None, "never", True, 2**70])
floats = st.floats(allow_nan=False, width=32)
values = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), floats, st.sampled_from(["", "a", "1", "true", "ä", 2**63, -(2**63)])
)
odd_values = st.sampled_from([2**64, 2**63 + 1, [1], {"a": 1}, float("nan"), 2**53 + 1, "\ud800"])
texts = st.sampled_from(["a", "b", "", None, "ä", 3, 1.5, True])
field_names = st.sampled_from(["usage", "count", "total", "up", "state", "more", "host"])
fitting = {
    "usage": floats | st.integers(-5, 5) | st.sampled_from([2**53, 2**53 + 1]),
    "count": st.integers(-5, 5),
    "total": st.integers(0, 5),
    "up": st.booleans(),
    "state": st.sampled_from(["", "x", "ä"]),
}


def metrics(field: st.SearchStrategy[Any], time: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects as Telegraf writes them."""
    return st.fixed_dictionaries(
        {"fields": st.dictionaries(field_names, field, max_size=4), "timestamp": time},
        optional={"tags": st.dictionaries(st.sampled_from(["host", "rack"]), texts, max_size=2), "name": st.just("x")},
    )


def flat(field: st.SearchStrategy[Any], time: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects whose columns are their own."""
    return st.fixed_dictionaries(
        {"timestamp": time},
        optional={"host": texts, "usage": field, "state": field, "time": st.just(1)},
    )


plain = st.lists(metrics(values, times), max_size=10) | st.lists(
    st.fixed_dictionaries({"timestamp": times}, optional={"host": texts, "usage": values, "state": values}), max_size=10
)
any_records = st.lists(
    metrics(values | odd_values, times | odd_times)
    | flat(values | odd_values, times | odd_times)
    | st.just("no object"),
    max_size=10,
)
declared_records = st.lists(
    st.fixed_dictionaries(
        {"fields": st.fixed_dictionaries({}, optional=fitting), "timestamp": times},  # type: ignore[arg-type]
        optional={"tags": st.dictionaries(st.sampled_from(["host", "rack"]), texts, max_size=2)},
    ),
    max_size=10,
)


def in_lines(records: Sequence[Any]) -> str:
    return "".join(json.dumps(each) + "\n" for each in records)


@settings(max_examples=30)
@given(records=plain | any_records, allowed=st.sampled_from([0, 100]))
def test_json_in_columns_and_one_by_one(records: list[Any], allowed: int) -> None:
    text = in_lines(records)
    assert read(text, "json", max_bad_lines=allowed) == by_rows(text, "json", max_bad_lines=allowed)


@settings(max_examples=30)
@given(records=declared_records | any_records, allowed=st.sampled_from([0, 100]))
def test_declared_json_in_columns_and_one_by_one(records: list[Any], allowed: int) -> None:
    text, options = in_lines(records), {"columns": DECLARED, "max_bad_lines": allowed}
    assert read(text, "json", **options) == by_rows(text, "json", **options)


@settings(max_examples=30)
@given(records=st.lists(metrics(values, times).map(lambda each: each | {"name": "cpu"}), min_size=1, max_size=12))
def test_what_is_plain_is_read_in_columns(records: list[Any]) -> None:
    plain = [each for each in records if "host" not in each["fields"]]
    large = any(type(value) is int and abs(value) > 2**62 for each in plain for value in each["fields"].values())
    with watched(RecordColumns.of) as found:
        read(in_lines(plain), "json")
    assert large or all(found)


cells = st.one_of(
    st.sampled_from(
        [
            "",
            "a",
            "1",
            "01",
            "-0",
            "1.",
            ".5",
            "1e5",
            "1e999",
            "-1.5E-3",
            "+1",
            " 1",
            "0x1",
            "inf",
            "NaN",
            "true",
            "FALSE",
        ]
    ),
    st.sampled_from(["٣", "fal\u017fe", str(2**63), str(2**64), str(2**53 + 1), "a,b", 'q"', "two\nlines", "ä"]),
    floats.map(str),
    st.integers(-5, 5).map(str),
)
fitting_cells = {
    "usage": floats.map(repr) | st.just(""),
    "count": st.integers(-5, 5).map(str),
    "total": st.integers(0, 5).map(str),
    "up": st.sampled_from(["true", "False", ""]),
    "state": cells,
}
csv_times = times.map(str) | st.sampled_from(["2026-01-02T00:00:01Z", str(START) + ".5", "0" + str(START), "", "never"])


def in_csv(rows: Sequence[dict[str, str]], header: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@settings(max_examples=30)
@given(
    rows=st.lists(
        st.fixed_dictionaries({"timestamp": times.map(str), "host": cells, "a": cells, "b": cells}), max_size=10
    )
    | st.lists(st.fixed_dictionaries({"timestamp": csv_times, "host": cells, "a": cells, "b": cells}), max_size=10)
)
def test_csv_in_columns_and_one_by_one(rows: list[dict[str, str]]) -> None:
    text = in_csv(rows, ["timestamp", "host", "a", "b"])
    assert read(text, "csv", max_bad_lines=100) == by_rows(text, "csv", max_bad_lines=100)


@settings(max_examples=30)
@given(
    rows=st.lists(st.fixed_dictionaries({"timestamp": times.map(str), "host": cells, **fitting_cells}), max_size=10)
    | st.lists(st.fixed_dictionaries({"timestamp": times.map(str), **dict.fromkeys(fitting_cells, cells)}), max_size=4)
)
def test_declared_csv_in_columns_and_one_by_one(rows: list[dict[str, str]]) -> None:
    text, options = in_csv(rows, ["timestamp", "host", *fitting_cells]), {"columns": DECLARED, "max_bad_lines": 100}
    assert read(text, "csv", **options) == by_rows(text, "csv", **options)


def test_lots_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("influx_lake.sources.landing_zone.file_parser._RECORDS_AT_ONCE", 4)
    records = [{"fields": {"usage": number / 2}, "timestamp": START + number % 3} for number in range(10)]
    records[5]["timestamp"] = str(START + 2)
    records[9]["fields"] = {"usage": 2**64}
    text = in_lines(records)
    with watched(RecordColumns.of) as found:
        rows = read(text, "json", max_bad_lines=1)
    assert found == [True, True, False]
    assert rows == by_rows(text, "json", max_bad_lines=1)
    assert rows["rows"] == [
        f"{{'time': {(START + at) * 10**9}, 'usage': {usage}}}" for at, usage in ((0, 3.0), (1, 3.5), (2, 4.0))
    ]


def test_names_that_few_records_have_take_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("influx_lake.sources.landing_zone.record_columns._MOST_VALUES", 100)
    text = in_lines([{"fields": {f"f{number}": number}, "timestamp": START} for number in range(20)])
    with watched(RecordColumns.of) as found:
        rows = read(text, "json")
    assert found == [False]
    assert rows == by_rows(text, "json")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("csv", "timestamp,host,name,usage\n{0},a,cpu,1\n{1},a,{name},2\n"),
        (
            "json",
            '{{"timestamp": {0}, "name": "cpu", "usage": 1}}\n{{"timestamp": {1}, "name": "{name}", "usage": 2}}\n',
        ),
    ],
)
def test_a_column_called_like_the_measurements_is_not_dropped(kind: str, text: str) -> None:
    same = read(text.format(START, START + 1, name="cpu"), kind)
    other = text.format(START, START + 1, name="nginx")
    refused, kept = read(other, kind), read(other, kind, measurement_column="measurement")

    assert isinstance(same["rows"], list)
    assert "'nginx' in 'name', and lies in the folder of 'cpu'" in str(refused)
    assert "set measurement_column to a name that no column has" in str(refused)
    assert "nginx" in str(kept["rows"])


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ('{{"timestamp": {0}, "": 1.5, "usage": 2}}', "has a value without a name"),
        ('{{"timestamp": {0}, "tags": {{"": "x"}}, "usage": 2}}', "has a value without a name"),
        ('{{"timestamp": {0}, "usage": NaN}}', "has NaN in 'usage', which JSON does not have"),
        ('{{"timestamp": {0}, "usage": 1e999}}', "has a number that is too large for a float in 'usage'"),
        (
            '{{"timestamp": {0}, "usage": 18446744073709551616}}',
            "has an integer in 'usage' that does not fit into 64 bits: 1844",
        ),
        (
            '{{"timestamp": {0}, "usage": {{"a": 1}}}}',
            "has an object in 'usage': fields hold numbers, booleans and strings",
        ),
        ('{{"timestamp": {0}, "usage": [1]}}', "has a list in 'usage': fields hold numbers, booleans and strings"),
        ('{{"timestamp": {0}, "tags": {{"host": [1]}}, "usage": 1}}', "has a tag that is not a string, 'host': a list"),
    ],
)
def test_json_that_no_column_can_have_is_bad_and_told_of(
    record: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    text = f'{{"timestamp": {START}, "usage": 1}}\n' + record.format(START + 1) + "\n"

    assert reason in str(read(text, "json"))
    kept = read(text, "json", max_bad_lines=1)
    assert len(kept["rows"]) == 1
    assert "1 record of 1 file cannot be read and is left out, as max_bad_lines allows" in caplog.text
    assert reason in caplog.text


@pytest.mark.parametrize(
    "record",
    [
        '{"timestamp": 1, "usage": NaN}',
        '{"timestamp": 1, "usage": 1e999, "on": true, "off": null, "text": "\\"ä\\""}',
        '{"timestamp": 1, "usage": 18446744073709551616}',
        '{"timestamp": 1, "usage": 1, "usage": 2}',
        '{"timestamp": 1, "usage": [1, {"a": "b"}]}',
    ],
)
def test_bad_records_are_kept_as_they_are_written(record: str) -> None:
    kept = read(f"{record}\n", "json")["bad"]
    assert [json.loads(line)["text"] for line in kept] == [record]


@pytest.mark.parametrize(
    ("kind", "text", "place"),
    [
        (
            "json",
            '{{"timestamp": {0}, "usage": 1}}\n{{"timestamp": {1}, "usage": null}}\n{{"timestamp": {1}}}\n',
            "line 2",
        ),
        ("csv", "timestamp,host,usage\n{0},a,1\n{1},b,\n{1},c,\n", "line 3"),
    ],
)
def test_records_without_any_value_are_counted_and_told_of(
    kind: str, text: str, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert len(read(text.format(START, START + 1), kind)["rows"]) == 1
    assert "2 records of 1 file have no value in any field, and are left out; the first is in " in caplog.text
    assert f", {place}. " in caplog.text


@pytest.mark.parametrize("record", ["broken", '{"timestamp": 1}'])
def test_a_file_of_which_nothing_is_left_says_so(record: str) -> None:
    message = str(read(f"{record}\n", "json", max_bad_lines=9)["rows"])
    assert "has no point of the measurement 'cpu' that can be read: 1 record of 1 file " in message


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("json", '{{"timestamp": {0}, "usage": 0.5}}\n\n{{"timestamp": {1}, "usage": 9007199254740993}}\n'),
        ("csv", "timestamp,usage\n{0},0.5\n{1},9007199254740993\n"),
    ],
)
def test_an_integer_that_no_float_is_equal_to_is_refused_with_its_place(kind: str, text: str) -> None:
    message = str(read(text.format(START, START + 1), kind)["rows"])
    assert "the field 'usage' is of type float, since it has floats, and its integer 9007199" in message
    assert f"(at 2026-01-02T00:00:01Z, in /in/cpu/year=2026/month=01/day=02/hour=00/a.{kind}, line 3)" in message
    assert "Declare the field under `columns`" in message
