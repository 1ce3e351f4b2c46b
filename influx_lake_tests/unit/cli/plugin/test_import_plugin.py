"""`influx-lake import-plugin`: triggers of the plugin as lake.yaml files that load."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from influx_lake.cli.entry import run
from influx_lake.config import Lake, load_lake

SECRET = "Hh7-secret/of+the=store"
S3 = {
    "type": "sql",
    "uri": "sqlite:///iceberg/catalog.db",
    "warehouse": "s3://my-bucket/iceberg-warehouse/",
    "s3.endpoint": "http://minio:9000",
    "s3.access-key-id": "minioadmin",
    "s3.secret-access-key": SECRET,
    "s3.path-style-access": True,
}
NESSIE = {"uri": "http://nessie:9000"}
TOML = """\
measurement = "temperature"
window = "30min"
included_fields = ["temp", "time", "sensor_id", "a*b"]
excluded_fields = ["ignored"]
namespace = "weather.eu"
table_name = "history"
auto_update_schema = true
typo = 1

[catalog_configs]
type = "rest"
uri = "http://rest-catalog:8080"
warehouse = "s3://iceberg-warehouse/"
credential = "id:{secret}"
"s3.path-style-access" = true
supportedAPIVersion = "2"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("INFLUXDB3_HOST", "INFLUXDB3_DATABASE", "INFLUXDB3_TOKEN", "PLUGIN_DIR", "INFLUXDB3_PLUGIN_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def encoded(catalog: dict[str, Any]) -> str:
    return base64.encodebytes(json.dumps(catalog).encode()).decode().strip()


def import_plugin(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[Lake, dict[str, Any]]:
    """What it writes and tells; no secret is in either."""
    code = run(["import-plugin", *arguments, "--json"])
    told = capsys.readouterr()
    assert code == 0, told.out + told.err
    written = Path("lake.yaml").read_text()
    for secret in (SECRET, "minioadmin", encoded(S3)):
        assert secret not in written + told.out + told.err
    return load_lake(Path("lake.yaml")), json.loads(told.out)


def test_arguments_as_on_the_command_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = f'measurement=sensor_data,window=1h,catalog_configs="{encoded(S3)}",namespace=iot,table_name=sensors'
    lake, told = import_plugin(capsys, text, "--start", "2026-01-01", "--host", "http://db:8181", "--database", "plant")
    [measurement] = lake.measurements
    assert measurement.identifier == ("iot", "sensors")
    assert (measurement.name, measurement.source, measurement.database) == ("sensor_data", "default", "plant")
    assert measurement.tail is not None
    assert measurement.tail.every == timedelta(hours=1)
    assert str(measurement.types.time_type) == "timestamp"
    # A SQL catalog keeps its tables under its name, and the plugin's is called so.
    assert lake.catalog.name == "iceberg"
    assert told["variables"] == ["INFLUXDB3_TOKEN", "ICEBERG_S3_ACCESS_KEY_ID", "ICEBERG_S3_SECRET_ACCESS_KEY"]
    monkeypatch.setenv("ICEBERG_S3_ACCESS_KEY_ID", "minioadmin")
    monkeypatch.setenv("ICEBERG_S3_SECRET_ACCESS_KEY", SECRET)
    properties = lake.catalog.properties()
    assert properties == {
        **{name: value for name, value in S3.items() if isinstance(value, str)},
        "uri": f"sqlite:///{Path.cwd()}/iceberg/catalog.db",
        "s3.path-style-access": "true",
    }
    assert any("below the server's folder" in change["text"] for change in told["changes"])


def test_a_toml_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("trigger.toml").write_text(TOML.format(secret=SECRET))
    lake, told = import_plugin(capsys, "config_file_path=trigger.toml", "--start", "2026-01-01")
    [measurement] = lake.measurements
    assert measurement.identifier == ("weather", "eu", "history")
    fields, tags = measurement.transforms.fields, measurement.transforms.tags
    assert fields.chosen(["temp", "other", "a*b", "axb"]) == ["temp", "a*b"]
    assert tags.chosen(["sensor_id", "room"]) == ["sensor_id"]
    assert (str(measurement.transforms.duplicates), measurement.tail and measurement.tail.every) == (
        "keep",
        timedelta(minutes=30),
    )
    assert told["catalog"]["credential"] == "${ICEBERG_CREDENTIAL:-${file:.secrets/iceberg_credential}}"
    settings = {change["setting"] for change in told["changes"]}
    assert {"excluded_fields", "included_fields", "auto_update_schema", "typo", "tables", "columns"} <= settings
    assert told["variables"][:2] == ["INFLUXDB3_HOST", "INFLUXDB3_DATABASE"]


def test_a_request_and_commands_of_several_databases(capsys: pytest.CaptureFixture[str]) -> None:
    Path("body.json").write_text(
        json.dumps({"measurement": "t", "catalog_configs": NESSIE, "backfill_start": "2024-01-01T00:00:00+02:00"})
    )
    Path("triggers.sh").write_text(
        f"""# Every hour.
influxdb3 create trigger \\
  --database metrics \\
  --trigger-spec "every:1h" \\
  --trigger-arguments 'measurement=cpu,window=24h,catalog_configs="{encoded(NESSIE)}",table_name=a.b' \\
  cpu_to_iceberg
influxdb3 create trigger --database=plant --trigger-spec every:7d --trigger-arguments \
"measurement=cpu,window=1w,catalog_configs={encoded(NESSIE)},namespace=plant" other
"""
    )
    lake, told = import_plugin(capsys, "body.json", "triggers.sh")
    assert lake.catalog.properties() == NESSIE | {"uri": "http://nessie:9000"}
    assert told["defaults"]["partition"]["start"] == "2023-12-31"
    found = {measurement.identifier: measurement for measurement in lake.measurements}
    assert set(found) == {("default", "t"), ("default", "a", "b"), ("plant", "cpu")}
    hourly, weekly = found["default", "a", "b"], found["plant", "cpu"]
    assert (hourly.name, hourly.database, weekly.name, weekly.database) == ("cpu", "metrics", "cpu", "plant")
    assert (hourly.tail and hourly.tail.every, weekly.tail) == (timedelta(hours=1), None)
    assert any("24 times" in change["text"] for change in told["changes"])
    assert lake.source(found["default", "t"].source).database == "telemetry"  # type: ignore[union-attr]


def test_two_triggers_of_one_table_are_one_measurement(capsys: pytest.CaptureFixture[str]) -> None:
    one, other = (f"measurement=cpu,window={window},catalog_configs={encoded(NESSIE)}" for window in ("1d", "10min"))
    lake, _ = import_plugin(capsys, one, other, "--start", "2026-01-01")
    [measurement] = lake.measurements
    assert measurement.tail is not None
    assert measurement.tail.every == timedelta(minutes=10)


@pytest.mark.parametrize(
    ("properties", "expected", "variables"),
    [
        (
            {"uri": f"postgresql://lake:{SECRET.replace('/', '')}@db/lake"},
            {"uri": "postgresql://lake:${ICEBERG_URI_PASSWORD:-${file:.secrets/iceberg_uri_password}}@db/lake"},
            ["ICEBERG_URI_PASSWORD"],
        ),
        (
            {"uri": "postgresql://db/lake?password=abcdef123"},
            {"uri": "${ICEBERG_URI:-${file:.secrets/iceberg_uri}}"},
            ["ICEBERG_URI"],
        ),
        (
            {"uri": "http://rest", "auth": {"type": "oauth2", "oauth2": {"client_id": "a", "client_secret": SECRET}}},
            {
                "uri": "http://rest",
                "auth.type": "oauth2",
                "auth.oauth2.client_id": "a",
                "auth.oauth2.client_secret": "${ICEBERG_AUTH_OAUTH2_CLIENT_SECRET:-"
                "${file:.secrets/iceberg_auth_oauth2_client_secret}}",
            },
            ["ICEBERG_AUTH_OAUTH2_CLIENT_SECRET"],
        ),
        (
            {"uri": "http://rest", "s3": {"session-token": SECRET, "region": "eu", "path-style-access": True}},
            {
                "uri": "http://rest",
                "s3.session-token": "${ICEBERG_S3_SESSION_TOKEN:-${file:.secrets/iceberg_s3_session_token}}",
                "s3.region": "eu",
                "s3.path-style-access": "true",
            },
            ["ICEBERG_S3_SESSION_TOKEN"],
        ),
        ({"uri": "http://rest/${x}", "token": None}, {"uri": "http://rest/$${x}"}, []),
    ],
)
def test_credentials_become_references(
    properties: dict[str, Any], expected: dict[str, str], variables: list[str]
) -> None:
    from influx_lake.cli.plugin.catalogs import catalog_entry

    found = catalog_entry(properties)
    assert found.properties == {"name": "iceberg", **expected}
    assert [each.variable for each in found.credentials] == variables


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cpu", "is no file that is there"),
        ("measurement=cpu,window=1h", "catalog_configs missing"),
        ("measurement=cpu,catalog_configs=e30", "not the base64 of a JSON object"),
        ("measurement=cpu,catalog_configs=$CATALOG_CONFIG", "is a variable of a shell"),
        (f"measurement=cpu,window=5m,catalog_configs={encoded(S3)}", "window is not a number and one of"),
        (f"measurement=cpu,window=99999999999d,catalog_configs={encoded(S3)}", "longer than time itself"),
        ("measurement=cpu, =1", "from character 17 on"),
        ("config_file_path=nowhere.toml", "nowhere.toml is not in"),
        ('{"measurement": "cpu", "catalog_configs": "text"}', "is no table of properties"),
        ('{"measurement": "cpu", "catalog_configs": {"s3": [{"key": 1}]}}', "catalog_configs: s3 is a list"),
        ('{"measurement": 1, "catalog_configs": {"uri": "x"}}', "measurement is no text"),
        (
            f"measurement=cpu,table_name=../x,catalog_configs={encoded(NESSIE)}",
            "argument 1: table_name: 'default..' is",
        ),
        (f'measurement=a"b,catalog_configs={encoded(NESSIE)}', "argument 1: measurement: 'a\"b' is not a table's name"),
        (f"measurement=cpu,namespace=a/b,catalog_configs={encoded(NESSIE)}", "argument 1: namespace: 'a/b' is not"),
        ("{", "not JSON"),
        ("influxdb3 create trigger --trigger-arguments 'measurement", "not the commands of a shell"),
    ],
)
def test_what_is_no_trigger(text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import-plugin", text]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert SECRET not in told
    assert not Path("lake.yaml").exists()


def test_what_one_lake_cannot_be(capsys: pytest.CaptureFixture[str]) -> None:
    one = f"measurement=cpu,window=1h,catalog_configs={encoded(NESSIE)}"
    other = f"measurement=mem,window=1h,catalog_configs={encoded(S3)}"
    assert run(["import-plugin", one, other]) == 2
    assert "argument 1 and argument 2 have different catalogs" in capsys.readouterr().err
    assert run(["import-plugin", one, f"{one},excluded_fields=host"]) == 2
    assert "fill the table default.cpu with different rows" in capsys.readouterr().err
    Path("lake.yaml").write_text("mine")
    assert run(["import-plugin", one]) == 2
    assert Path("lake.yaml").read_text() == "mine"
