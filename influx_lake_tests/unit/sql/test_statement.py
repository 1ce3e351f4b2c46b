"""Which tables a statement names, and which statements do more than read."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from influx_lake.errors import ConfigurationError
from influx_lake.sql.statement import TableName, parse


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        yield connection


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("select 1", []),
        ("from cpu", ["cpu"]),
        ("-- of the host\nselect * from telemetry.cpu c join mem using (host)", ["telemetry.cpu", "mem"]),
        ('select (select max(time) from "http.requests") from "a.b"."Cpu"', ["http.requests", "a.b.Cpu"]),
        ("with recent as (select * from cpu) select * from recent", ["cpu"]),
        ("with x as (select 1) select * from ns.x", ["ns.x"]),
        ("with cpu as (select * from cpu where host = 'a') select * from CPU", ["cpu"]),
        ("with a as (select * from b), b as (select * from a) select * from a, b", ["b"]),
        ("select * from (with mem as (select 1) from mem), (select count(*) from mem)", ["mem"]),
        ("with mem as (select 1) select (select count(*) from Mem) from cpu", ["cpu"]),
        ("with recursive n as (select 1 a union all select a + 1 from n, cpu) from n", ["cpu"]),
        ("explain analyze select * from cpu", ["cpu"]),
        ("/* why */ explain (analyze, format json) select * from cpu", ["cpu"]),
        ("explain (select * from cpu)", ["cpu"]),
        ("describe cpu", ["cpu"]),
        ("summarize select host from cpu", ["cpu"]),
        ("pivot cpu on host in ('a', 'b') using avg(value)", ["cpu"]),
        ("select * from cpu union all by name from mem;", ["cpu", "mem"]),
    ],
)
def test_tables_are_found(connection: duckdb.DuckDBPyConnection, text: str, names: list[str]) -> None:
    statement = parse(text, connection)
    assert sorted(".".join(filter(None, (each.schema, each.table))) for each in statement.tables) == sorted(names)
    assert not statement.needs_all


@pytest.mark.parametrize(
    "text",
    [
        "show tables",
        "show all tables",
        "describe",
        "select * from information_schema.tables",
        "select * from duckdb_views()",
        "select * from query('from cpu')",
        "select * from query_table('cpu')",
    ],
)
def test_some_statements_look_at_all_tables(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    assert parse(text, connection).needs_all


@pytest.mark.parametrize(
    "text",
    [
        "copy (select 1) to 'x.csv'",
        "explain analyze copy (select 1) to 'x.csv'",
        "explain (analyze) copy (select 1) to 'x.csv'",
        "create table x as select 1",
        "insert into cpu values (1)",
        "attach 'x.db'",
        "export database 'x'",
        "set enable_external_access = true",
        "pragma database_list",
        "call pragma_version()",
        "install httpfs",
        "load httpfs",
        "use telemetry",
        "prepare x as select 1",
    ],
)
def test_what_does_more_than_read_is_refused(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    with pytest.raises(ConfigurationError, match="only read"):
        parse(text, connection)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no SQL"),
        (" ;", "no SQL"),
        ("select 1; select 2", "2 statements"),
        ("select 1; copy (select 1) to 'x.csv'", "2 statements"),
        ("selec 1", "cannot be read"),
        ("pivot cpu on host using avg(value)", "name its values"),
    ],
)
def test_what_is_no_statement_is_reported(connection: duckdb.DuckDBPyConnection, text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        parse(text, connection)


def test_mistakes_are_reported_in_words_and_with_what_to_write(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse("selekt 1", connection)
    assert caught.value.message == 'the SQL cannot be read: Parser Error: syntax error at or near "selekt"'
    assert "Write one SELECT" in str(caught.value)
    with pytest.raises(ConfigurationError, match=r'words of SQL: "default"\.table'):
        parse("select * from default.cpu", connection)
    with pytest.raises(ConfigurationError, match="PRAGMA is refused"):
        parse("/* of */ pragma version", connection)
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        parse("select '\udcff'", connection)


def test_names_keep_their_case(connection: duckdb.DuckDBPyConnection) -> None:
    assert parse('from "CPU"', connection).tables == (TableName("", "CPU"),)
