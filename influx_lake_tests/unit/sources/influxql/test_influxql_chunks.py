"""What comes from InfluxQL is what was sent, in either way of reading it."""

from __future__ import annotations

import json
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config.connections import InfluxDB1Config
from influx_lake.errors import LakeError, QueryRejected, StreamBroken, UnexpectedAnswer
from influx_lake.sources.http import HttpFailures
from influx_lake.sources.http.documents import lines
from influx_lake.sources.influxql.chunks import RowChunks
from influx_lake.sources.influxql.results import read_series

TYPES = [pa.int64(), pa.string(), pa.float64(), pa.int64(), pa.uint64(), pa.bool_()]
FAILURES = HttpFailures(InfluxDB1Config(type="influxdb1", host="h", database="d"), "the server")

texts = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["null", "", "],[", '],["', "],[1,", "[[", "]]", '"values":[[', "true", "1.5", " ", "\\", '"', "\n", ","]
)
row = st.tuples(
    st.integers(-(2**63), 2**63 - 1),
    st.none() | texts,
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.integers(0, 2**64 - 1),
    st.none() | st.booleans(),
)


def document(rows: Any, *, partial: bool = False, **more: Any) -> bytes:
    series = {"name": "m", "columns": list("tsfiub"), "values": rows, **({"partial": True} if partial else {})}
    result = {"statement_id": 0, "series": [series], **({"partial": True} if partial else {}), **more}
    return json.dumps({"results": [result]}, separators=(",", ":"), ensure_ascii=False).encode()


def chunks() -> RowChunks:
    return RowChunks("m", ["t", *"sfiub"], TYPES, FAILURES)


@given(st.lists(row, min_size=1, max_size=12, unique_by=itemgetter(0)), st.integers(1, 5), st.booleans())
def test_every_value_comes_as_it_was_sent(rows: list[tuple[Any, ...]], size: int, escaped: bool) -> None:
    rows = sorted(rows, key=itemgetter(0))
    sent = [rows[start : start + size] for start in range(0, len(rows), size)]
    if escaped:  # one escape sends the whole chunk the other way
        sent = [[*part, (part[-1][0], "\n", None, None, None, None)] for part in sent]
    documents = [document(part, partial=place < len(sent) - 1) for place, part in enumerate(sent)]
    batches = list(chunks().batches(documents))
    assert [batch.schema.types for batch in batches] == [TYPES] * len(sent)
    came = [tuple(row.values()) for batch in batches for row in batch.to_pylist()]
    assert came == [tuple(row) for part in sent for row in part]


def test_a_float_without_a_fraction_is_exact() -> None:
    text = document([[1, None, 0, None, None, None]]).replace(b"null,0,", b"null,123456789012345678,")
    (plain,) = chunks().batches([text])
    (escaped,) = chunks().batches([text.replace(b'"m"', b'"\\u006d"')])
    assert plain.column(2).to_pylist() == escaped.column(2).to_pylist() == [float("123456789012345678")]


def test_a_zero_keeps_its_sign() -> None:
    text = document([[1, None, 5, None, None, None]]).replace(b"null,5,", b"null,-0,")
    for each in (text, text.replace(b'"m"', b'"\\u006d"')):
        (batch,) = chunks().batches([each])
        assert str(batch.column(2)[0].as_py()) == "-0.0"


def test_points_of_one_time_are_alike_where_their_tags_were_not_selected() -> None:
    alike = document([[1, "a", 1.5, 1, 1, True]] * 2, partial=True), document([[1, "a", 1.5, 1, 1, True]] * 2)
    again = [*alike[:1], *alike]
    documents = [document([[1, None, None, 1, None, None]], partial=True), *again]
    with pytest.raises(UnexpectedAnswer, match="repeated"):
        list(chunks().batches(documents))
    tagless = RowChunks("m", ["t", *"sfiub"], TYPES, FAILURES, may_be_alike=True)
    assert [len(batch) for batch in tagless.batches(documents)] == [1, 2, 2, 2]
    twice = document([[1, "a", None, 1, 1, True], [2, "a", None, 1, 1, True]], partial=True)
    with pytest.raises(UnexpectedAnswer, match="repeated"):
        list(RowChunks("m", ["t", *"sfiub"], TYPES, FAILURES, may_be_alike=True).batches([twice, twice]))


@pytest.mark.parametrize(
    ("documents", "error"),
    [
        ([b'{"error":"bad"}'], QueryRejected),
        ([b'{"results":[{"statement_id":0,"error":"killed by somebody"}]}'], QueryRejected),
        ([document([[1, "a", 1.5, 1, 1, True]], partial=True), b'{"results":[{"error":"no"}]}'], QueryRejected),
        ([document([[1, "a", 1.5, 1, 1, True]], error="half of it")], QueryRejected),
        ([document([[1, "a", 1.5, 1, 1, True]], partial=True)], StreamBroken),
        ([document([[1, "a", 1.5, 1, 1, True]])[:-9]], StreamBroken),
        ([document([[1, "a"]])], UnexpectedAnswer),
        ([document([[1, 2, 3, 4, 5, "x"]])], UnexpectedAnswer),
        ([b"[]"], UnexpectedAnswer),
        ([b'{"results":[]}'], UnexpectedAnswer),
    ],
)
def test_an_answer_that_is_not_whole_is_an_error(documents: list[bytes], error: type[LakeError]) -> None:
    with pytest.raises(error):
        list(chunks().batches(documents))


def test_an_answer_without_rows_is_one() -> None:
    assert list(chunks().batches([b'{"results":[{"statement_id":0}]}'])) == []


def test_small_answers_need_their_end_too() -> None:
    with pytest.raises(StreamBroken):
        list(read_series([document([[1, "a", 1.5, 1, 1, True]], partial=True)], FAILURES))


@given(st.lists(st.binary().map(lambda text: text.replace(b"\n", b"").strip() or b"x")), st.integers(1, 9))
def test_lines_are_whole_however_they_come(documents: list[bytes], size: int) -> None:
    stream = b"\n".join(documents) + b"\n"
    chunks = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert [line.rstrip(b"\n") for line in lines(chunks, FAILURES)] == documents
