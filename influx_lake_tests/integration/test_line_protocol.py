"""Line protocol from files to tables, by the command line."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer
from pyarrow.fs import S3FileSystem

from influx_lake.cli.entry import run
from influx_lake.config import load_lake
from influx_lake.iceberg.catalog import open_catalog

_LAKE = """\
sources:
  default: {{type: line_protocol, path: "{path}", database: telemetry{more}}}
catalog: {{type: sql, uri: "sqlite:///./catalog.db", warehouse: ./warehouse}}
measurements:
  cpu: {{}}
"""
_DAY_NS = 86_400 * 10**9
_FIRST_NS = 1_767_225_600 * 10**9  # 2026-01-01


def _export(days: int) -> bytes:
    """One line for each field, all times of one field after all of another."""
    lines = [
        f"cpu,host=h{host} {field}={day * 10 + host}{suffix} {_FIRST_NS + day * _DAY_NS + 1}"
        for host in range(3)
        for field, suffix in (("busy", ""), ("cores", "i"))
        for day in range(days)
    ]
    return "\n".join(lines).encode()


def _lake(folder: Path, path: str, more: str = "") -> Path:
    config = folder / "lake.yaml"
    config.write_text(_LAKE.format(path=path, more=more))
    return config


def _rows(config: Path) -> list[tuple[datetime, str, float, int]]:
    lake = load_lake(config)
    table = open_catalog(lake.catalog.name, lake.catalog.properties()).load_table("telemetry.cpu")
    rows = table.scan().to_arrow().to_pylist()
    return sorted((row["time"], row["host"], row["busy"], row["cores"]) for row in rows)


_EXPECTED = [
    (datetime(2026, 1, 1 + day, tzinfo=UTC), f"h{host}", float(day * 10 + host), day * 10 + host)
    for day in range(3)
    for host in range(3)
]


def test_an_export_becomes_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "export.lp.gz").write_bytes(gzip.compress(_export(3)))
    config = _lake(tmp_path, "./*.lp.gz")
    assert run(["check", "-c", str(config)]) == 0, capsys.readouterr().err
    assert "line protocol 1 files" in capsys.readouterr().out.replace("\n", "")
    bounds = ("--start", "2026-01-01", "--end", "2026-01-04")
    assert run(["replicate", "cpu", *bounds, "-c", str(config)]) == 0, capsys.readouterr().err
    assert _rows(config) == [(time.replace(microsecond=0), *rest) for time, *rest in _EXPECTED]
    assert run(["replicate", "cpu", *bounds, "-c", str(config)]) == 0
    assert len(_rows(config)) == 9


def test_an_export_is_read_from_an_object_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        endpoint = f"http://{host}:{port}"
        store = S3FileSystem(
            endpoint_override=endpoint, access_key="key", secret_key="secret", allow_bucket_creation=True
        )
        store.create_dir("exports")
        for number, half in enumerate((_export(3)[:200].rpartition(b"\n")[0], _export(3))):
            with store.open_output_stream(f"exports/2026/{number}.lp", compression=None) as stream:
                stream.write(half)
        monkeypatch.setenv("S3_SECRET", "secret")
        storage = (
            f', storage: {{s3.endpoint: "{endpoint}", s3.access-key-id: "${{S3_KEY:-key}}", '
            's3.secret-access-key: "${S3_SECRET}", s3.region: us-east-1}'
        )
        config = _lake(tmp_path, "s3://exports/**/*.lp", storage)
        code = run(["replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-04", "-c", str(config)])
        assert code == 0, capsys.readouterr().err
        assert len(_rows(config)) == 9
    finally:
        server.stop()


def test_an_export_is_read_from_a_web_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import threading
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "export.lp.gz").write_bytes(gzip.compress(_export(3)))
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        config = _lake(tmp_path, f"http://127.0.0.1:{server.server_port}/export.lp.gz")
        code = run(["replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-04", "-c", str(config)])
        assert code == 0, capsys.readouterr().err
        assert len(_rows(config)) == 9
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
