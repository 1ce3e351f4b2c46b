"""The sandbox over Arrow Flight, with InfluxDB's own client and with plain Flight."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from influxdb_client_3 import InfluxDBClient3, Point
from influxdb_client_3.exceptions import InfluxDB3ClientQueryError
from pyarrow import flight

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.sandbox.sandbox_clients import client, query, rows, write


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(keep_alive=0.05) as one:
        yield one


@pytest.fixture
def database(box: Sandbox, request: pytest.FixtureRequest) -> Iterator[str]:
    name = re.sub(r"\W", "-", request.node.name)
    box.store.create_database(name)
    yield name
    box.store.drop_database(name)


def flight_get(box: Sandbox, ticket: Any, token: str | None = None, scheme: str = "Bearer") -> pa.Table:
    payload = ticket if isinstance(ticket, bytes) else json.dumps(ticket).encode()
    headers = [(b"authorization", f"{scheme} {token or box.token}".encode())]
    with flight.connect(f"grpc://127.0.0.1:{box.flight_port}") as connection:
        return connection.do_get(flight.Ticket(payload), flight.FlightCallOptions(headers=headers)).read_all()


@pytest.mark.parametrize("direct", [False, True])
def test_the_schema_on_the_wire(box: Sandbox, database: str, direct: bool) -> None:
    write(box, 'm,t=x f=1.5,i=-2i,u=3u,b=true,s="y" 7', database)
    table = query(box, "select * from m", database, direct)
    assert [(field.name, str(field.type), field.nullable) for field in table.schema] == [
        ("b", "bool", True),
        ("f", "double", True),
        ("i", "int64", True),
        ("s", "string", True),
        ("t", "string", True),
        ("time", "timestamp[ns]", False),
        ("u", "uint64", True),
    ]
    assert {field.name: field.metadata[b"iox::column::type"].decode() for field in table.schema} == {
        "b": "iox::column_type::field::boolean",
        "f": "iox::column_type::field::float",
        "i": "iox::column_type::field::integer",
        "s": "iox::column_type::field::string",
        "t": "iox::column_type::tag",
        "time": "iox::column_type::timestamp",
        "u": "iox::column_type::field::uinteger",
    }
    assert table.schema.metadata[b"iox::measurement::name"] == b"m"
    assert rows(table) == [{"b": True, "f": 1.5, "i": -2, "s": "y", "t": "x", "time": 7, "u": 3}]


def test_an_answer_without_rows_has_its_schema(box: Sandbox, database: str) -> None:
    write(box, "m,t=x f=1 7", database)
    table = query(box, "select t, time, f from m where false", database)
    assert table.num_rows == 0
    assert table.schema.field("t").metadata == {b"iox::column::type": b"iox::column_type::tag"}


def test_the_clients_own_writes(box: Sandbox, database: str) -> None:
    with client(box, database) as one:
        one.write(Point("home").tag("room", "Living Room").field("temp", 21.5).field("on", True).time(5))
        one.write(["home,room=Kitchen temp=20 6", 'home,room=Kitchen note="a, b=\\"c\\"" 6'])
    assert rows(query(box, "select room, temp, note, time from home order by time", database)) == [
        {"room": "Living Room", "temp": 21.5, "note": None, "time": 5},
        {"room": "Kitchen", "temp": 20.0, "note": 'a, b="c"', "time": 6},
    ]


def test_the_clients_v3_writes(box: Sandbox, database: str) -> None:
    with InfluxDBClient3(host=box.url, token=box.token, database=database, write_use_v2_api=False) as one:
        one.write("m v=1 5")
    assert rows(query(box, "select v from m", database)) == [{"v": 1.0}]


def test_streaming_reads_skip_nothing(box: Sandbox, database: str) -> None:
    write(box, "\n".join(f"m,h=h{number % 7} v={number}i {number}" for number in range(50_000)), database)
    with client(box, database) as one:
        reader = one.query("select v, h from m", mode="reader")
        sizes = [batch.num_rows for batch in reader]
    assert sum(sizes) == 50_000
    assert max(sizes) <= 8192


@pytest.mark.parametrize("key", ["database", "namespace_name", "bucket", "bucket-name"])
def test_ticket_aliases(box: Sandbox, database: str, key: str) -> None:
    write(box, "m,h=a v=1 1\nm,h=b v=2 2", database)
    ticket = {key: database, "sql_query": "select v from m where h = $h and v > $v", "params": {"h": "b", "v": 1}}
    assert flight_get(box, ticket).to_pylist() == [{"v": 2.0}]


def test_bad_tickets(box: Sandbox) -> None:
    for ticket in (b"nonsense", b"[]", b"{}", b'{"database":"x"}'):
        with pytest.raises(pa.ArrowInvalid, match="Invalid ticket"):
            flight_get(box, ticket)


def test_influxql_over_flight(box: Sandbox, database: str) -> None:
    write(box, "m v=1 1", database)
    ticket = {"database": database, "sql_query": "SHOW MEASUREMENTS", "query_type": "influxql"}
    assert flight_get(box, ticket).to_pylist() == [{"iox::measurement": "measurements", "name": "m"}]
    with pytest.raises(pa.ArrowNotImplementedError, match="use SQL"):
        flight_get(box, ticket | {"sql_query": "SELECT v FROM m"})


def test_tokens(box: Sandbox, database: str) -> None:
    for scheme in ("Bearer", "Token"):
        assert flight_get(box, {"database": database, "sql_query": "select 1 as x"}, scheme=scheme).num_rows == 1
    for token, scheme in (("apiv3_wrong", "Bearer"), (None, "bearer")):
        with pytest.raises(flight.FlightUnauthenticatedError, match=r"^Unauthenticated\b"):
            flight_get(box, {"database": database, "sql_query": "select 1"}, token=token, scheme=scheme)
    with (
        flight.connect(f"grpc://127.0.0.1:{box.flight_port}") as connection,
        pytest.raises(flight.FlightUnauthenticatedError),
    ):
        connection.do_get(flight.Ticket(b"{}"))


def test_failures_have_the_servers_status_and_text(box: Sandbox, database: str) -> None:
    write(box, "m v=1 1", database)
    for sql, text in [
        (
            "select * from nope",
            "Error while logically planning query: Error during planning: table 'public.iox.nope' not found",
        ),
        (
            "selec",
            'Error while logically planning query: SQL error: ParserError("Expected: an SQL statement, found: selec',
        ),
        ("select nope from m", "Error while logically planning query: Schema error: No field named nope."),
        ("delete from m", "Error while logically planning query: Error during planning: DML not supported: Delete"),
    ]:
        with pytest.raises(pa.ArrowInvalid) as caught:
            flight_get(box, {"database": database, "sql_query": sql})
        assert str(caught.value).startswith(text)
        assert "Traceback" not in str(caught.value)
    with pytest.raises(flight.FlightInternalError) as internal:
        flight_get(box, {"database": "gone", "sql_query": "select 1"})
    assert str(internal.value).startswith("Cannot retrieve database: External error: database not found: gone")
    with pytest.raises(flight.FlightInternalError, match="Divide by zero"):
        flight_get(box, {"database": database, "sql_query": "select 1/0 from m"})


def test_the_client_sees_the_text(box: Sandbox, database: str) -> None:
    with pytest.raises(InfluxDB3ClientQueryError, match=r"table 'public\.iox\.x' not found"):
        query(box, "select * from x", database)


@pytest.mark.parametrize(
    "name", ['o\'brien "x"', "Upper", "with space", "a.b", "select", "ünï", "tables", "semi;colon", "x_last"]
)
def test_measurements_of_any_name(box: Sandbox, database: str, name: str) -> None:
    escaped = name.replace(" ", "\\ ").replace(",", "\\,")
    write(box, f"{escaped} v=1 1\nplain v=9 9", database)
    quoted = '"' + name.replace('"', '""') + '"'
    assert query(box, f"select v from {quoted}", database).to_pylist() == [{"v": 1.0}]
    listed = query(box, "select distinct measurement from system.influxdb_schema", database)
    assert sorted(listed.column("measurement").to_pylist()) == sorted([name, "plain"])


def test_unquoted_names_are_lower_case(box: Sandbox, database: str) -> None:
    write(box, "Upper v=1 1\nlower v=2 2", database)
    assert query(box, "select V from LOWER", database).to_pylist() == [{"v": 2.0}]
    with pytest.raises(InfluxDB3ClientQueryError, match="not found"):
        query(box, "select v from Upper", database)


def test_schema_tables(box: Sandbox, database: str) -> None:
    write(box, 'm,t=x f=1,s="y" 7\nother v=1i 1', database)
    sql = "select measurement, key, data_type from system.influxdb_schema where measurement = 'm'"
    assert query(box, sql, database).to_pylist() == [
        {"measurement": "m", "key": "f", "data_type": "float"},
        {"measurement": "m", "key": "s", "data_type": "string"},
        {"measurement": "m", "key": "t", "data_type": "tag"},
        {"measurement": "m", "key": "time", "data_type": "time"},
    ]
    columns = query(
        box,
        "select column_name, data_type, is_nullable from information_schema.columns "
        "where table_schema = 'iox' and table_name = 'm' order by column_name",
        database,
    ).to_pylist()
    assert [(one["column_name"], one["data_type"]) for one in columns if one["column_name"] != "time"] == [
        ("f", "Float64"),
        ("s", "Utf8"),
        ("t", "Dictionary(Int32, Utf8)"),
    ]
    assert [one["is_nullable"] for one in columns] == ["YES", "YES", "YES", "NO"]
    tables = query(box, "show tables", database).to_pylist()
    own = [one for one in tables if one["table_schema"] == "iox"]
    assert sorted((one["table_catalog"], one["table_name"], one["table_type"]) for one in own) == [
        ("public", "m", "BASE TABLE"),
        ("public", "other", "BASE TABLE"),
    ]


def test_last_write_wins_and_fields_merge(box: Sandbox, database: str) -> None:
    write(box, "m,h=a v=1,w=1 5\nm,h=b v=1 5", database)
    write(box, "m,h=a v=2,x=3 5\nm v=7 5", database)
    assert rows(query(box, "select h, v, w, x, time from m order by h", database)) == [
        {"h": "a", "v": 2.0, "w": 1.0, "x": 3.0, "time": 5},
        {"h": "b", "v": 1.0, "w": None, "x": None, "time": 5},
        {"h": None, "v": 7.0, "w": None, "x": None, "time": 5},
    ]


def test_half_open_windows_to_the_nanosecond(box: Sandbox, database: str) -> None:
    start = 1_767_225_600_000_000_000
    write(box, "\n".join(f"m v={n}i {start + n}" for n in (-1, 0, 1, 86_400 * 10**9 - 1, 86_400 * 10**9)), database)
    bounds = "time >= '2026-01-01T00:00:00Z' and time < '2026-01-02T00:00:00Z'"
    found = query(box, f"select v from m where {bounds} order by v", database)
    assert found.column("v").to_pylist() == [0, 1, 86_400 * 10**9 - 1]


def test_reads_and_writes_at_once(box: Sandbox, database: str) -> None:
    write(box, "m,h=w0 v=0i 0", database)
    failures: list[BaseException] = []
    done = threading.Event()

    def writer(number: int) -> None:
        try:
            for part in range(20):
                box.write(database, "\n".join(f"m,h=w{number} v={n}i {n}" for n in range(part * 50, part * 50 + 50)))
        except BaseException as problem:
            failures.append(problem)

    def reader() -> None:
        seen = 0
        try:
            while not done.is_set():
                table = query(box, "select h, time from m", database, direct=True)
                assert table.num_rows >= seen
                assert table.group_by(["h", "time"]).aggregate([]).num_rows == table.num_rows
                seen = table.num_rows
        except BaseException as problem:
            failures.append(problem)

    writers = [threading.Thread(target=writer, args=(number,)) for number in range(3)]
    watcher = threading.Thread(target=reader)
    for thread in (*writers, watcher):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    watcher.join()
    assert failures == []
    assert query(box, "select count(*) as n from m", database).to_pylist() == [{"n": 3000}]


def test_loading_arrow_data(box: Sandbox, database: str) -> None:
    times = pa.array([3, 1, 2, 1], pa.int64()).cast(pa.timestamp("us"))
    batch = pa.record_batch(
        {"time": times, "host": ["a", "a", None, "a"], "v": pa.array([1, 2, 3, 4], pa.int32()), "s": ["x"] * 4}
    )
    assert box.load(database, "m", iter([batch]), tags=["host"]) == 4
    assert rows(query(box, "select host, v, s, time from m order by time", database)) == [
        {"host": "a", "v": 4, "s": "x", "time": 1000},
        {"host": None, "v": 3, "s": "x", "time": 2000},
        {"host": "a", "v": 1, "s": "x", "time": 3000},
    ]
    write(box, "m,host=a v=9i 1000", database)
    assert box.row_count(database, "m") == 3
