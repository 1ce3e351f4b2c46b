"""Servers that lie over Flight."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from influx_lake.config import InfluxDB3Config
from influx_lake.errors import (
    MeasurementNotFound,
    RowsMissing,
    SourceError,
    SourceTimeout,
    StreamBroken,
    UnexpectedAnswer,
)
from influx_lake_tests.unit.sources.lies import truth
from influx_lake_tests.unit.sources.scripted_server import ScriptedServer, table_stream

KINDS = {"time": "time", "host": "tag", "n": "integer", "txt": "string", "usage": "float"}
TABLE = pa.Table.from_pylist(truth.POINTS, truth.COLUMNS)


def outcome(rows: fl.FlightDataStream, *, kinds: dict[str, Any] = KINDS, count: Any = 6, **options: Any) -> Any:
    """What a load ends in from a server that tells the truth to all but the question for rows."""

    def answer(sql: str, _: fl.ServerCallContext) -> fl.FlightDataStream:
        if "influxdb_schema" in sql:
            return table_stream(pa.table({"key": list(kinds), "data_type": list(kinds.values())}))
        return table_stream(pa.table({"rows": [count]})) if "count(*)" in sql else rows

    with ScriptedServer() as server:
        server.answer = answer
        config = InfluxDB3Config(host=f"http://127.0.0.1:{server.port}", database="d", **truth.patient(**options))
        try:
            return truth.load(config)
        except SourceError as error:
            return error


def change(name: str, values: list[Any], kind: pa.DataType | None = None) -> pa.Table:
    place = TABLE.column_names.index(name)
    return TABLE.set_column(place, pa.field(name, kind or TABLE.schema.field(name).type), pa.array(values, kind))


def damaged() -> pa.Table:
    """Texts that are no UTF-8."""
    latin = pa.array([b"\xe9"] * 6, pa.binary())
    return TABLE.set_column(3, "txt", pa.Array.from_buffers(pa.string(), 6, latin.buffers()))


def test_the_truth() -> None:
    assert outcome(table_stream(TABLE)) == truth.POINTS


@pytest.mark.parametrize(
    ("table", "kind", "says"),
    [
        (TABLE.slice(1), RowsMissing, "5 rows arrived"),
        (pa.concat_tables([TABLE, TABLE]), RowsMissing, "12 rows arrived"),
        (TABLE.slice(0, 0), RowsMissing, "0 rows arrived"),
        (TABLE.drop_columns(["txt"]), UnexpectedAnswer, "and the query is for"),
        (TABLE.select(["host", "time", "n", "txt", "usage"]), UnexpectedAnswer, "and the query is for"),
        (TABLE.rename_columns(["time", "host", "n", "n", "usage"]), UnexpectedAnswer, "and the query is for"),
        (change("n", [1.5] * 6, pa.float64()), UnexpectedAnswer, "'n' is declared integer"),
        (change("n", ["1"] * 6, pa.string()), UnexpectedAnswer, "'n' is declared integer"),
        (change("n", [1] * 6, pa.uint64()), UnexpectedAnswer, "'n' is declared integer"),
        (change("time", [None] * 6, pa.timestamp("ns")), UnexpectedAnswer, "have no time"),
        (change("time", [2**62] * 6, pa.timestamp("us")), UnexpectedAnswer, "cannot be converted"),
        (change("time", [truth.NS + 60 * 10**9] * 6, pa.timestamp("ns")), UnexpectedAnswer, "of another time"),
        (damaged(), UnexpectedAnswer, "damaged"),
    ],
)
def test_rows_that_are_not_right(table: pa.Table, kind: type[SourceError], says: str) -> None:
    came = outcome(table_stream(table))
    assert isinstance(came, kind), came
    assert says in str(came)
    assert came.window == str(truth.WINDOW)


def failing(error: Exception) -> Callable[[], Iterator[pa.RecordBatch]]:
    def batches() -> Iterator[pa.RecordBatch]:
        yield from TABLE.slice(0, 3).to_batches()
        raise error

    return batches


def test_a_stream_that_breaks() -> None:
    for error in (fl.FlightInternalError("disk on fire"), fl.FlightCancelledError("no more"), ValueError("a bug")):
        came = outcome(fl.GeneratorStream(TABLE.schema, failing(error)()))
        assert isinstance(came, (StreamBroken, SourceError))
        assert came.window == str(truth.WINDOW)


def test_a_message_that_is_too_large_names_the_option() -> None:
    came = outcome(table_stream(change("txt", ["x" * 400_000] * 6)), max_document=1_000_000)
    assert isinstance(came, StreamBroken)
    assert "`max_document` (1MB)" in str(came)


def test_a_stream_that_stalls() -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        while True:
            yield pa.RecordBatch.from_pylist([], TABLE.schema)

    came = outcome(fl.GeneratorStream(TABLE.schema, batches()), timeout=timedelta(seconds=1))
    assert isinstance(came, SourceTimeout)


@pytest.mark.parametrize(
    ("kinds", "kind"),
    [
        ({}, MeasurementNotFound),
        ({"host": "tag"}, UnexpectedAnswer),
        ({**KINDS, "n": "decimal"}, UnexpectedAnswer),
        ({**KINDS, "n": None}, UnexpectedAnswer),
    ],
)
def test_odd_schemas(kinds: dict[str, Any], kind: type[SourceError]) -> None:
    assert isinstance(outcome(table_stream(TABLE), kinds=kinds), kind)


@pytest.mark.parametrize("count", [None, "6", 6.5, -1])
def test_odd_counts(count: Any) -> None:
    assert isinstance(outcome(table_stream(TABLE), count=count), UnexpectedAnswer | RowsMissing)


def test_counting_can_be_switched_off() -> None:
    assert "confirm_rows: false accepts whatever arrives" in str(outcome(table_stream(TABLE.slice(1))))


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_batches_that_unpack_to_far_more_than_they_weigh(codec: str) -> None:
    large = change("txt", ["x" * 500_000] * 6)
    packed = fl.RecordBatchStream(large, options=pa.ipc.IpcWriteOptions(compression=codec))
    came = outcome(packed, max_document=1_000_000)
    assert isinstance(came, UnexpectedAnswer), came
    assert "6 rows of one batch expanded to 3,000" in str(came)
    assert "more than the 1MB of `max_document`" in str(came)
    assert "Raise the source's `max_document`" in str(came)
    again = fl.RecordBatchStream(large, options=pa.ipc.IpcWriteOptions(compression=codec))
    rows: Any = outcome(again, max_document=4_000_000)
    assert [row["txt"] for row in rows] == large.column("txt").to_pylist()
