"""Answers in InfluxQL that hold something else than was asked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from influx_lake.config import Secret
from influx_lake.errors import QueryRejected, ResultLimitExceeded, SourceError, StreamBroken, UnexpectedAnswer
from influx_lake.sources.http.documents import json_of, not_json
from influx_lake_tests.unit.sources.lies import truth
from influx_lake_tests.unit.sources.lies.server import Http
from influx_lake_tests.unit.sources.lies.speakers import SPEAKERS, Lie, fails, outcome


def _documents(change: Callable[[list[bytes]], list[bytes]]) -> Lie:
    return lambda body, kind, server: [Http(b"".join(change(truth.influxql_rows())), kind).chunked()]


def _values(old: str, new: str) -> Lie:
    return _documents(lambda them: [part.replace(old.encode(), new.encode()) for part in them])


NAMES = list(truth.NAMES)
OF_INFLUXQL: dict[str, tuple[Lie, type[SourceError], str]] = {
    "a document twice": (_documents(lambda them: [them[0], *them]), UnexpectedAnswer, "rows are repeated"),
    "documents in another order": (
        _documents(lambda them: [them[1], them[0], them[2]]),
        UnexpectedAnswer,
        "not sorted by time",
    ),
    "rows in another order": (
        lambda body, kind, server: [Http(truth.document(truth.points_in(NAMES)[::-1]), kind).chunked()],
        UnexpectedAnswer,
        "not sorted by time",
    ),
    "a document behind the end": (
        _documents(lambda them: [*them, them[2]]),
        UnexpectedAnswer,
        "after its last document",
    ),
    "an empty document behind the end": (
        _documents(lambda them: [*them, truth.EMPTY]),
        UnexpectedAnswer,
        "after its last document",
    ),
    "the first document only": (_documents(lambda them: them[:1]), StreamBroken, "announced more"),
    "all but the last document": (_documents(lambda them: them[:2]), StreamBroken, "announced more"),
    "an answer to another statement": (
        _values('"statement_id":0', '"statement_id":1'),
        UnexpectedAnswer,
        "statement_id 1",
    ),
    "no statement, and no rows": (
        _documents(lambda them: [b'{"results":[{}]}\n']),
        UnexpectedAnswer,
        "statement_id None",
    ),
    "two results": (
        _documents(lambda them: [b'{"results":[{"statement_id":0},{"statement_id":1}]}']),
        UnexpectedAnswer,
        "",
    ),
    "an empty object": (_documents(lambda them: [b"{}\n"]), UnexpectedAnswer, "one statement"),
    "a list": (_documents(lambda them: [b"[]\n"]), UnexpectedAnswer, "not an object"),
    "a word": (_documents(lambda them: [b'"ok"\n']), UnexpectedAnswer, "not an object"),
    "nested without end": (
        _documents(lambda them: [b'{"results":' + b"[" * 100_000 + b"\n"]),
        UnexpectedAnswer,
        "nested",
    ),
    "an error behind the rows": (
        _documents(lambda them: [*them[:2], b'{"error":"engine: file is gone"}\n']),
        QueryRejected,
        "file is gone",
    ),
    "an error of the statement behind the rows": (
        _documents(lambda them: [*them, b'{"results":[{"statement_id":0,"error":"disk on fire"}]}\n']),
        QueryRejected,
        "disk on fire",
    ),
    "an error in place of rows": (
        _documents(lambda them: [b'{"error":"max-select-point limit exceeed: (10/5)"}']),
        ResultLimitExceeded,
        "longest_query",
    ),
    "rows of another measurement": (
        _values('"name":"cpu"', '"name":"mem"'),
        UnexpectedAnswer,
        "the response has rows of ['mem']",
    ),
    "swapped columns": (_values('"n","txt"', '"txt","n"'), UnexpectedAnswer, "instead of"),
    "a column less": (_values('"txt",', ""), UnexpectedAnswer, ""),
    "the time last": (_values('"time","host"', '"host","time"'), UnexpectedAnswer, "instead of"),
    "texts for numbers": (_values("0.5]", '"0.5"]'), UnexpectedAnswer, ""),
    "a text for a float": (_values("1.5]", '"1.5"]'), UnexpectedAnswer, "'1.5' is not of type double"),
    "a text for an integer": (_values(',3,"t3"', ',"3","t3"'), UnexpectedAnswer, "'3' is not of type int64"),
    "a number for a text": (_values('"t3"', "33"), UnexpectedAnswer, "'33' is not of type string"),
    "an integer that became a float": (
        _values(',3,"t3"', ',3.75,"t3"'),
        UnexpectedAnswer,
        "'3.75' is not of type int64",
    ),
    "a fraction beside an escape": (
        _documents(lambda them: [part.replace(b',3,"t3"', b',3.75,"\\u00e9"') for part in them]),
        UnexpectedAnswer,
        "'3.75' is not of type int64",
    ),
    "truth for a number": (
        _documents(lambda them: [part.replace(b"3.5]", b"true]").replace(b"t3", b"\\u00e9") for part in them]),
        UnexpectedAnswer,
        "'True' is not of type double",
    ),
    "an integer of 65 bits": (_values(',3,"t3"', ',36893488147419103232,"t3"'), UnexpectedAnswer, "column's type"),
    "a list for a value": (_values(',3,"t3"', ',[3],"t3"'), UnexpectedAnswer, "is not of type int64"),
    "half a character": (_values('"t3"', '"\\ud800"'), UnexpectedAnswer, ""),
    "a row without a time": (_values("[1767225603000000000,", "[null,"), UnexpectedAnswer, "without a time"),
    "a time in words": (_values("1767225603000000000,", '"2026-01-01T00:00:03Z",'), UnexpectedAnswer, ""),
    "a shorter row": (_values(',"t3",3.5]', ',"t3"]'), UnexpectedAnswer, "other lengths"),
    "a row that is none": (
        _documents(lambda them: [truth.document([]).replace(b"[]", b"[7]", 1)]),
        UnexpectedAnswer,
        "",
    ),
    "a series without rows": (_documents(lambda them: [truth.document([])]), UnexpectedAnswer, "a series without rows"),
    "two series": (
        _documents(lambda them: [b"".join(them[2].rsplit(b"]}]}", 1)[:1]) + b"," + them[2].split(b'"series":[')[1]]),
        UnexpectedAnswer,
        "",
    ),
}


@pytest.mark.parametrize("lie", OF_INFLUXQL)
def test_a_lie_in_influxql(lie: str) -> None:
    fails(SPEAKERS["influxdb1"], *OF_INFLUXQL[lie])


@pytest.mark.parametrize("framing", Http().framings())
def test_no_rows_are_none_if_a_document_says_so(framing: str) -> None:
    assert outcome(SPEAKERS["influxdb1"], lambda *_: [Http(truth.EMPTY).framings()[framing]]) == []


def test_what_a_server_says_beside_the_rows_is_logged_once_for_a_load(caplog: pytest.LogCaptureFixture) -> None:
    said = b'"messages":[{"level":"warning","text":"data missing: shard 5 unavailable"}],"statement_id":0'
    lie = _documents(lambda them: [part.replace(b'"statement_id":0', said) for part in them])
    came = outcome(SPEAKERS["influxdb1"], lie)
    assert isinstance(came, list), came
    warnings = [each.getMessage() for each in caplog.records if "shard 5" in each.getMessage()]
    assert len(warnings) == 1
    assert "InfluxDB 1 at 127.0.0.1" in warnings[0]
    assert "cpu" in warnings[0]
    assert warnings[0].endswith("the server's response has a message: warning: data missing: shard 5 unavailable")


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"Bad Gateway\n", "the response is not JSON: 'Bad Gateway"),
        (b'{"results":[]} <html>\n', "from character 16 on: '<html>"),
        (b'{"results":[1,\n', 'it ends in the middle, after \'{"results":[1,'),
        (b'{"results":["\xe4"]}\n', "byte 14 is not UTF-8"),
        (b'{"results":NaN}\n', "it holds NaN"),
        (b"x" * 300 + b"\n", "x', and more"),
    ],
)
def test_what_came_in_place_of_json_is_shown(sent: bytes, says: str) -> None:
    came = outcome(SPEAKERS["influxdb1"], lambda body, kind, server: [Http(sent, kind).chunked()])
    assert isinstance(came, UnexpectedAnswer)
    assert says in str(came), came
    assert "line 1 column" not in str(came)


def test_a_secret_in_what_came_is_not_shown() -> None:
    text = "Authorization: Token " + Secret("7kQ9-secret-value").reveal()
    for sent in (text, text[21:]):
        with pytest.raises(ValueError, match=r"line 1") as raised:
            json_of(sent.encode())
        assert "secret-value" not in not_json(sent.encode(), raised.value)
    assert not_json(b" ", ValueError()) == "the response is empty, and not JSON"
