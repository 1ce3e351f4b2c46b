"""Each failure of a server or network is the error that says what can be done about it."""

import http.server
import socket
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import grpc
import pyarrow as pa
import pyarrow.flight as fl
import pytest

from influx_lake.config import InfluxDB3Config
from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema, Role
from influx_lake.config.values.windows import Window
from influx_lake.errors import (
    AuthenticationFailed,
    ConfigurationError,
    DatabaseNotFound,
    FileLimitExceeded,
    LakeError,
    MeasurementNotFound,
    QueryRejected,
    SourceTimeout,
    SourceUnavailable,
    StreamBroken,
    UnexpectedAnswer,
)
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake_tests.unit.sources.scripted_server import TOKEN, ScriptedServer, failure_of, source_at

DAY = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
TIMES = MeasurementSchema("cpu", (Column("time", Role.TIME, ColumnType.TIME),))
ROWS = pa.schema([pa.field("time", pa.timestamp("ns"), nullable=False)])
BATCH = pa.RecordBatch.from_arrays([pa.array([1], pa.timestamp("ns"))], schema=ROWS)

FILE_LIMIT = (
    "Error while planning query: External error: Query would scan 432 Parquet files, exceeding the file limit. "
    "InfluxDB 3 Core caps file access to prevent performance degradation and memory issues."
    "\n\nTo remove this limitation, upgrade to InfluxDB 3 Enterprise."
)
NO_DATABASE = "Cannot retrieve database: External error: database not found: telemetry"
NO_TABLE = "Error while planning query: Error during planning: table 'public.iox.{}' not found"


