"""Answers of InfluxDB 3 over HTTP that hold something else than was asked for."""

from __future__ import annotations

import json
from collections.abc import Callable

import pyarrow as pa
import pytest

from influx_lake.errors import DatabaseNotFound, RowsMissing, StreamBroken, UnexpectedAnswer
from influx_lake.sources.http import HttpFailures
from influx_lake.sources.influxdb3.json_rows import row_batches, rows_at_once
from influx_lake_tests.unit.sources.lies import truth
from influx_lake_tests.unit.sources.lies.server import Http
from influx_lake_tests.unit.sources.lies.speakers import SPEAKERS, Lie, Outcome, fails, outcome, text


def _lines(change: Callable[[list[bytes]], list[bytes]]) -> Lie:
    return lambda body, kind, server: [Http(b"".join(change(truth.sql_rows())), kind).chunked()]


OF_SQL: dict[str, tuple[Lie, Outcome, str]] = {
    "a row less": (_lines(lambda them: them[:-1]), RowsMissing, "5 rows arrived"),
    "a row twice": (_lines(lambda them: [*them, them[0]]), RowsMissing, "7 rows arrived"),
    "a list of rows": (_lines(lambda them: [b"[" + b",".join(them) + b"]"]), (UnexpectedAnswer, StreamBroken), ""),
    "a list on a line": (_lines(lambda them: [b"[]\n"]), UnexpectedAnswer, "a line is not a row: '[]'"),
    "a number for a row": (_lines(lambda them: [*them, b"7\n"]), UnexpectedAnswer, "a line is not a row"),
    "two rows on a line": (_lines(lambda them: [them[0].strip() + them[1], *them[2:]]), UnexpectedAnswer, "row"),
    "a column of the future": (text('"n":', '"m":'), UnexpectedAnswer, "not requested: 'm'"),
    "a text for a number": (text('"n":3', '"n":"3"'), UnexpectedAnswer, "from number to string"),
    "a float for an integer": (text('"n":3', '"n":3.5'), UnexpectedAnswer, "3.5"),
    "an integer of 65 bits": (text('"n":3', '"n":36893488147419103232'), UnexpectedAnswer, "36893488147419103232"),
    "no time": (text('"time":1767225603000000000,', ""), UnexpectedAnswer, "have no time"),
    "an error in place of rows": (
        _lines(lambda them: [b'{"error":"disk on fire"}\n']),
        StreamBroken,
        ": disk on fire.",
    ),
    "an error behind the rows": (
        _lines(lambda them: [*them, b'{"error":"external error: disk on fire"}\n']),
        StreamBroken,
        "broke off: external error: disk on fire.",
    ),
    "an error that means something": (
        _lines(lambda them: [*them, b'{"error":"query error: database not found: d"}\n']),
        DatabaseNotFound,
        "",
    ),
    "words behind the rows": (
        _lines(lambda them: [*them, b"Error: disk on fire\n"]),
        UnexpectedAnswer,
        "a line is not a row: 'Error: disk on fire'",
    ),
    "words at the end": (_lines(lambda them: [*them, b"Error: disk on"]), UnexpectedAnswer, "'Error: disk on'"),
    "nested without end": (text('"n":3', '"n":' + "[" * 100_000), (UnexpectedAnswer, StreamBroken), ""),
}


@pytest.mark.parametrize("lie", OF_SQL)
def test_a_lie_over_http(lie: str) -> None:
    fails(SPEAKERS["influxdb3"], *OF_SQL[lie])


def _records(change: Callable[[list[bytes]], list[bytes]]) -> Lie:
    return lambda body, kind, server: [Http(b"".join(change(truth.csv_rows())), kind).chunked()]


