"""Tables in each store, asked by `influx-lake sql` and `frames.scan`: only files that are needed, no secret told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest
from duckdb_extensions import import_extension
from pyiceberg.io import FileIO

from influx_lake.cli.entry import run
from influx_lake.config import load_lake
from influx_lake.frames import scan
from influx_lake.sql.table_files import StoredFile
from influx_lake.sql.views import attach_lake
from influx_lake_tests.integration.iceberg.stores.stores import STORES
from influx_lake_tests.integration.iceberg.stores.versitygw import versitygw
from influx_lake_tests.integration.queried_lake import LARGEST, QueriedLake, rows

pytestmark = pytest.mark.servers
WHERE = "where time >= '2026-01-03' and time < '2026-01-04'"
SECRETS = ("test-secret", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq")


@pytest.fixture(params=STORES)
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[QueriedLake]:
    with STORES[request.param](tmp_path) as properties:
        lake = QueriedLake(tmp_path, properties)
        lake.write()
        table = lake.table()
        for day in range(4):
            table.append(rows(day))
        yield lake


def test_tables_in_a_store(
    lake: QueriedLake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    really_open = StoredFile.__init__

    def watched(file: StoredFile, store: FileIO, path: str) -> None:
        opened.append(path)
        really_open(file, store, path)

    monkeypatch.setattr(StoredFile, "__init__", watched)
    statement = f'select max(bytes) b, avg("usage.user") a from cpu {WHERE}'
    assert run(["sql", statement, "--format", "json", "-c", str(lake.config)]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == [{"b": str(LARGEST - 2), "a": 2.1}]
    assert {path for path in opened if path.endswith(".parquet")} == set(files_of(lake, "2026-01-03"))
    for statement in ("from duckdb_secrets()", "from duckdb_settings()", "select * from nix"):
        run(["sql", statement, "--format", "csv", "-c", str(lake.config)])
    captured = capsys.readouterr()
    assert not [secret for secret in SECRETS if secret in captured.out + captured.err]

    with duckdb.connect(":memory:") as connection:
        relation = scan("cpu", "2026-01-03", "2026-01-04", lake=lake.config, engine="duckdb", connection=connection)
        assert relation.aggregate("max(bytes), count(*)").fetchone() == (LARGEST - 2, 3)
    frame = scan("cpu", "2026-01-03", "2026-01-04", lake=lake.config)
    assert frame.select(pl.col("bytes").max(), pl.len()).collect().rows() == [(LARGEST - 2, 3)]


def files_of(lake: QueriedLake, day: str) -> list[str]:
    tasks = lake.catalog.load_table(("telemetry", "cpu")).scan().plan_files()
    return [task.file.file_path for task in tasks if f"day={day}" in task.file.file_path]


def test_a_connection_keeps_its_own_s3(tmp_path: Path) -> None:
    with versitygw(tmp_path) as properties, duckdb.connect() as connection:
        import_extension("httpfs", con=connection)
        connection.load_extension("httpfs")
        endpoint = properties["s3.endpoint"].removeprefix("http://")
        connection.execute(
            f"create secret (type s3, key_id 'test-access', secret 'test-secret', endpoint '{endpoint}', "
            "url_style 'path', use_ssl false, region 'us-east-1')"
        )
        lake = QueriedLake(tmp_path, properties)
        lake.write()
        lake.table().append(rows(0))
        cpu = scan("cpu", lake=lake.config, engine="duckdb", connection=connection)
        attach_lake(connection, load_lake(lake.config), lake.catalog)
        connection.execute("copy (select 1 as one) to 's3://lake/other/one.parquet'")
        assert connection.execute("from 's3://lake/other/one.parquet'").fetchall() == [(1,)]
        assert cpu.aggregate("count(*)").fetchone() == (3,)
        assert connection.execute("select count(*) from lake.telemetry.cpu").fetchone() == (3,)