class GrpcServer:
    """Sends raw bytes or ends with any status, which pyarrow's own server cannot choose freely."""

    def __init__(self) -> None:
        self.status = grpc.StatusCode.INTERNAL
        self.text = ""
        self.raw: list[bytes] = []
        self._server = grpc.server(ThreadPoolExecutor(2))
        handler = grpc.unary_stream_rpc_method_handler(self._answer, response_serializer=bytes)
        service = "arrow.flight.protocol.FlightService"
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"DoGet": handler}),))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def _answer(self, asked: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        yield from self.raw
        if self.text:
            context.abort(self.status, self.text)

    def stop(self) -> None:
        self._server.stop(None).wait()


@pytest.fixture
def grpc_server() -> Iterator[GrpcServer]:
    server = GrpcServer()
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        ("UNAUTHENTICATED", "Unauthenticated", AuthenticationFailed),
        ("PERMISSION_DENIED", "expired", AuthenticationFailed),
        ("UNAVAILABLE", "not ready", SourceUnavailable),
        ("UNAVAILABLE", "database not found: telemetry", SourceUnavailable),
        ("CANCELLED", "shutting down", SourceUnavailable),
        ("DEADLINE_EXCEEDED", "too late", SourceTimeout),
        ("RESOURCE_EXHAUSTED", "grpc-timeout elapsed", SourceTimeout),
        ("RESOURCE_EXHAUSTED", "Failed to allocate memory", SourceUnavailable),
        ("INTERNAL", NO_DATABASE, DatabaseNotFound),
        ("NOT_FOUND", "Database telemetry not found", DatabaseNotFound),
        ("INTERNAL", FILE_LIMIT, FileLimitExceeded),
        ("INTERNAL", "External error: Query would exceed file limit of 432 parquet files", FileLimitExceeded),
        ("INVALID_ARGUMENT", NO_TABLE.format("cpu"), MeasurementNotFound),
        ("INVALID_ARGUMENT", NO_TABLE.format('o\'brien "x"'), MeasurementNotFound),
        ("INVALID_ARGUMENT", NO_TABLE.format("exceed file limit"), MeasurementNotFound),
        ("INVALID_ARGUMENT", NO_TABLE.format("x: database not found"), MeasurementNotFound),
        ("INVALID_ARGUMENT", "Schema error: No field named usage.", QueryRejected),
        ("INVALID_ARGUMENT", 'Schema error: No field named "database not found: x".', QueryRejected),
        ("INVALID_ARGUMENT", "table 'public.system.nope' not found", QueryRejected),
        ("INTERNAL", "Arrow error: Divide by zero error", QueryRejected),
        ("INTERNAL", "Received RST_STREAM with error code 2", SourceUnavailable),
        ("UNKNOWN", "no idea", QueryRejected),
        ("FAILED_PRECONDITION", "no", QueryRejected),
        ("OUT_OF_RANGE", "no", QueryRejected),
        ("ALREADY_EXISTS", "no", QueryRejected),
        ("ABORTED", "no", QueryRejected),
        ("DATA_LOSS", "no", QueryRejected),
        ("UNIMPLEMENTED", "unknown service", UnexpectedAnswer),
    ],
)
def test_what_a_status_and_its_text_mean(
    status: str, text: str, kind: type[LakeError], grpc_server: GrpcServer
) -> None:
    grpc_server.status, grpc_server.text = grpc.StatusCode[status], text
    source = source_at(f"http://127.0.0.1:{grpc_server.port}")
    error = failure_of(lambda: source.count("cpu", DAY))
    assert type(error) is kind
    assert error.measurement == "cpu"
    assert error.window == str(DAY)
    assert f"127.0.0.1:{grpc_server.port}" in error.message
    assert "'telemetry'" in error.message
    assert error.remedy


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (fl.FlightInternalError("no luck"), StreamBroken),
        (fl.FlightInternalError(FILE_LIMIT), FileLimitExceeded),
        (fl.FlightUnavailableError("going down"), StreamBroken),
        (fl.FlightCancelledError("going down"), StreamBroken),
        (fl.FlightTimedOutError("too late"), SourceTimeout),
        (fl.FlightUnauthenticatedError("expired"), AuthenticationFailed),
        (fl.FlightUnauthorizedError("expired"), AuthenticationFailed),
        (pa.ArrowInvalid("Arrow error: cast failed"), QueryRejected),
        (RuntimeError("a bug of the server"), StreamBroken),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.__name__,
)
def test_what_a_status_means_after_rows_have_come(
    raised: Exception, kind: type[LakeError], server: ScriptedServer, source: InfluxDB3Source
) -> None:
    def broken(context: fl.ServerCallContext) -> Iterator[pa.RecordBatch]:
        yield BATCH
        raise raised

    server.streams(ROWS, broken)
    with source.read(TIMES, DAY) as rows:
        error = failure_of(lambda: list(rows))
    assert type(error) is kind


def test_the_file_limit_is_not_answered_with_an_advertisement(grpc_server: GrpcServer) -> None:
    grpc_server.status, grpc_server.text = grpc.StatusCode.INTERNAL, FILE_LIMIT
    error = failure_of(source_at(f"http://127.0.0.1:{grpc_server.port}").measurements)
    assert "432" in error.message
    assert "Enterprise" not in str(error)


@pytest.mark.parametrize("raw", [[], [b""], [b"\xff\xff"], [b"\x12\x04abcd"]])
def test_an_answer_that_is_none_is_not_an_empty_one(raw: list[bytes], grpc_server: GrpcServer) -> None:
    grpc_server.raw = raw
    source = source_at(f"http://127.0.0.1:{grpc_server.port}")
    assert type(failure_of(source.measurements)) is UnexpectedAnswer
    with pytest.raises(UnexpectedAnswer), source.read(TIMES, DAY):
        pass


def test_a_measurement_that_is_not_there_is_named(grpc_server: GrpcServer) -> None:
    grpc_server.status, grpc_server.text = grpc.StatusCode.INVALID_ARGUMENT, NO_TABLE.format('o\'brien "x"')
    source = source_at(f"http://127.0.0.1:{grpc_server.port}")
    with pytest.raises(MeasurementNotFound) as caught, source.read(TIMES, DAY):
        pass
    assert repr('o\'brien "x"') in caught.value.message


