"""History that a server no longer serves, from its object store into tables."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from influx_lake.cli.entry import run
from influx_lake.config import load_lake
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.scan.reader import open_table
from influx_lake.sandbox import Sandbox
from influx_lake_tests.unit.sources.influxdb3_parquet.persisted_files import CHUNK_NS, Node
from testbed.aws import empty_aws

NS = 1_767_225_600 * 10**9  # 2026-01-01
LAKE = """\
sources:
  default:
    type: influxdb3_parquet
    location: {location}
    database: telemetry
    index: index
{more}
catalog: {{type: sql, uri: 'sqlite:///./catalog.db', warehouse: ./warehouse}}
measurements:
  cpu: {{}}
"""


def write_lake(folder: Path, location: str, more: str = "") -> Path:
    path = folder / "lake.yaml"
    path.write_text(LAKE.format(location=location, more=more))
    return path


def persist_two_days(node: Node) -> None:
    node.persist([{"time": NS + n * CHUNK_NS, "host": "a", "usage": float(n)} for n in range(200)], 1)
    node.persist([{"time": NS + n * CHUNK_NS, "host": "a", "count": n} for n in range(100)], 2)


def load_two_days(path: Path) -> list[dict[str, object]]:
    assert run(["check", "-c", str(path)]) == 0
    assert run(["replicate", "cpu", "-c", str(path), "--start", "2026-01-01", "--end", "2026-01-03"]) == 0
    lake = load_lake(path)
    catalog = open_catalog(lake.catalog.name, lake.catalog.properties())
    return open_table(catalog, ("telemetry", "cpu")).scan().to_arrow().sort_by("time").to_pylist()


def check_rows(rows: list[dict[str, object]]) -> None:
    assert len(rows) == 200
    assert [row["usage"] for row in rows] == [float(n) for n in range(200)]
    assert [row["count"] for row in rows] == [*range(100), *[None] * 100]


@pytest.mark.slow
def test_from_a_folder(tmp_path: Path) -> None:
    persist_two_days(Node(tmp_path / "node0"))
    check_rows(load_two_days(write_lake(tmp_path, "node0")))


@pytest.mark.slow
def test_names_from_the_running_server(tmp_path: Path) -> None:
    """The sandbox's own files lie elsewhere than Core's: what counts is that it is asked, with the token."""
    persist_two_days(Node(tmp_path / "node0"))
    with Sandbox() as box:
        box.store.create_database("telemetry")
        (tmp_path / "token").write_text(str(box.token))
        more = f"    server: {{host: '{box.url}', token: '${{file:token}}'}}"
        check_rows(load_two_days(write_lake(tmp_path, "node0", more)))
        (tmp_path / "token").write_text("apiv3_wrong")
        assert run(["check", "-c", str(tmp_path / "lake.yaml")]) == 1


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("BUCKET_SECRET", "not-shown-anywhere")
    with empty_aws() as url:
        yield url


@pytest.mark.slow
def test_from_an_object_store(tmp_path: Path, s3: str, capsys: pytest.CaptureFixture[str]) -> None:
    from pyarrow.fs import S3FileSystem

    options = {"access_key": "id", "secret_key": os.environ["BUCKET_SECRET"], "region": "us-east-1"}
    store = S3FileSystem(endpoint_override=s3, allow_bucket_creation=True, **options)
    store.create_dir("influxdb")
    persist_two_days(Node(tmp_path / "node0"))
    for file in (tmp_path / "node0").rglob("*.parquet"):
        with store.open_output_stream(f"influxdb/core/{file.relative_to(tmp_path)}") as copy:
            copy.write(file.read_bytes())
    key = "s3.access-key-id: id, s3.secret-access-key: '${BUCKET_SECRET}'"
    more = f"    storage: {{s3.endpoint: '{s3}', s3.region: us-east-1, {key}}}"
    check_rows(load_two_days(write_lake(tmp_path, "s3://influxdb/core/node0", more)))
    captured = capsys.readouterr()
    assert "not-shown-anywhere" not in captured.out + captured.err
