"""`init` on real servers: what it writes is a lake that works."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from influx_lake.cli.entry import run
from influx_lake.config import load_lake
from testbed.influxdb_servers import DATABASE, ORG, TOKEN, Server, influxdb1, influxdb2

pytestmark = pytest.mark.servers

START_NS = 1_767_225_600 * 10**9  # 2026-01-01
POINTS = f"cpu,host=a usage=1.5 {START_NS}\nmem used=2i {START_NS}\nodd\\ name x=true {START_NS}"
NAMES = ["cpu", "mem", "odd name"]


@pytest.fixture(scope="module")
def v1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with influxdb1(tmp_path_factory.mktemp("v1"), "1.8") as server:
        server.write(POINTS)
        server.query('CREATE RETENTION POLICY "long" ON telemetry DURATION 0s REPLICATION 1')
        server.write(f"kept f=1 {START_NS}", policy="long")
        yield server


@pytest.fixture(scope="module")
def v2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with influxdb2(tmp_path_factory.mktemp("v2")) as server:
        server.write(POINTS)
        yield server


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def initialised(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    """What `init` told; the lake that it wrote is loaded."""
    assert run(["init", *options, "--start", "2026-01-01", "--json"]) == 0
    captured: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [each.name for each in load_lake().measurements] == captured["measurements"]
    assert run(["check"]) == 0
    capsys.readouterr()
    assert run(["replicate", "--all", "--start", "2026-01-01", "--end", "2026-01-02", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == len(captured["measurements"])
    return captured


def test_the_version_is_found_and_written(v1: Server, capsys: pytest.CaptureFixture[str]) -> None:
    result = initialised(capsys, "--host", v1.url, "--database", DATABASE)
    assert result["source"] == {"type": "influxdb1", "host": v1.url, "database": DATABASE}
    assert result["measurements"] == NAMES


def test_all_retention_policies(v1: Server, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--type", "influxdb1", "--host", v1.url, "--database", DATABASE, "--retention-policy", "*"]
    result = initialised(capsys, *options)
    assert result["measurements"] == ["autogen.cpu", "autogen.mem", "autogen.odd name", "long.kept"]


def test_a_user_and_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INFLUXDB1_PASSWORD", "a pass:word")
    with influxdb1(tmp_path / "auth", "1.8", more="auth-enabled = true") as server:
        server.query("CREATE USER root WITH PASSWORD 'a pass:word' WITH ALL PRIVILEGES")
        options = ["init", "--host", server.url, "--database", DATABASE]
        assert run(options) == 1
        assert "Give --username, and set $INFLUXDB1_PASSWORD" in capsys.readouterr().err
        # There is no such database yet: the user is known.
        assert run([*options, "--username", "root"]) == 1
        assert "database not found" in capsys.readouterr().err
        monkeypatch.setenv("OTHER", "wrong-word")
        assert run([*options, "--username", "root", "--password-env", "OTHER"]) == 1
        said = capsys.readouterr().err
        assert "authorization failed" in said
        assert "wrong-word" not in said


@pytest.mark.parametrize("language", ["influxql", "flux"])
def test_a_bucket(
    v2: Server, language: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--host", v2.url, "--bucket", DATABASE]
    assert run(["init", *options]) == 2
    assert "org: is missing" in capsys.readouterr().err
    monkeypatch.delenv("INFLUXDB2_TOKEN", raising=False)
    monkeypatch.delenv("INFLUX_TOKEN", raising=False)
    assert run(["init", *options, "--org", ORG]) == 1
    assert "Set $INFLUXDB2_TOKEN" in capsys.readouterr().err
    monkeypatch.setenv("INFLUX_TOKEN", TOKEN)
    result = initialised(capsys, *options, "--org", ORG, "--set", f"query_language={language}")
    assert result["measurements"] == NAMES
    assert (result["source"]["type"], result["source"]["token"]) == ("influxdb2", "${INFLUX_TOKEN}")
    assert TOKEN not in (folder / "lake.yaml").read_text()


def test_auto_stays_auto_where_it_is_asked_for(v2: Server, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "token").write_text(TOKEN)
    options = ["--type", "auto", "--host", v2.url, "--database", DATABASE, "--org", ORG, "--token-file", "token"]
    result = initialised(capsys, *options)
    assert (result["source"]["type"], result["source"]["token"]) == ("auto", "${file:token}")