def test_nothing_of_an_error_repeats_the_token(server: ScriptedServer, source: InfluxDB3Source) -> None:
    def broken(context: fl.ServerCallContext) -> Iterator[pa.RecordBatch]:
        yield BATCH
        raise fl.FlightInternalError(f"bad header: Bearer {TOKEN}")

    server.fails(fl.FlightUnauthenticatedError(f"no such token: {TOKEN}"))
    errors: list[BaseException] = [failure_of(lambda: source.count("cpu", DAY)), failure_of(source.server)]
    server.streams(ROWS, broken)
    with source.read(TIMES, DAY) as rows:
        errors.append(failure_of(lambda: list(rows)))
    for error in errors:
        assert error.__cause__ is None
        assert error.__context__ is None
        assert TOKEN not in "".join(traceback.format_exception(error))
    assert TOKEN not in repr(source) + str(source.identity)


def test_without_a_token_the_remedy_is_to_set_one(server: ScriptedServer) -> None:
    server.fails(fl.FlightUnauthenticatedError("Unauthenticated"))
    source = InfluxDB3Source(InfluxDB3Config(host=f"http://127.0.0.1:{server.port}", database="telemetry"))
    assert "none is configured" in failure_of(source.measurements).message


@pytest.mark.parametrize("token", ["with\nline", "not-ascii-é"])
def test_what_cannot_be_a_token_is_refused_and_not_repeated(token: str, server: ScriptedServer) -> None:
    source = InfluxDB3Source(InfluxDB3Config(host=f"http://127.0.0.1:{server.port}", database="telemetry", token=token))
    with pytest.raises(ConfigurationError, match="token") as caught:
        source.measurements()
    assert token not in str(caught.value)
    assert not server.tickets


def test_a_source_contacts_nothing_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *arguments: pytest.fail("a connection was made"))
    monkeypatch.delenv("NOT_SET_YET", raising=False)
    source = InfluxDB3Source(
        InfluxDB3Config(host="https://nowhere.invalid", database="telemetry", token="${NOT_SET_YET}")
    )
    assert source.identity == "influxdb3://nowhere.invalid:443/telemetry"
    source.close()


def test_a_port_that_nobody_listens_on(grpc_server: GrpcServer) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = failure_of(source_at(f"127.0.0.1:{port}").server)
    assert type(error) is SourceUnavailable
    assert "refused" in error.message


def test_a_name_that_nobody_has() -> None:
    assert type(failure_of(source_at("http://nowhere.invalid").server)) is SourceUnavailable


def test_a_host_that_takes_connections_and_says_nothing() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        source = source_at(f"127.0.0.1:{silent.getsockname()[1]}", connect_timeout=timedelta(seconds=0.3))
        assert type(failure_of(source.server)) is SourceUnavailable


def test_a_server_that_is_no_influxdb_3() -> None:
    class Quiet(http.server.BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as older:
        threading.Thread(target=older.serve_forever, daemon=True).start()
        error = failure_of(source_at(f"127.0.0.1:{older.server_port}").server)
        older.shutdown()
    assert type(error) is SourceUnavailable
    assert "InfluxDB 1 or 2" in (error.remedy or "")


def test_a_server_that_comes_back_is_found_by_the_same_source() -> None:
    with ScriptedServer() as first:
        port = first.port
        source = source_at(f"127.0.0.1:{port}")
        source.server()
    failure_of(source.server)
    with ScriptedServer(f"grpc://127.0.0.1:{port}"):
        deadline = threading.Event()
        for _ in range(100):
            try:
                source.server()
                return
            except SourceUnavailable:
                deadline.wait(0.1)
    pytest.fail("the server was back for ten seconds, and was not found")


def test_the_port_of_flight_may_be_another(server: ScriptedServer) -> None:
    source = source_at("http://127.0.0.1:1", query_port=server.port)
    assert source.server().version == "unknown"
    assert source.identity == "influxdb3://127.0.0.1:1/telemetry"


def test_an_ipv6_address() -> None:
    try:
        server = ScriptedServer("grpc://[::1]:0")
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server:
        assert source_at(f"[::1]:{server.port}").server().product == "InfluxDB 3"
