"""`influx-lake sql`: tables by name, exact values, the past, the files that are read, and what is refused."""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from influx_lake.cli.entry import run
from influx_lake_tests.integration.queried_lake import LARGEST, SCHEMA, QueriedLake, only_days, rows
from influx_lake_tests.unit.iceberg.compaction.deletes import delete_equal, delete_rows


@dataclass
class Asked:
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        assert self.code == 0, self.err
        found = json.loads(self.out)
        assert isinstance(found, list)
        return found


@pytest.fixture
def lake(tmp_path: Path) -> QueriedLake:
    lake = QueriedLake(tmp_path)
    lake.write()
    return lake


@pytest.fixture
def ask(lake: QueriedLake, capfdbinary: pytest.CaptureFixture[bytes]) -> Any:
    def ask(*arguments: str) -> Asked:
        capfdbinary.readouterr()
        code = run(["sql", *arguments, "-c", str(lake.config)])
        captured = capfdbinary.readouterr()
        assert b"t0p-secret" not in captured.out + captured.err
        assert b"Traceback" not in captured.err
        return Asked(code, captured.out.decode(), captured.err.decode())

    return ask


def test_tables_are_views_with_exact_values(lake: QueriedLake, ask: Any) -> None:
    lake.table().append(rows(0))
    lake.table(("telemetry", "mem"), pa.schema({"time": SCHEMA.field("time").type, "host": pa.string()}))
    found = ask(
        'select c.*, m.host as other from cpu c left join telemetry.mem m using (host) order by "time"',
        "--format",
        "json",
    )
    assert found.rows[0] == {
        "time": "2026-01-01T00:00:00+00:00",
        "host": "h0",
        "usage.user": 0.0,
        "bytes": str(LARGEST),
        "labels": {"rack": "r0", "none": None},
        "other": None,
    }
    assert [row["labels"] for row in found.rows[1:]] == [None, {}]
    assert ask("select sum(bytes) s from cpu", "--format", "json").rows == [{"s": 3 * (2**64 - 1)}]
    of_one = "with cpu as (select * from cpu where host = 'h1') select count(*) n from cpu"
    assert ask(of_one, "--format", "json").rows == [{"n": 1}]
    assert ask("show tables", "--format", "json").rows == [{"name": "cpu"}, {"name": "mem"}]
    described = ask("describe telemetry.cpu", "--format", "json").rows
    assert {row["column_name"]: row["column_type"] for row in described} == {
        "time": "TIMESTAMP WITH TIME ZONE",
        "host": "VARCHAR",
        "usage.user": "DOUBLE",
        "bytes": "DECIMAL(20,0)",
        "labels": "MAP(VARCHAR, VARCHAR)",
    }


@pytest.mark.slow
def test_names_with_dots_and_capitals_and_nested_namespaces(lake: QueriedLake, ask: Any) -> None:
    lake.write({"http.requests": {"table": "requests"}, "Disk": {"table": "Disk", "namespace": "plant.north"}})
    tables = (
        ("telemetry", "requests"),
        ("plant", "north", "Disk"),
        ("elsewhere", "of.others"),
        ("elsewhere", "Of.Others"),
    )
    for day, name in enumerate(tables):
        lake.table(name).append(rows(day))

    def day(table: str) -> Any:
        [found] = ask(f"select day(min(time)) d from {table}", "--format", "json").rows
        return found["d"]

    assert day('"http.requests"') == day("telemetry.requests") == 1
    assert day("disk") == day('"plant.north"."Disk"') == 2
    assert day('elsewhere."of.others"') == 3
    assert day('elsewhere."Of.Others"') == 4
    both = ask('from elsewhere."of.others", elsewhere."Of.Others"')
    assert both.code == 2
    assert "elsewhere.Of.Others and elsewhere.of.others differ in case only" in both.err