OF_CSV: dict[str, tuple[Lie, Outcome, str]] = {
    "nothing at all": (_records(lambda them: []), RowsMissing, "0 rows arrived"),
    "a row less": (_records(lambda them: them[:-1]), RowsMissing, "5 rows arrived"),
    "a row twice": (_records(lambda them: [*them, them[-1]]), RowsMissing, "7 rows arrived"),
    "another name": (text(",n,", ",m,"), UnexpectedAnswer, "the header is not that of"),
    "the names in another order": (text("time,host", "host,time"), UnexpectedAnswer, "the header is not that of"),
    "the names once more": (_records(lambda them: [*them, them[0]]), UnexpectedAnswer, "a row cannot be read"),
    "no names": (_records(lambda them: them[1:]), UnexpectedAnswer, "the header is not that of"),
    "a value less": (text(",3,t3", ",t3"), UnexpectedAnswer, "Expected 5 columns, got 4"),
    "a value more": (text(",3,t3", ",3,t3,t3"), UnexpectedAnswer, "Expected 5 columns, got 6"),
    "a line without anything": (text("t3,3.5\n", "t3,3.5\n\n"), UnexpectedAnswer, "a row cannot be read"),
    "a text for a number": (text(",3,t3", ",three,t3"), UnexpectedAnswer, "three"),
    "a float for an integer": (text(",3,t3", ",3.5,t3"), UnexpectedAnswer, "3.5"),
    "an integer of 65 bits": (text(",3,t3", ",36893488147419103232,t3"), UnexpectedAnswer, "36893488147419103232"),
    "no number": (text("3.5", "NaN"), UnexpectedAnswer, "NaN"),
    "no time": (text("1767225603000000000,", ","), UnexpectedAnswer, "have no time"),
    "a time as text": (text("1767225603000000000", "2026-01-01T00:00:03"), UnexpectedAnswer, "2026-01-01T00:00:03"),
    "a quote that does not end": (text("t3", '"t3'), StreamBroken, ""),
    "no UTF-8": (
        lambda body, kind, server: [Http(body.replace(b"t3", b"\xff3"), kind).chunked()],
        UnexpectedAnswer,
        "UTF8",
    ),
    "an error in place of rows": (
        _records(lambda them: [b'{"error":"disk on fire"}\n']),
        StreamBroken,
        "disk on fire.",
    ),
    "an error behind the rows": (
        _records(lambda them: [*them, b'{"error":"external error: disk on fire"}\n']),
        StreamBroken,
        "broke off: external error: disk on fire.",
    ),
    "an error that means something": (
        _records(lambda them: [*them, b'{"error":"query error: database not found: d"}\n']),
        DatabaseNotFound,
        "",
    ),
    "words behind the rows": (_records(lambda them: [*them, b"Error: disk on fire\n"]), UnexpectedAnswer, "got 1"),
}


@pytest.mark.parametrize("lie", OF_CSV)
def test_a_lie_in_csv(lie: str) -> None:
    fails(SPEAKERS["influxdb3-csv"], *OF_CSV[lie])


def test_switching_off_what_cannot_be_switched_off_is_no_remedy() -> None:
    over_http = outcome(SPEAKERS["influxdb3"], OF_SQL["a row less"][0])
    in_flux = outcome(SPEAKERS["flux"], lambda body, kind, server: [Http(b"\r\n", kind).chunked()])
    for came in (over_http, in_flux):
        assert isinstance(came, RowsMissing)
        assert "confirm_rows" not in str(came)


def test_braces_in_texts_are_no_rows() -> None:
    points = [json.loads(line) for line in truth.sql_rows()]
    points[3]["txt"] = '}\n{"a": [}'
    sent = "".join(json.dumps(point) + "\n" for point in points).encode()
    came = outcome(SPEAKERS["influxdb3"], lambda body, kind, server: [Http(sent, kind).sized()])
    assert isinstance(came, list)
    assert [row["txt"] for row in came] == [point["txt"] for point in points]


def test_a_field_named_error_is_a_column() -> None:
    columns = pa.schema([pa.field("time", pa.timestamp("ns"), nullable=False), pa.field("error", pa.string())])
    failures = HttpFailures(truth.influxdb3("http://127.0.0.1:1"), "the server")
    sent = b'{"time":1767225603000000000,"error":"disk on fire"}\n'
    [batch] = row_batches([sent], columns, failures)
    assert batch.column("error").to_pylist() == ["disk on fire"]
    with pytest.raises(StreamBroken, match="out of memory"):
        list(row_batches([sent + b'{"error":"out of memory"}\n'], columns, failures))
    with pytest.raises(StreamBroken, match="out of memory"):
        rows_at_once([b'[{"error":"out of memory","code":1}]'], columns, failures)
