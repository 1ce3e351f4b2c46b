"""What CSV says of rows, once the query has told empty texts from none: exactly what InfluxDB holds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config import InfluxDB3Config, Secret
from influx_lake.config.connections import Protocol
from influx_lake.config.values.windows import Window
from influx_lake.errors import SourceError, StreamBroken, UnexpectedAnswer
from influx_lake.sandbox import Sandbox
from influx_lake.sources import open_source
from influx_lake.sources.http import HttpFailures
from influx_lake.sources.influxdb3.csv_rows import row_batches

DAY = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))
TIME = pa.field("time", pa.timestamp("ns"), nullable=False)
COLUMNS = pa.schema(
    [TIME, ("s", pa.string()), ("i", pa.int64()), ("u", pa.uint64()), ("f", pa.float64()), ("b", pa.bool_())]
)
FAILURES = HttpFailures(InfluxDB3Config(host="h", database="d"), "the server")
TEXTS = ["", "~", "~~", "a~", "null", '"', '""', "'", ",", "\n", "a\r\nb", "\r", "\\", "NaN", " ", "#", "7", "é€😀"]

texts = st.one_of(st.sampled_from(TEXTS), st.text(st.characters(exclude_categories=["Cs"])))
rows = st.tuples(
    st.integers(-(2**63), 2**63 - 1),
    st.none() | texts,
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.integers(0, 2**64 - 1),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.booleans(),
)


def cell(value: Any) -> str:
    """A value as the server says it, asked as it is."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"~{value}" if value == "" or str(value).startswith("~") else str(value)


def answer(points: list[tuple[Any, ...]]) -> bytes:
    sent = io.StringIO()
    # Which texts are quoted is the server's choice.
    csv.writer(sent, lineterminator="\n").writerow(COLUMNS.names)
    for point in points:
        cells = [cell(value) for value in point]
        cells[1] = '"' + cells[1].replace('"', '""') + '"' if set(cells[1]) & set(',"\r\n') else cells[1]
        sent.write(",".join(cells) + "\n")
    return sent.getvalue().encode()


def plain(came: pa.Table) -> list[tuple[Any, ...]]:
    return list(
        zip(came["time"].cast(pa.int64()).to_pylist(), *came.drop_columns(["time"]).to_pydict().values(), strict=False)
    )


@given(st.lists(rows, min_size=1), st.integers(1, 200))
def test_every_row_comes_as_it_is(points: list[tuple[Any, ...]], size: int) -> None:
    sent = answer(points)
    chunks = [sent[start : start + size] for start in range(0, len(sent), size)]
    came = pa.Table.from_batches(row_batches(chunks, COLUMNS, FAILURES), COLUMNS)
    assert repr(plain(came)) == repr(points)


def test_long_answers_come_in_parts_also_where_texts_hold_ends_of_lines() -> None:
    points = [(number, "~,\n" * 50 if number % 3 else None, number, 0, 0.5, None) for number in range(30_000)]
    sent = answer(points)
    chunks = [sent[start : start + 50_000] for start in range(0, len(sent), 50_000)]
    batches = list(row_batches(chunks, COLUMNS, FAILURES))
    assert len(batches) > 1
    came = pa.Table.from_batches(batches)
    assert came["s"].to_pylist() == [point[1] for point in points]
    assert came["i"].to_pylist() == [point[2] for point in points]


@given(st.lists(rows, min_size=1, max_size=5), st.data())
def test_a_cut_row_is_no_row(points: list[tuple[Any, ...]], data: st.DataObject) -> None:
    sent = answer(points)
    length = data.draw(st.integers(1, len(sent) - 1))
    try:
        came = sum(batch.num_rows for batch in row_batches([sent[:length]], COLUMNS, FAILURES))
    except StreamBroken:
        return
    # A cut between two rows shows in their number only.
    assert sent[length - 1 : length] == b"\n"
    assert came < len(points)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def read(box: Sandbox, protocol: Protocol, measurement: str) -> pa.Table:
    config = InfluxDB3Config(host=box.url, database="d", token=Secret(str(box.token)), protocol=protocol)
    source = open_source(config)
    try:
        with source.read(source.schema(measurement), DAY) as came:
            table = pa.Table.from_batches(came, came.schema)
    finally:
        source.close()
    plain = [
        pa.field(each.name, each.type.value_type, each.nullable) if pa.types.is_dictionary(each.type) else each
        for each in table.schema
    ]
    return table.cast(pa.schema(plain)).sort_by("time")


def test_over_http_comes_what_comes_over_flight(box: Sandbox) -> None:
    start = DAY.start_us * 1000
    lines = []
    for number, text in enumerate(TEXTS):
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'odd,tag=~{number} s="{escaped}" {start + number}')
        lines.append(f"odd f={0.1 * 3**number!r},i={-(2**63)}i,u={2**64 - 1 - number}u {start + 1000 + number}")
        lines.append(f"odd,tag=t b=false,f=-0.0 {start + 2000 + number}")
    box.write("d", "\n".join(lines))
    over_flight, over_http = read(box, Protocol.FLIGHT, "odd"), read(box, Protocol.HTTP, "odd")
    assert over_http.num_rows == len(lines)
    assert over_http.schema == over_flight.schema
    assert repr(plain(over_http)) == repr(plain(over_flight))


def test_a_table_that_was_made_anew_with_other_types_is_not_read_as_the_old_one(box: Sandbox) -> None:
    config = InfluxDB3Config(host=box.url, database="d", token=Secret(str(box.token)), protocol=Protocol.HTTP)
    source = open_source(config)
    try:
        box.write("d", f'was v=1i,w=1i {DAY.start_us * 1000}\nis v="7",w=1i {DAY.start_us * 1000}')
        known = source.schema("was")
        renamed = type(known)("is", known.columns)
        with pytest.raises(UnexpectedAnswer, match="other types than declared"), source.read(renamed, DAY) as came:
            list(came)
    finally:
        source.close()


def test_a_record_larger_than_a_document_may_be_is_refused() -> None:
    failures = HttpFailures(InfluxDB3Config(host="h", database="d", max_document=1000), "the server")
    sent = answer([(0, "x" * 2000, 0, 0, 0.5, True)])
    with pytest.raises(SourceError, match="max_document"):
        list(row_batches([sent], COLUMNS, failures))
