"""Line protocol from files to tables, by the command line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from pyarrow.fs import S3FileSystem

from influx_lake.cli.entry import run
from influx_lake.config import load_lake
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import CliLake
from testbed.aws import empty_aws

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


def test_a_wrong_precision_is_reported_where_no_window_has_the_points(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    times = [(_FIRST_NS + day * _DAY_NS) // 10**9 for day in range(3)]
    (tmp_path / "a.lp").write_text("".join(f"cpu,host=a busy={time}.5,cores=1i {time}\n" for time in times))
    config = _lake(tmp_path, "./a.lp")
    bounds = ("--start", "2026-01-01", "--end", "2026-01-04")
    assert run(["replicate", "cpu", *bounds, "-c", str(config)]) == 0, capsys.readouterr().err
    messages = [record.getMessage() for record in caplog.records if "outside of the partitions" in record.getMessage()]
    assert messages == [
        "cpu: all points that were read (3 points) lie outside of the partitions, before partition.start, "
        "2026-01-01T00:00:00Z: from 1970-01-01T00:00:01.767225Z to 1970-01-01T00:00:01.767398Z. No window loads them. "
        "Check the unit of times, `precision: ns` of the source; else set an earlier `partition.start` to "
        "load them"
    ]
    capsys.readouterr()
    assert run(["verify", *bounds, "-c", str(config)]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "3 windows compared, all equal, but none holds a point of cpu: all lie outside of them." in said
    assert "! cpu: all points that were read (3 points) lie outside of the partitions" in said
    assert "→ Check the unit of times, `precision: ns` of the source" in said
    assert run(["verify", *bounds, "-c", str(config), "--json"]) == 1
    [found] = json.loads(capsys.readouterr().out)["measurements"]
    assert not found["equal"]
    assert found["outside_partitions"] == {
        "before_start": 3,
        "in_the_future": 0,
        "counted": "points",
        "all": True,
        "first": "1970-01-01T00:00:01.767225Z",
        "last": "1970-01-01T00:00:01.767398Z",
    }

    right = _lake(tmp_path, "./a.lp", ", precision: s")
    caplog.clear()
    assert run(["replicate", "cpu", *bounds, "-c", str(right)]) == 0
    assert [row[2] for row in _rows(right)] == [time + 0.5 for time in times]
    assert "outside of the partitions" not in caplog.text


def test_points_that_are_all_in_the_future_are_reported_by_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.lp").write_text("cpu busy=1,cores=1i 4102444800\n")
    config = _lake(tmp_path, "./a.lp", ", precision: s")
    assert run(["check", "-c", str(config)]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "✗ measurement cpu: all points that were found lie in the future: from 2100-01-01T00:00:00Z to 2100" in said
    assert "→ Look at the unit that times count in, `precision: s` of the source" in said


def test_an_export_is_read_from_an_object_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with empty_aws() as endpoint:
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


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        yield CliLake(tmp_path, box, capsys)


_BOTH = """\
sources:
  default: {{host: {host}, database: telemetry, token: "${{file:token}}"}}
  exports: {{type: line_protocol, path: ./export.lp, database: telemetry}}
catalog: {catalog}
measurements:
  cpu: {{HISTORY}}
