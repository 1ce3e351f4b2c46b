"""Of an answer nothing but all of it is taken for all of it, wherever it was cut and however its end is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influx_lake.config.connections import InfluxDB2Config
from influx_lake.errors import SourceError, StreamBroken
from influx_lake.sources.flux.annotated import blocks
from influx_lake.sources.http import HttpFailures
from influx_lake.sources.http.documents import lines
from influx_lake.sources.influxdb3 import csv_rows
from influx_lake.sources.influxdb3.json_rows import row_batches, rows_at_once
from influx_lake.sources.influxql.results import read_series
from influx_lake_tests.unit.sources.lies import truth
from influx_lake_tests.unit.sources.lies.server import Asked, Http, LyingServer, Sent, lying
from influx_lake_tests.unit.sources.lies.speakers import SPEAKERS, outcome

FAILURES = HttpFailures(InfluxDB2Config(type="influxdb2", host="h", org="o", bucket="b"), "the server")
LIST = b"".join(
    truth.document([["f", "float"]], ["fieldKey", "fieldType"], name=name, **({"partial": True} if more else {}))
    for name, more in (("cpu", True), ("disk", True), ("mem", False))
)
COLUMNS = truth.COLUMNS


def taken(read: Callable[[list[bytes]], object], answer: bytes) -> set[int]:
    """The lengths of the beginnings that are taken for a whole answer. Others are what can pass: a server broke."""
    return {length for length in range(len(answer) + 1) if not _breaks(read, answer[:length])}


def _breaks(read: Callable[[list[bytes]], object], answer: bytes) -> bool:
    try:
        read([answer])
    except StreamBroken:
        return True
    return False


def test_of_a_list_in_influxql() -> None:
    found = taken(lambda chunks: list(read_series(lines(chunks, FAILURES), FAILURES)), LIST)
    assert found == {len(LIST) - 1, len(LIST)}, "the end of the last line may be missing"


def test_of_a_list_in_sql() -> None:
    sent = b"[" + b",".join(line.strip() for line in truth.sql_rows()) + b"]"
    assert taken(lambda chunks: rows_at_once(chunks, COLUMNS, FAILURES), sent) == {len(sent)}


def test_of_rows_in_sql_what_is_cut_between_two_is_left_to_the_count() -> None:
    sent = truth.sql_rows()
    ends = {0, *accumulate(map(len, sent))}
    found = taken(lambda chunks: list(row_batches(chunks, COLUMNS, FAILURES)), b"".join(sent))
    assert found == ends | {end - 1 for end in ends if end}


def test_of_records_in_sql_what_is_cut_between_two_is_left_to_the_count() -> None:
    sent = truth.csv_rows()
    header = sent[0].index(b"\n")
    found = taken(lambda chunks: list(csv_rows.row_batches(chunks, COLUMNS, FAILURES)), b"".join(sent))
    assert found == {0, header + 1, *accumulate(map(len, sent))}


@pytest.mark.slow
def test_of_flux_what_is_cut_between_two_blocks_is_left_to_the_count() -> None:
    sent = truth.flux_rows()
    found = taken(lambda chunks: list(blocks(chunks, FAILURES)), b"".join(sent))
    assert found == set(accumulate(map(len, sent)))


def test_an_answer_of_flux_without_rows() -> None:
    assert taken(lambda chunks: list(blocks(chunks, FAILURES)), b"\r\n") == {2}
    assert taken(lambda chunks: list(blocks(chunks, FAILURES, results=2)), b"\r\n\r\n") == {4}


@pytest.mark.parametrize("name", SPEAKERS)
@pytest.mark.parametrize("framing", Http().framings())
def test_of_rows_cut_where_it_looks_whole(name: str, framing: str) -> None:
    parts = SPEAKERS[name].parts()
    for end in list(accumulate(map(len, parts)))[:-1]:
        for length in (end - 1, end, end + 1):
            check(name, framing, length)


@settings(max_examples=40)
@given(st.sampled_from(list(SPEAKERS)), st.sampled_from(list(Http().framings())), st.floats(0, 1, exclude_max=True))
def test_of_rows_cut_anywhere(name: str, framing: str, share: float) -> None:
    check(name, framing, int(share * (len(SPEAKERS[name].whole) - 1)))


def check(name: str, framing: str, length: int) -> None:
    """Have a load read an answer of which only a part comes, whole as HTTP has it."""

    def tell(body: bytes, kind: str, server: LyingServer) -> list[Sent]:
        return [Http(body[:length], kind).framings()[framing]]

    assert isinstance(outcome(SPEAKERS[name], tell), SourceError), (name, framing, length)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97])
@pytest.mark.parametrize(
    ("name", "words"), [("influxdb1", "SHOW"), ("flux", "first()"), ("influxdb3", "influxdb_schema")]
)
def test_a_schema_is_whole_too(name: str, words: str, share: float) -> None:
    """A column less would be one that is left out of all rows."""
    speaker = SPEAKERS[name]

    def answer(asked: Asked) -> Iterator[Sent]:
        told = speaker.others(asked) or speaker.whole
        cut = int(len(told) * share) if words in asked.statement or words.encode() in asked.body else len(told)
        yield Http(told[:cut], speaker.kind).sized()

    with lying(answer) as server:
        try:
            assert truth.load(speaker.config(server.url)) == truth.POINTS
        except SourceError:
            assert server.asked