def test_a_measurement_of_a_shared_table_under_other_names(lake: QueriedLake, ask: Any) -> None:
    lake.write({"cpu": {"table": "host_metrics", "metadata_columns": ["measurement"]},
                "mem": {"table": "host_metrics", "metadata_columns": ["measurement"]}})  # fmt: skip
    schema = pa.schema({"time": SCHEMA.field("time").type, "measurement": pa.string()})
    table = lake.table(("telemetry", "host_metrics"), schema)
    with table.transaction() as transaction:
        transaction.set_properties({"influx-lake.columns": json.dumps({"time": 1, "measurement": 2})})
    moment = [datetime(2026, 1, 1, tzinfo=UTC)]
    table.append(pa.table({"time": moment * 3, "measurement": ["cpu", "mem", "cpu"]}, schema))
    then = str(table.current_snapshot().snapshot_id)
    with table.update_schema() as update:
        update.rename_column("measurement", "source_m")
    table.append(pa.table({"time": moment, "measurement": ["cpu"]}, schema).rename_columns(["time", "source_m"]))
    assert ask("select count(*) n from CPU", "--format", "json").rows == [{"n": 3}]
    assert ask("select count(*) n from cpu", "--as-of", then, "--format", "json").rows == [{"n": 2}]


@pytest.mark.slow
def test_a_measurement_of_a_shared_table_is_its_rows(lake: QueriedLake, ask: Any) -> None:
    lake.write({"cpu": {"table": "host_metrics", "metadata_columns": ["measurement"]},
                "mem": {"table": "host_metrics", "metadata_columns": ["measurement"]}})  # fmt: skip
    schema = pa.schema({"time": SCHEMA.field("time").type, "measurement": pa.string()})
    table = lake.table(("telemetry", "host_metrics"), schema)
    table.append(
        pa.table({"time": [datetime(2026, 1, 1, tzinfo=UTC)] * 3, "measurement": ["cpu", "mem", "cpu"]}, schema)
    )
    counts = ", ".join(f"(select count(*) from {name}) {name}" for name in ("cpu", "mem", "host_metrics"))
    assert ask(f"select {counts}", "--format", "json").rows == [{"cpu": 2, "mem": 1, "host_metrics": 3}]


