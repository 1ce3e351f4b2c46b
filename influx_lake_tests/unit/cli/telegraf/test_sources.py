"""Outputs and inputs of Telegraf as sources and measurements, and its secrets, which stay where they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from influx_lake.cli.entry import run
from influx_lake.cli.telegraf.document import read_document
from influx_lake.config import load_lake
from influx_lake.errors import ConfigurationError
from influx_lake_tests.unit.cli.telegraf.configuration import lake_of

SECRET = "hush-hush-42"
VARIABLES = ("INFLUX_URL", "INFLUX_TOKEN", "INFLUXDB1_PASSWORD", "INFLUXDB2_TOKEN", "INFLUXDB3_TOKEN", "INFLUXDB_TOKEN")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


V1 = f"""
[[outputs.influxdb]]
  urls = ["http://influx:8086", "http://other:8086"]
  database = "metrics"
  retention_policy = "long"
  username = "telegraf"
  password = "{SECRET}"
"""
V2 = f"""
[[outputs.influxdb_v2]]
  urls = ["https://influx:443/"]
  token = "{SECRET}"
  organization = "acme"
  bucket = "machines"
  insecure_skip_verify = true
"""
SOURCES: dict[str, tuple[str, dict[str, Any]]] = {
    "InfluxDB 1": (
        V1,
        {
            "type": "influxdb1",
            "host": "http://influx:8086",
            "database": "metrics",
            "retention_policy": "long",
            "username": "telegraf",
            "password": "${INFLUXDB1_PASSWORD:-${file:.secrets/influxdb1_password}}",
        },
    ),
    "InfluxDB 2": (
        V2,
        {
            "type": "influxdb2",
            "host": "https://influx:443",
            "bucket": "machines",
            "org": "acme",
            "token": "${INFLUXDB2_TOKEN:-${file:.secrets/influxdb2_token}}",
            "tls": {"verify": False},
        },
    ),
    "InfluxDB 3 through its port": (
        '[[outputs.influxdb_v2]]\nurls = ["http://127.0.0.1:8181"]\ntoken = "@{vault:apiv3}"\nbucket = "b"',
        {
            "type": "influxdb3",
            "host": "http://127.0.0.1:8181",
            "database": "b",
            "token": "${INFLUXDB3_TOKEN:-${file:.secrets/influxdb3_token}}",
        },
    ),
    "InfluxDB 3": (
        '[[outputs.influxdb_v3]]\nurls = ["http://127.0.0.1:8181"]\ntoken = "$TOKEN_OF_OURS"\ndatabase = "b"',
        {
            "type": "influxdb3",
            "host": "http://127.0.0.1:8181",
            "database": "b",
            "token": "${TOKEN_OF_OURS:-${file:.secrets/token_of_ours}}",
        },
    ),
    "InfluxDB Cloud": (
        '[[outputs.influxdb_v2]]\nurls = ["https://us-west-2-1.aws.cloud2.influxdata.com"]\n'
        'token = "${SET_HERE}"\norganization = "o"\nbucket = "${BUCKET:-b}"',
        {
            "type": "auto",
            "host": "https://us-west-2-1.aws.cloud2.influxdata.com",
            "database": "${BUCKET:-b}",
            "org": "o",
            "token": "${SET_HERE}",
        },
    ),
    "a variable that is not set": (
        "[[outputs.influxdb]]\nurls = ['${INFLUX_URL}']\nskip_database_creation = ${SKIP}",
        {"type": "influxdb1", "host": "${INFLUX_URL:-http://localhost:8086}", "database": "telegraf"},
    ),
    "credentials in an address": (
        f'[[outputs.influxdb]]\nurls = ["http://me:{SECRET}@influx:8086"]',
        {
            "type": "influxdb1",
            "host": "http://influx:8086",
            "database": "telegraf",
            "username": "me",
            "password": "${INFLUXDB1_PASSWORD:-${file:.secrets/influxdb1_password}}",
        },
    ),
}


@pytest.mark.parametrize("case", SOURCES)
def test_an_output_becomes_a_source_of_a_lake_that_loads(
    case: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SET_HERE", SECRET)
    text, expected = SOURCES[case]
    (folder / "telegraf.conf").write_text(f"[[inputs.cpu]]\n{text}")
    assert run(["init", "--from-telegraf", "telegraf.conf", "--start", "2026-01-01", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["sources"] == {"default": expected}
    written = (folder / "lake.yaml").read_text()
    assert SECRET not in written + captured.out + captured.err
    monkeypatch.delenv("SET_HERE")
    monkeypatch.setenv("SET_HERE", "another")
    [measurement] = load_lake().measurements
    assert (measurement.name, measurement.source) == ("cpu", "default")


def test_what_is_left_to_do_is_reported_and_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "telegraf.conf").write_text(f"[[inputs.cpu]]\n{V1}\n[[outputs.kafka]]\nbrokers = ['b']\n")
    assert run(["init", "--from-telegraf", "telegraf.conf"]) == 0
    said = capsys.readouterr().out
    lines = [
        "telegraf.conf:8: outputs.influxdb.password: is not copied: set INFLUXDB1_PASSWORD to it, or write it into "
        ".secrets/influxdb1_password",
        "telegraf.conf:10: outputs.kafka: is no InfluxDB: Telegraf goes on writing to it",
    ]
    for line in lines:
        assert f"  {line}\n" in said
        assert f"#   {line}\n" in (folder / "lake.yaml").read_text()
    assert "Next: influx-lake discover, then influx-lake check" in said


def test_several_outputs_are_several_sources(folder: Path) -> None:
    text = """
    [[inputs.influxdb_listener]]
    [[outputs.influxdb]]
      database = "telegraf"
      namedrop = ["aerospike*"]
    [[outputs.influxdb]]
      database = "aerospike-data"
      namepass = ["aerospike*"]
    [[outputs.influxdb]]
      alias = "copy"
    """
    found = lake_of(folder, text)
    assert {name: entry["database"] for name, entry in found.sources.items()} == {
        "default": "telegraf",
        "aerospike_data": "aerospike-data",
        "copy": "telegraf",
    }
    assert found.measurements == {"aerospike*": {"source": "aerospike_data"}, "*": {}}
    assert any("the source copy gets points that another one has" in note.why for note in found.notes)


def test_inputs_are_measurements(folder: Path) -> None:
    text = f"""
    [global_tags]
      dc = "eu"
    [[inputs.cpu]]
      name_prefix = "my_"
      fieldexclude = ["time_*"]
      tagexclude = ["host"]
    [[inputs.disk]]
      fieldinclude = ["inodes*", "used"]
    [[inputs.docker]]
      name_suffix = "_x"
    {V2}
    """
    found = lake_of(folder, text)
    assert found.measurements == {
        "my_cpu": {"fields": {"exclude": ["time_*"]}, "tags": {"exclude": ["host"]}, "duplicates": "keep"},
        "disk": {"fields": {"include": ["inodes*", "used"]}},
        "docker_x": {},
        "docker_*_x": {},
    }


def test_a_folder_is_one_configuration(folder: Path) -> None:
    (folder / "telegraf.d").mkdir()
    (folder / "telegraf.conf").write_text("[[inputs.mem]]\n[[processors.override]]\ntags = {a = '1'}")
    (folder / "telegraf.d" / "z.conf").write_text(V1)
    (folder / "telegraf.d" / "cpu.conf").write_text("﻿[[inputs.cpu]]\r\n")
    (folder / "telegraf.d" / "notes.txt").write_text("no TOML")
    document = read_document([folder / "telegraf.conf", folder / "telegraf.d"])
    assert [plugin.title for plugin in document.plugins] == [
        "inputs.mem",
        "processors.override",
        "inputs.cpu",
        "outputs.influxdb",
    ]


def test_source_only_leaves_processors_to_telegraf(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    processors = "[[processors.override]]\nname_suffix = '_x'\n[[processors.topk]]\n[[aggregators.minmax]]\n"
    (folder / "telegraf.conf").write_text(f"[[inputs.cpu]]\n{processors}{V2}")
    assert run(["init", "--from-telegraf", "telegraf.conf", "--source-only", "--json"]) == 0
    captured: Mapping[str, Any] = json.loads(capsys.readouterr().out)
    assert captured["measurements"] == {"cpu": {}}
    assert [each["what"] for each in captured["not_carried_over"]] == ["outputs.influxdb_v2.token"]
    assert "Processors and aggregators are left to Telegraf" in (folder / "lake.yaml").read_text()


NO_TABLE_HOLDS = """
[[processors.rename]]
  [[processors.rename.replace]]
    field = "a"
    dest = "time"
  [[processors.rename.replace]]
    field = "b"
    dest = "c"
