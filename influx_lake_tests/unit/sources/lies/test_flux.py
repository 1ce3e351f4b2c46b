"""Answers in Flux that hold something else than was asked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from influx_lake.errors import QueryRejected, RowsMissing, StreamBroken, UnexpectedAnswer
from influx_lake_tests.unit.sources.lies import truth
from influx_lake_tests.unit.sources.lies.server import Http
from influx_lake_tests.unit.sources.lies.speakers import SPEAKERS, Lie, Outcome, fails, text


def _blocks(change: Callable[[list[bytes]], list[bytes]]) -> Lie:
    return lambda body, kind, server: [Http(b"".join(change(truth.flux_rows())), kind).chunked()]


FLUX_ERROR = b"\r\n#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n,disk on fire,\r\n"
OF_FLUX: dict[str, tuple[Lie, Outcome, str]] = {
    "an error behind the rows": (
        _blocks(lambda them: [*them[:-1], them[-1][:-2], FLUX_ERROR]),
        QueryRejected,
        "disk on fire",
    ),
    "an error in place of rows": (_blocks(lambda them: [FLUX_ERROR.lstrip()]), QueryRejected, "disk on fire"),
    "a block less": (_blocks(lambda them: them[:-1]), RowsMissing, "values of 'usage'"),
    "no rows where there are some": (_blocks(lambda them: [b"\r\n"]), RowsMissing, "arrived"),
    "two ends": (_blocks(lambda them: [b"\r\n\r\n"]), StreamBroken, ""),
    "a row less": (text(",,0,2026-01-01T00:00:02Z,2,n,h0\r\n", ""), RowsMissing, "values of 'n'"),
    "a row twice": (
        text(",,0,2026-01-01T00:00:02Z,2,n,h0\r\n", ",,0,2026-01-01T00:00:02Z,2,n,h0\r\n" * 2),
        UnexpectedAnswer,
        "duplicated",
    ),
    "a block twice": (_blocks(lambda them: [them[0], *them]), UnexpectedAnswer, "duplicated"),
    "a series that comes again": (_blocks(lambda them: [*them, them[0]]), UnexpectedAnswer, "not consecutive"),
    "times backwards": (text("00:00:02Z,2,n", "00:00:00Z,2,n"), UnexpectedAnswer, "not sorted by time"),
    "no value": (text(",2,n,h0", ",,n,h0"), UnexpectedAnswer, "_value"),
    "no time": (text("2026-01-01T00:00:02Z,2,n", ",2,n"), UnexpectedAnswer, "_time"),
    "no number of a table": (text(",,0,2026-01-01T00:00:02Z", ",,,2026-01-01T00:00:02Z"), UnexpectedAnswer, "table"),
    "a text for a number": (text(",2,n,h0", ",two,n,h0"), (UnexpectedAnswer, StreamBroken), "'two'"),
    "another type in the middle": (
        text("long,string,string", "double,string,string", 2),
        UnexpectedAnswer,
        "'n' (float)",
    ),
    "a type of the future": (text(",long,string,string", ",decimal,string,string"), UnexpectedAnswer, "'decimal'"),
    "values that are times": (
        text("long,string,string", "dateTime:RFC3339,string,string"),
        (UnexpectedAnswer, StreamBroken),
        "",
    ),
    "no column of fields": (
        text("_value,_field,host", "_value,_name,host", 9),
        UnexpectedAnswer,
        "the response has rows of",
    ),
    "a column twice": (text("_value,_field,host", "_value,_value,host"), UnexpectedAnswer, "annotated CSV"),
    "no annotations": (text("#datatype", ""), UnexpectedAnswer, "annotated CSV"),
    "a quote without end in an annotation": (
        text("#group,false", '#group,"false'),
        (UnexpectedAnswer, StreamBroken),
        "",
    ),
    "a quote without end in a row": (text(",t0,txt", ',"t0,txt'), (UnexpectedAnswer, StreamBroken), ""),
    "a field that nobody knows": (text(",n,h0", ",m,h0", 9), UnexpectedAnswer, "after the load had begun"),
    "lines that end as on Unix": (
        lambda body, kind, server: [Http(body.replace(b"\r", b""), kind).sized()],
        StreamBroken,
        "",
    ),
}


@pytest.mark.parametrize("lie", OF_FLUX)
def test_a_lie_in_flux(lie: str) -> None:
    fails(SPEAKERS["flux"], *OF_FLUX[lie])
