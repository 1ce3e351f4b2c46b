"""What comes from Flux is what was sent: tables of one field of one series each, laid side by side."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config.connections import InfluxDB2Config
from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema, Role
from influx_lake.config.values.windows import Window
from influx_lake.errors import QueryRejected, StreamBroken, UnexpectedAnswer
from influx_lake.sources.flux.annotated import blocks
from influx_lake.sources.flux.points import PointBuilder, SeriesKey, Values
from influx_lake.sources.flux.query_splitting import within_shards
from influx_lake.sources.http import HttpFailures

FAILURES = HttpFailures(InfluxDB2Config(type="influxdb2", host="h", org="o", bucket="b"), "the server")
KINDS = {
    "f": ("double", ColumnType.FLOAT),
    "i": ("long", ColumnType.INTEGER),
    "u": ("unsignedLong", ColumnType.UINTEGER),
    "b": ("boolean", ColumnType.BOOLEAN),
    "s": ("string", ColumnType.STRING),
}
SCHEMA = MeasurementSchema(
    "m",
    (
        Column("time", Role.TIME, ColumnType.TIME),
        *(Column(name, Role.TAG, ColumnType.STRING) for name in ("host", "rack")),
        *(Column(name, Role.FIELD, kind) for name, (_, kind) in KINDS.items()),
    ),
)
COLUMNS = {(name, kind): name for name, (_, kind) in KINDS.items()}
TAGS = {"host": "host", "rack": "rack"}
HEAD = ["", "result", "table", "_start", "_stop", "_time", "_value", "_field", "_measurement", "host", "rack"]

# Flux's CSV has lost every carriage return.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=6) | st.sampled_from(
    ["", "null", "#datatype", '"', "\n#", ",", "\n", "a\n,,1,2"]
)
values = {
    "f": st.floats(allow_nan=False, allow_infinity=False),
    "i": st.integers(-(2**63), 2**63 - 1),
    "u": st.integers(0, 2**64 - 1),
    "b": st.booleans(),
    "s": texts,
}
point = st.fixed_dictionaries({}, optional=values).filter(bool)
series = st.dictionaries(st.integers(0, 10**9 - 1), point, min_size=1, max_size=6)
keys = st.tuples(st.sampled_from(["", "a", "b,c"]), st.sampled_from(["", "r\n1"]))
Points = dict[tuple[str, str], dict[int, dict[str, Any]]]


def answer(points: Points, table: int = 0) -> bytes:
    """The points as Flux answers: sorted tables, a header where the type changes, empty texts moved to the end."""
    out = io.StringIO()
    write, kind = csv.writer(out, lineterminator="\r\n"), None
    for host, rack in sorted(points):
        for name, (word, _) in KINDS.items():
            held = [(time, point[name]) for time, point in sorted(points[host, rack].items()) if name in point]
            if not held:
                continue
            if word != kind:
                if kind is not None:
                    out.write("\r\n")
                write.writerow(["#datatype", "string", "long", *["dateTime:RFC3339"] * 3, word, *["string"] * 4])
                write.writerow(["#group", *["false"] * 6, "true", "false", "true", "true"])
                write.writerow(["#default", "_result", *[""] * 9])
                write.writerow(HEAD)
            kind = word
            moved = sorted((value for _, value in held), key=lambda value: value == "")
            for (time, own), misplaced in zip(held, moved, strict=True):
                shown = misplaced if name == "s" else str(own).lower() if name == "b" else repr(own)
                row = ["", "", table, "a", "z", stamp(time), shown, name, "m", host, rack]
                write.writerow(row)
            table += 1
    out.write("\r\n")
    return out.getvalue().replace("\r\n", "\n").replace("\n", "\r\n").encode()


def stamp(nanoseconds: int) -> str:
    return f"2026-01-01T00:00:00.{nanoseconds:09d}Z"


def times(nanoseconds: list[int]) -> pa.Array:
    start = 1_767_225_600 * 10**9
    return pa.array([start + each for each in nanoseconds], pa.timestamp("ns"))


def builder(points: Points, *, lost: int = 0) -> PointBuilder:
    """A builder that reads texts that are not empty out of the points, but for those that were lost meanwhile."""

    def read(key: SeriesKey, name: str) -> Values:
        tags = dict(key)
        held = points[tags.get("host", ""), tags.get("rack", "")]
        found = {time: point[name] for time, point in sorted(held.items()) if point.get(name)}
        kept = list(found)[lost:]
        return Values(times(kept), pa.array([found[time] for time in kept], pa.string()))

    return PointBuilder(SCHEMA, COLUMNS, TAGS, FAILURES, read)


def cut(text: bytes, size: int) -> Iterator[bytes]:
    return (text[start : start + size] for start in range(0, len(text), size))


@pytest.mark.slow
@given(st.dictionaries(keys, series, min_size=1, max_size=5), st.integers(1, 400))
def test_every_value_comes_as_it_was_sent(points: Points, size: int) -> None:
    batches = list(builder(points).batches(blocks(cut(answer(points), size), FAILURES)))
    came = [tuple(row.values()) for batch in batches for row in batch.cast(plain(batch.schema)).to_pylist()]
    start = 1_767_225_600 * 10**9
    expected = [
        (start + time, host or None, rack or None, *(point.get(name) for name in KINDS))
        for (host, rack), held in points.items()
        for time, point in held.items()
    ]
    assert sorted(came, key=repr) == sorted(expected, key=repr)


def plain(schema: pa.Schema) -> pa.Schema:
    """The same with the time as a number, which has all its nanoseconds."""
    return schema.set(0, pa.field("time", pa.int64()))


def test_texts_that_change_while_they_are_read_again_break_the_stream() -> None:
    points: Points = {("a", ""): {0: {"s": ""}, 1: {"s": "x"}, 2: {"s": "y"}}}
    assert sum(batch.num_rows for batch in builder(points).batches(blocks([answer(points)], FAILURES))) == 3
    with pytest.raises(StreamBroken, match="'s' was changed"):
        list(builder(points, lost=1).batches(blocks([answer(points)], FAILURES)))


def test_a_series_that_comes_apart_is_refused() -> None:
    one: Points = {("a", ""): {0: {"f": 1.0}}}
    two: Points = {("b", ""): {0: {"f": 1.0}}}
    text = answer(one) + answer(two, 1) + answer(one, 2)
    with pytest.raises(UnexpectedAnswer, match="are not consecutive"):
        list(builder(one).batches(blocks([text], FAILURES)))


@pytest.mark.parametrize(
    ("change", "message"), [({b",f,m": b",g,m"}, "the field 'g'"), ({b",host,": b",cage,"}, "a tag of it")]
)
def test_what_was_not_declared_is_refused(change: Mapping[bytes, bytes], message: str) -> None:
    text = answer({("a", ""): {0: {"f": 1.0}}})
    for old, new in change.items():
        text = text.replace(old, new)
    with pytest.raises(UnexpectedAnswer, match=message):
        list(builder({}).batches(blocks([text], FAILURES)))


def test_an_error_in_the_answer_is_one() -> None:
    text = answer({("a", ""): {0: {"f": 1.0}}}) + b"#datatype,string,string\r\n,error,reference\r\n,it broke,1\r\n\r\n"
    with pytest.raises(QueryRejected, match="it broke"):
        list(builder({}).batches(blocks([text], FAILURES)))


def test_an_answer_that_ends_in_a_record_is_broken() -> None:
    text = answer({("a", ""): {0: {"f": 1.0}, 1: {"f": 2.0}}})
    with pytest.raises(StreamBroken, match="a record cannot be read"):
        list(builder({}).batches(blocks([text[:-20]], FAILURES)))


moments = st.datetimes(datetime(1969, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(moments, st.timedeltas(timedelta(microseconds=1), timedelta(days=20)), st.sampled_from([None, 1, 24, 36, 168]))
def test_pieces_are_the_window_and_none_is_of_two_shards(start: datetime, length: timedelta, hours: int | None) -> None:
    window = Window(start, start + length)
    shard = timedelta(hours=hours) if hours else None
    pieces = list(within_shards(window, shard))
    assert [pieces[0].start, pieces[-1].end] == [window.start, window.end]
    assert all(one.end == other.start for one, other in pairwise(pieces))
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    for each in (timedelta(days=1), timedelta(days=7), shard or timedelta(days=1)):
        last = timedelta(microseconds=1)
        assert all((piece.start - epoch) // each == (piece.end - last - epoch) // each for piece in pieces)


def test_an_answer_is_whole_wherever_its_parts_end() -> None:
    head = (
        "#datatype,string,long,dateTime:RFC3339,double,string\r\n#group,false,false,false,false,true\r\n"
        "#default,_result,,,,\r\n,result,table,_time,_value,_field\r\n"
    )
    rows = "".join(f",,0,2026-01-01T00:00:{number % 60:02}Z,{number}.5,usage\r\n" for number in range(60_000))
    answer = f"{head}{rows}\r\n".encode()
    for cut in (0, 1, 2, 3, 4, 5):
        parts = [answer[: len(answer) - cut], answer[len(answer) - cut :]]
        found = [table for block in blocks(parts, FAILURES) for table in block]
        assert sum(table.num_rows for table in found) == 60_000
    for cut in (1, 2, 3, 4):
        with pytest.raises(StreamBroken):
            list(blocks([answer[: len(answer) - cut]], FAILURES))


@pytest.mark.parametrize("lines", range(1, 5))
def test_a_part_may_end_above_a_header(lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("influx_lake.sources.flux.annotated._BYTES_AT_ONCE", 1)
    text = answer({("a", ""): {1: {"f": 1.5}}}).splitlines(keepends=True)
    parts = [b"".join(text[:lines]), b"".join(text[lines:])]
    assert [table["_value"].to_pylist() for block in blocks(parts, FAILURES) for table in block] == [[1.5]]


def test_rows_of_another_table_between_those_of_one_are_refused() -> None:
    head = (
        "#datatype,string,long,dateTime:RFC3339,double,string,string\r\n#group,false,false,false,false,true,true\r\n"
        "#default,_result,,,,,\r\n,result,table,_time,_value,_field,host\r\n"
    )
    one, other = ",,0,2026-01-01T00:00:00Z,1.5,usage,a\r\n", ",,1,2026-01-01T00:00:00Z,1.5,usage,b\r\n"
    apart = head + one + other + one + "\r\n"
    with pytest.raises(UnexpectedAnswer, match="are not consecutive"):
        list(blocks([apart.encode()], FAILURES))
    [[table]] = blocks([(head + one + one + other + "\r\n").encode()], FAILURES)
    assert table["host"].to_pylist() == ["a", "a", "b"]
    [[table]] = blocks([(head + one + one + "\r\n").encode()], FAILURES)
    assert table["host"].to_pylist() == ["a", "a"]