"""
_HISTORY = 'history: {source: exports, until: "2026-01-03"}'
_RANGE = ("--start", "2026-01-01", "--end", "2026-01-05")


def _with_export(lake: CliLake, history: str = "") -> None:
    """The export has the first two days, the live server the third and fourth, and a little of the second."""
    lines = [f"cpu,host=old value={day}i {_FIRST_NS + day * _DAY_NS + 5}" for day in range(2)]
    (lake.folder / "export.lp").write_text("\n".join(lines))
    lake.box.write("telemetry", "\n".join(f"cpu,host=new value={d}i {_FIRST_NS + d * _DAY_NS + 9}" for d in (1, 2, 3)))
    lake.write_config(_BOTH.replace("HISTORY", history.replace("{", "{{").replace("}", "}}")))


def _points(lake: CliLake) -> list[tuple[str, int]]:
    rows = lake.catalog.load_table("telemetry.cpu").scan().to_arrow().to_pylist()
    return sorted((row["host"], row["value"]) for row in rows)


@pytest.mark.slow
def test_an_export_backfills_what_the_live_source_keeps_fresh(lake: CliLake) -> None:
    _with_export(lake, _HISTORY)
    result = lake.tell("replicate", "cpu", *_RANGE)
    assert result.code == 0, result.err
    expected = [("new", 2), ("new", 3), ("old", 0), ("old", 1)]
    assert _points(lake) == expected
    owner = lake.catalog.load_table("telemetry.cpu").properties["influx-lake.owner"]
    assert owner.startswith("influxdb3://")
    assert lake.tell("replicate", "cpu", *_RANGE).code == 0
    assert _points(lake) == expected


def test_dagster_loads_each_window_from_its_source(lake: CliLake) -> None:
    _with_export(lake, _HISTORY)
    definitions = build_definitions(load_lake(lake.config))
    cpu = dg.AssetKey(["telemetry", "cpu"])
    own = [each for each in definitions.assets or () if isinstance(each, dg.AssetsDefinition)]
    (asset,) = (each for each in own if cpu in each.keys)
    upstream = {key.to_user_string() for key in asset.dependency_keys}
    assert upstream == {"influxdb/default/telemetry/cpu", "influxdb/exports/telemetry/cpu"}
    result = dg.materialize(
        own,
        selection=[cpu],
        resources=dict(definitions.resources or {}),
        tags={
            "dagster/asset_partition_range_start": "2026-01-01",
            "dagster/asset_partition_range_end": "2026-01-04",
        },
    )
    assert result.success
    assert _points(lake) == [("new", 2), ("new", 3), ("old", 0), ("old", 1)]


def test_a_source_named_by_hand_loads_into_the_table_of_another(lake: CliLake) -> None:
    _with_export(lake)
    assert lake.tell("replicate", "cpu", "--start", "2026-01-03", "--end", "2026-01-05").code == 0
    result = lake.tell("replicate", "cpu", "--source", "exports", "--start", "2026-01-01", "--end", "2026-01-03")
    assert result.code == 0, result.err
    assert _points(lake) == [("new", 2), ("new", 3), ("old", 0), ("old", 1)]
    result = lake.tell("replicate", "cpu", "--start", "2026-01-04", "--end", "2026-01-05")
    assert result.code == 0, "it is the live source's table as before"
    result = lake.tell("replicate", "cpu", "--source", "export", *_RANGE)
    assert result.code == 2
    assert "did you mean exports?" in result.err


def test_an_export_does_not_get_into_a_table_where_nobody_said_so(lake: CliLake) -> None:
    _with_export(lake)
    assert lake.tell("replicate", "cpu", "--start", "2026-01-03", "--end", "2026-01-05").code == 0
    lake.config.write_text(lake.config.read_text().replace("cpu: {}", "cpu: {source: exports}"))
    result = lake.tell("replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-02")
    assert result.code == 1
    assert "holds the rows of influxdb3://" in result.err


def test_a_landing_zone_is_read_from_an_object_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with empty_aws() as endpoint:
        store = S3FileSystem(endpoint_override=endpoint, access_key="k", secret_key="s", allow_bucket_creation=True)
        store.create_dir("landed")
        for day in range(3):
            record = {"name": "cpu", "tags": {"host": "a"}, "fields": {"busy": day + 0.5, "cores": day},
                      "timestamp": (_FIRST_NS + day * _DAY_NS) // 10**9}  # fmt: skip
            with store.open_output_stream(f"landed/cpu/year=2026/month=01/day={day + 1:02}/a.json") as stream:
                stream.write(json.dumps(record).encode())
        (tmp_path / "lake.yaml").write_text(f"""\
sources:
  default:
    type: landing_zone
    path: s3://landed/{{measurement}}/year={{year}}/month={{month}}/day={{day}}
    database: telemetry
    storage:
      s3.endpoint: "{endpoint}"
      s3.access-key-id: "${{K:-k}}"
      s3.secret-access-key: "${{K:-s}}"
      s3.region: us-east-1
catalog: {{type: sql, uri: "sqlite:///./catalog.db", warehouse: ./warehouse}}
measurements: {{cpu: {{}}}}
""")
        config = tmp_path / "lake.yaml"
        code = run(["replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-04", "-c", str(config)])
        assert code == 0, capsys.readouterr().err
        assert [(busy, cores) for _, _, busy, cores in _rows(config)] == [(0.5, 0), (1.5, 1), (2.5, 2)]