@pytest.mark.slow
def test_as_of_reads_the_past_with_the_columns_of_then(lake: QueriedLake, ask: Any) -> None:
    from pyiceberg.types import StringType

    table = lake.table()
    table.append(rows(0))
    then = table.current_snapshot()
    table.manage_snapshots().create_tag(then.snapshot_id, "before").commit()
    with table.update_schema() as update:
        update.add_column("later", StringType())
    table.append(rows(1).append_column("later", pa.array(["x"] * 3)))
    moment = datetime.fromtimestamp(then.timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds")
    for as_of in (moment, "before", str(then.snapshot_id)):
        [row] = ask("select count(*) n, max(time) t from cpu", "--as-of", as_of, "--format", "json").rows
        assert row == {"n": 3, "t": "2026-01-01T02:00:00+00:00"}
    assert ask("select count(later) n from cpu", "--format", "json").rows == [{"n": 3}]
    assert "later" in ask("select later from cpu", "--as-of", "before").err
    early = ask("from cpu", "--as-of", "2020-01-01")
    assert early.code == 2
    assert "telemetry.cpu had no snapshot at 2020-01-01" in early.err
    [*_, command] = early.err.strip().partition("influx-lake ")
    assert run([*command.split(), "-c", str(lake.config)]) == 0


def test_only_the_files_that_are_needed_are_opened(lake: QueriedLake, ask: Any) -> None:
    table = lake.table()
    for day in range(5):
        table.append(rows(day))
    assert len(lake.data_files()) == 5
    only_days(lake, {3})
    where = "where time >= '2026-01-04' and time < '2026-01-05'"
    assert ask(f'select avg("usage.user") a from cpu {where}', "--format", "json").rows == [{"a": 3.1}]
    broken = ask('select avg("usage.user") from cpu')
    assert broken.code == 1
    assert "a file of the lake cannot be read" in broken.err


def test_deletes_of_other_engines_are_applied(lake: QueriedLake, ask: Any) -> None:
    lake.table().append(rows(0))
    [task] = lake.catalog.load_table(("telemetry", "cpu")).scan().plan_files()
    delete_rows(lake.catalog, [(task.file, [1])])
    hosts = "select host from cpu order by 1"
    assert ask(hosts, "--format", "json").rows == [{"host": "h0"}, {"host": "h2"}]
    delete_equal(lake.catalog, task.file, "h2")
    assert ask(hosts, "--format", "json").rows == [{"host": "h0"}]


@pytest.mark.slow
def test_formats(lake: QueriedLake, ask: Any, tmp_path: Path) -> None:
    lake.table().append(rows(0))
    statement = "select host, bytes from cpu order by host"
    assert ask(statement, "--format", "csv").out.splitlines() == [
        '"host","bytes"',
        *(f'"h{n}",{LARGEST}' for n in range(3)),
    ]
    table = ask(statement).out
    assert str(LARGEST) in table
    assert "3 rows" in table
    document = json.loads(ask(statement, "--json").out)
    assert document["columns"] == [{"name": "host", "type": "string"}, {"name": "bytes", "type": "decimal128(20, 0)"}]
    assert document["rows"][0] == {"host": "h0", "bytes": str(LARGEST)}
    out = tmp_path / "found.parquet"
    assert "3 rows in" in ask(statement, "--out", str(out)).out
    assert pq.read_table(out)["bytes"].to_pylist() == [LARGEST] * 3
    assert json.loads(ask(statement, "--out", str(out), "--json").out) == {"rows_written": 3, "file": str(out)}
    assert "The first 100 rows" in ask("from range(1000)").out
    assert "PROJECTION" in ask("explain from cpu").out or "ICEBERG_SCAN" in ask("explain from cpu").out


@pytest.mark.slow
def test_a_failed_statement_leaves_the_file_as_it_was(lake: QueriedLake, ask: Any, tmp_path: Path) -> None:
    out = tmp_path / "out" / "found.csv"
    assert "there is no folder" in ask("select 1", "--out", str(out)).err
    out.parent.mkdir()
    out.write_text("before")
    failed = ask("select case when range > 100000 then error('too far') end from range(200000)", "--out", str(out))
    assert failed.code == 1
    assert "too far" in failed.err
    assert out.read_text() == "before"
    assert list(out.parent.iterdir()) == [out]
    assert "csv, json or parquet" in ask("select 1", "--out", str(tmp_path / "x.txt")).err


def test_what_arrow_has_no_form_for_is_text(ask: Any, tmp_path: Path) -> None:
    statement = "select interval '1 day' i, {a: [timetz '10:00:00+02']} s, map {'a': '101'::bit} m, 7 n; -- all"
    expected = {"i": "1 day", "s": {"a": ["10:00:00+02"]}, "m": {"a": "101"}, "n": 7}
    assert ask(statement, "--format", "json").rows == [expected]
    assert "1 day" in ask(statement).out
    out = tmp_path / "found.parquet"
    assert ask(statement, "--out", str(out)).code == 0
    assert pq.read_table(out).to_pylist() == [{**expected, "m": [("a", "101")]}]
    twice = ask("select interval '1 day' i, interval '2 days' i, date 'infinity' d", "--format", "json")
    assert twice.rows == [{"i": "1 day", "i_1": "2 days", "d": "infinity"}]


def test_what_is_no_regular_file_is_written_through(ask: Any, tmp_path: Path) -> None:
    target, link, pipe = tmp_path / "target.csv", tmp_path / "link.csv", tmp_path / "pipe.csv"
    target.write_text("before")
    target.chmod(0o600)
    link.symlink_to(target.name)
    assert ask("select 1 a", "--out", str(link)).code == 0
    assert link.is_symlink()
    assert target.read_text() == '"a"\n1\n'
    assert target.stat().st_mode & 0o777 == 0o600
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert ask("select 1 a", "--out", str(pipe)).code == 0
    assert os.read(reader, 100) == b'"a"\n1\n'
    os.close(reader)
    assert ask("select 1 a", "--out", "/dev/stdout", "--format", "csv").out == '"a"\n1\n'
    assert pipe.is_fifo()


def test_a_store_that_refuses_is_reported_as_such(lake: QueriedLake, ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Denied(fsspec.AbstractFileSystem):  # type: ignore[misc]
        protocol = "denied"
        cachable = False

        def glob(self, path: str, **_: Any) -> list[str]:
            return [path]

        def open(self, path: str, mode: str = "rb", **_: Any) -> Any:
            raise OSError(f"When reading {path} ({mode}): AWS Error ACCESS_DENIED during HeadObject operation")

    def views(connection: duckdb.DuckDBPyConnection, *_: Any) -> set[str]:
        connection.register_filesystem(Denied())
        connection.execute("create view cpu as from read_parquet('denied://bucket/x')")
        return {"denied://bucket/"}

    lake.table()
    monkeypatch.setattr("influx_lake.sql.engine.make_views", views)
    document = json.loads(ask("from cpu", "--json").out)["error"]
    assert document["type"] == "StorageError"
    assert document["message"].startswith("a file of the lake cannot be read: OSError: When reading")
    assert document["message"].endswith("during HeadObject operation")
    assert "Check the store's credentials" in document["remedy"]


def test_a_plan_that_duckdb_could_not_write_is_no_answer(lake: QueriedLake, ask: Any) -> None:
    lake.table().append(rows(0))
    result = ask("explain (analyze, format json) select count(*) from cpu")
    assert result.code == 1
    assert "Explain it without FORMAT JSON" in result.err
    assert ask("explain (analyze, format json) select 1").code == 0


def test_stdin_that_is_no_text(lake: QueriedLake, ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for errors, said in ("strict", "stdin is not utf-8"), ("surrogateescape", "not UTF-8"):
        stdin = io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), encoding="utf-8", errors=errors)
        monkeypatch.setattr("sys.stdin", stdin)
        result = ask("-")
        assert result.code == 2
        assert said in result.err


def test_stdin(lake: QueriedLake, ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("select 42 as answer\n"))
    assert ask("-", "--format", "json").rows == [{"answer": 42}]


NOT_ALLOWED = """\
select * from read_text('/etc/hostname')
select * from read_csv('{folder}/lake.yaml')
select * from read_text('{folder}/warehouse/telemetry/cpu/../../../lake.yaml')
select * from '{folder}/lake.yaml'
select * from glob('{folder}/*')
select * from read_blob('https://localhost/x')
select * from iceberg_scan('{folder}/elsewhere')
copy cpu to '{folder}/warehouse/telemetry/cpu/x.csv'
explain analyze copy cpu to '{folder}/warehouse/telemetry/cpu/x.csv'
attach '{folder}/catalog.db' (type sqlite)
install httpfs
set enable_external_access = true
select * from NOT_ALLOWED"""


@pytest.mark.slow
def test_nothing_else_is_read_or_written(lake: QueriedLake, ask: Any) -> None:
    lake.table().append(rows(0))
    before = sorted(lake.folder.rglob("*"))
    for statement in NOT_ALLOWED.format(folder=lake.folder).splitlines():
        result = ask(statement)
        assert result.code == 2, statement + result.out + result.err
    assert sorted(lake.folder.rglob("*")) == before


@pytest.mark.slow
def test_mistakes_are_reported_with_the_tables_that_there_are(lake: QueriedLake, ask: Any) -> None:
    lake.table().append(rows(0))
    result = ask("select * from cpuu")
    assert result.code == 2
    assert "cpuu" in result.err
    assert "telemetry.cpu, telemetry.mem" in result.err
    assert "there is no table telemetry.mem" in ask("from mem").err
    assert 'Referenced column "nix" not found' in ask("select nix from cpu").err
    assert json.loads(ask("selec", "--json").out)["error"]["type"] == "ConfigurationError"


def test_the_extra_is_named(lake: QueriedLake, ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("influx_lake.sql.extensions._EXTENSIONS", ("avro", "not_there"))
    result = ask("select 1")
    assert result.code == 2
    assert "pip install 'influx-lake[duckdb]'" in result.err