[[processors.override]]
  name_override = "%s"
""" % ("x" * 300)


def test_what_a_lake_would_not_load_with_is_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = '[[outputs.influxdb]]\nurls = ["http://no host:99999"]\n'
    (folder / "telegraf.conf").write_text(f"[[inputs.exec]]\nname_override = 'm'\n{NO_TABLE_HOLDS}{output}")
    assert run(["init", "--from-telegraf", "telegraf.conf", "--start", "2026-01-01", "--json"]) == 0
    captured = json.loads(capsys.readouterr().out)
    assert captured["measurements"] == {"m": {"rename": {"b": "c"}}}
    assert {each["what"] for each in captured["not_carried_over"]} == {
        "lake.yaml: sources.default.host",
        "lake.yaml: measurements.m.rename.a",
        "lake.yaml: measurements.m.table",
    }
    [measurement] = load_lake().measurements
    assert measurement.table == "m"


def test_measurements_that_become_one_share_its_table(folder: Path) -> None:
    names = "[[inputs.cpu]]\n[[inputs.mem]]\n[[inputs.swap]]\n"
    renamed = "".join(
        f"[[processors.rename]]\n[[processors.rename.replace]]\nmeasurement = '{name}'\ndest = 'Host'\n"
        for name in ("cpu", "mem")
    )
    shared = {"table": "Host", "metadata_columns": ["measurement"]}
    found = lake_of(folder, f"{names}{renamed}{V2}")
    assert found.measurements == {"cpu": shared, "mem": shared, "swap": {}}


def test_force_keeps_the_name_of_the_lake(folder: Path) -> None:
    (folder / "lake.yaml").write_text("name: plant\nmeasurements: {}\n")
    (folder / "telegraf.conf").write_text(f"[[inputs.cpu]]\n{V2}")
    assert run(["init", "--from-telegraf", "telegraf.conf"]) == 2
    assert run(["init", "--from-telegraf", "telegraf.conf", "--force"]) == 0
    assert "\nname: plant\n" in (folder / "lake.yaml").read_text()


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (None, [], "telegraf.conf cannot be read: No such file"),
        ("a = ", [], "telegraf.conf: not TOML: Invalid value (at end of document)"),
        ("a = 1", [], "telegraf.conf: there is no plugin of Telegraf"),
        ("[[inputs.cpu]]", ["--host", "x"], "--from-telegraf takes the source from Telegraf's outputs"),
    ],
)
def test_invalid_values(
    content: str | None, options: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (folder / "telegraf.conf").write_text(content)
    assert run(["init", "--from-telegraf", "telegraf.conf", *options]) == 2
    assert said in capsys.readouterr().err
    assert not (folder / "lake.yaml").exists()


def test_source_only_needs_a_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "--source-only"]) == 2
    assert "--source-only is for --from-telegraf" in capsys.readouterr().err


def test_an_empty_folder_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"has no \*\.conf"):
        read_document([folder])
