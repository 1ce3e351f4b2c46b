"""What the source makes of a server's answers, right ones and odd ones."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema, Role
from influx_lake.config.values.windows import Window
from influx_lake.errors import MeasurementNotFound, SourceTimeout, StreamBroken, UnexpectedAnswer
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake_tests.unit.sources.scripted_server import TOKEN, ScriptedServer, source_at

DAY = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
CPU = MeasurementSchema(
    "cpu",
    (
        Column("time", Role.TIME, ColumnType.TIME),
        Column("host", Role.TAG, ColumnType.STRING),
        Column("usage", Role.FIELD, ColumnType.FLOAT),
    ),
)
ROWS = pa.schema([pa.field("time", pa.timestamp("ns"), nullable=False), ("host", pa.string()), ("usage", pa.float64())])


def batch(rows: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array(range(rows), pa.timestamp("ns")), pa.array(["a"] * rows, pa.string()), pa.array([0.5] * rows)],
        schema=ROWS,
    )


def test_a_window_is_streamed_without_the_empty_batches_that_keep_the_connection(
    server: ScriptedServer, source: InfluxDB3Source
) -> None:
    server.streams(ROWS, lambda context: iter([batch(0), batch(3), batch(0), batch(0), batch(2), batch(0)]))
    with source.read(CPU, DAY) as rows:
        assert rows.schema == ROWS
        assert [came.num_rows for came in rows] == [3, 2]
    assert server.tickets[-1]["database"] == "telemetry"
    assert server.tickets[-1]["query_type"] == "sql"
    assert server.headers[-1]["authorization"] == [f"Bearer {TOKEN}"]


def test_a_window_without_rows_is_an_empty_stream(server: ScriptedServer, source: InfluxDB3Source) -> None:
    server.streams(ROWS, lambda context: iter([batch(0)]))
    with source.read(CPU, DAY) as rows:
        assert list(rows) == []


def test_rows_can_be_read_once(server: ScriptedServer, source: InfluxDB3Source) -> None:
    server.streams(ROWS, lambda context: iter([batch(3)]))
    with source.read(CPU, DAY) as rows:
        assert len(list(rows)) == 1
        with pytest.raises(RuntimeError, match="once"):
            list(rows)


def test_rows_cannot_be_read_after_the_stream_was_left(server: ScriptedServer, source: InfluxDB3Source) -> None:
    server.streams(ROWS, lambda context: iter([batch(3)]))
    with source.read(CPU, DAY) as rows:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        list(rows)


def test_leaving_early_cancels_the_query(server: ScriptedServer, source: InfluxDB3Source) -> None:
    server.stays_open_after(batch(3))
    with source.read(CPU, DAY) as rows:
        next(iter(rows))
    assert server.cancelled.wait(10)


def test_an_error_where_the_rows_are_used_cancels_the_query_and_stays_itself(
    server: ScriptedServer, source: InfluxDB3Source
) -> None:
    server.stays_open_after(batch(3))
    with pytest.raises(OSError, match="disk full"), source.read(CPU, DAY):
        raise OSError("disk full")
    assert server.cancelled.wait(10)


def test_a_stream_that_breaks_gives_the_rows_before_it_and_then_the_error(
    server: ScriptedServer, source: InfluxDB3Source
) -> None:
    def broken(context: fl.ServerCallContext) -> Iterator[pa.RecordBatch]:
        yield batch(3)
        raise fl.FlightInternalError("out of luck")

    server.streams(ROWS, broken)
    with source.read(CPU, DAY) as rows:
        stream = iter(rows)
        assert next(stream).num_rows == 3
        with pytest.raises(StreamBroken, match="out of luck") as caught:
            next(stream)
    assert caught.value.measurement == "cpu"
    assert caught.value.window == str(DAY)


def test_a_server_that_falls_silent_amid_rows_is_given_up_on(server: ScriptedServer) -> None:
    server.stays_open_after(batch(3), batch(0))
    source = source_at(f"http://127.0.0.1:{server.port}", timeout=timedelta(seconds=1))
    with source.read(CPU, DAY) as rows, pytest.raises(SourceTimeout, match=r"no data arrived for 1 s"):
        list(rows)
    assert server.cancelled.wait(10)


def test_a_server_that_never_answers_is_given_up_on(server: ScriptedServer) -> None:
    release = threading.Event()

    def stuck(sql: str, context: fl.ServerCallContext) -> fl.FlightDataStream:
        release.wait(10)
        return fl.GeneratorStream(ROWS, iter([]))

    server.answer = stuck
    source = source_at(f"http://127.0.0.1:{server.port}", timeout=timedelta(seconds=0.2))
    try:
        with pytest.raises(SourceTimeout, match="telemetry") as caught:
            source.count("cpu", DAY)
        assert "timeout" in (caught.value.remedy or "")
    finally:
        release.set()


def test_a_slow_reader_is_not_a_slow_server(server: ScriptedServer) -> None:
    server.streams(ROWS, lambda context: (batch(1000) for _ in range(50)))
    source = source_at(f"http://127.0.0.1:{server.port}", timeout=timedelta(seconds=1))
    with source.read(CPU, DAY) as rows:
        stream = iter(rows)
        next(stream)
        threading.Event().wait(1.2)
        assert sum(came.num_rows for came in stream) == 49_000


def test_a_server_does_not_run_far_ahead_of_the_reader(server: ScriptedServer, source: InfluxDB3Source) -> None:
    sent = 0
    far_ahead = threading.Event()
    megabyte = batch(60_000)

    def generous(context: fl.ServerCallContext) -> Iterator[pa.RecordBatch]:
        nonlocal sent
        for _ in range(200):
            sent += 1
            if sent == 100:
                far_ahead.set()
            yield megabyte

    server.streams(ROWS, generous)
    with source.read(CPU, DAY) as rows:
        stream = iter(rows)
        next(stream)
        assert not far_ahead.wait(0.5)
        assert sum(1 for _ in stream) == 199


def test_rows_of_another_type_than_declared_are_refused(server: ScriptedServer, source: InfluxDB3Source) -> None:
    odd = ROWS.set(2, pa.field("usage", pa.int64()))
    server.streams(odd, lambda context: iter([]))
    with (
        pytest.raises(UnexpectedAnswer, match="'usage' is declared float, but is int64") as caught,
        source.read(CPU, DAY),
    ):
        pass
    assert caught.value.measurement == "cpu"


def test_dictionaries_come_as_dictionaries(server: ScriptedServer, source: InfluxDB3Source) -> None:
    came = pa.table(
        {
            "time": pa.array([1, 2], pa.timestamp("ns")),
            "host": pa.array(["a", "b"]).dictionary_encode(),
            "usage": [1.0, 2.0],
        }
    )
    server.answers(came)
    with source.read(CPU, DAY) as rows:
        assert rows.schema.field("host").type == pa.dictionary(pa.int32(), pa.string())
        assert pa.Table.from_batches(rows).column("host").to_pylist() == ["a", "b"]


def test_the_schema_comes_from_the_servers_own_table(server: ScriptedServer, source: InfluxDB3Source) -> None:
    server.answers(pa.table({"key": ["usage", "host", "time"], "data_type": ["float", "tag", "time"]}))
    assert source.schema("cpu") == CPU
    assert "system.influxdb_schema" in server.statements[-1]


def test_older_servers_are_asked_for_what_they_have(server: ScriptedServer, source: InfluxDB3Source) -> None:
    def older(sql: str, context: fl.ServerCallContext) -> fl.FlightDataStream:
        if "influxdb_schema" in sql:
            raise pa.ArrowInvalid(
                "Error while planning query: Error during planning: table 'public.system.influxdb_schema' not found"
            )
        types = ["Timestamp(Nanosecond, None)", "Dictionary(Int32, Utf8)", "Float64"]
        return fl.RecordBatchStream(pa.table({"key": ["time", "host", "usage"], "data_type": types}))

    server.answer = older
    assert source.schema("cpu") == CPU
    assert source.schema("cpu") == CPU
    assert ["information_schema" in sql for sql in server.statements] == [False, True, True]


def test_the_measurements_are_sorted(server: ScriptedServer, source: InfluxDB3Source) -> None:
    server.answers(pa.table({"measurement": ["mem", "Disk", "cpu"]}))
    assert source.measurements() == ["Disk", "cpu", "mem"]


def test_a_measurement_without_columns_does_not_exist(server: ScriptedServer, source: InfluxDB3Source) -> None:
    server.answers(pa.table({"key": pa.array([], pa.string()), "data_type": pa.array([], pa.string())}))
    with pytest.raises(MeasurementNotFound, match="'cpu'"):
        source.schema("cpu")


@pytest.mark.parametrize(
    "answer",
    [
        pa.table({"rows": pa.array([], pa.int64())}),
        pa.table({"rows": [1, 2]}),
        pa.table({"rows": ["1"]}),
        pa.table({"rows": [1], "more": [2]}),
        pa.table({"rows": pa.array([None], pa.int64())}),
    ],
)
def test_what_is_no_count_is_not_taken_for_one(
    answer: pa.Table, server: ScriptedServer, source: InfluxDB3Source
) -> None:
    server.answers(answer)
    with pytest.raises(UnexpectedAnswer, match="count"):
        source.count("cpu", DAY)


@pytest.mark.parametrize("answer", [pa.table({"name": ["cpu"]}), pa.table({"key": ["time"]})])
def test_a_system_table_of_other_columns_is_not_taken_for_one(
    answer: pa.Table, server: ScriptedServer, source: InfluxDB3Source
) -> None:
    server.answers(answer)
    with pytest.raises(UnexpectedAnswer):
        source.measurements()
    with pytest.raises(UnexpectedAnswer):
        source.schema("cpu")


def test_without_a_ping_the_query_is_answer_enough(server: ScriptedServer, source: InfluxDB3Source) -> None:
    info = source.server()
    assert (info.product, info.version) == ("InfluxDB 3", "unknown")


def test_threads_share_a_source(server: ScriptedServer, source: InfluxDB3Source) -> None:
    server.streams(ROWS, lambda context: (batch(100) for _ in range(20)))
    counts: list[int] = []

    def read() -> None:
        with source.read(CPU, DAY) as rows:
            counts.append(sum(came.num_rows for came in rows))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert counts == [2000] * 8


def test_a_closed_source_can_be_used_again(server: ScriptedServer, source: InfluxDB3Source) -> None:
    server.answers(pa.table({"rows": [7]}))
    assert source.count("cpu", DAY) == 7
    source.close()
    source.close()
    assert source.count("cpu", DAY) == 7
