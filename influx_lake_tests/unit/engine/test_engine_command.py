"""`influx-lake engine` on a server that installs and runs the plugin as InfluxDB 3.10 does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from influx_lake.cli.checking.change_checks import check_telling
from influx_lake.cli.entry import run as run_command
from influx_lake.config import lake_of
from influx_lake.engine.server import EngineServer
from influx_lake.engine.triggers import PLUGIN, Telling, find_source, triggers_of
from influx_lake.replication.changes.journal import ChangeJournal
from influx_lake_tests.unit.engine.engine_server import Engine, serving

Run = Callable[..., tuple[int, dict[str, Any]]]
NAMES = ["influx_lake_requests", "influx_lake_tick", "influx_lake_writes"]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    (tmp_path / "plugins").mkdir()
    with serving(Engine(tmp_path / "plugins")) as made:
        yield made


@pytest.fixture
def run(engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    lake = tmp_path / "lake.yaml"
    (tmp_path / "token").write_text(engine.token)
    lake.write_text(f"""
sources:
  default: {{host: "{engine.url}", database: telemetry, token: "${{file:token}}", changes: {{}}, retry: {{budget: 0}}}}
  old: {{type: influxdb1, host: "http://127.0.0.1:9", database: past}}
catalog: {{type: sql, uri: "sqlite:///{tmp_path}/c.db", warehouse: "{tmp_path}/w"}}
measurements: {{cpu: {{lag: 5m}}, "disk_*": {{lag: 10m}}}}
""")

    def asked(*arguments: str) -> tuple[int, dict[str, Any]]:
        code = run_command(["engine", *arguments, "--config", str(lake), "--json"])
        said = capsys.readouterr()
        return code, json.loads(said.out or said.err)

    return asked


def test_it_is_installed_once_looked_at_and_removed(engine: Engine, run: Run) -> None:
    assert run("install", "--database", "telemetry") == (
        0,
        {"source": "default", "triggers": dict.fromkeys(reversed(NAMES), "created"), "upload": None},
    )
    assert (engine.plugin_dir / PLUGIN.name).read_text() == PLUGIN.read_text()
    assert {name: each["trigger_specification"] for name, each in engine.triggers.items()} == {
        "influx_lake_writes": "all_tables",
        "influx_lake_tick": "every:5s",
        "influx_lake_requests": "request:influx_lake/telemetry",
    }
    # Half of the shortest lag: what is younger is loaded later anyway.
    assert engine.triggers["influx_lake_writes"]["trigger_arguments"] == {
        "database": "telemetry",
        "source": "default",
        "younger_than": "150",
        "table": "influx_lake_changes",
    }
    assert set(run("install")[1]["triggers"].values()) == {"kept"}
    assert engine.running is not None
    engine.running.scheduled()
    code, said = run("check")
    assert (code, said["ok"]) == (0, True)
    assert "runs: no points seen yet" in said["checks"][0]["detail"]
    assert sorted(run("remove")[1]["triggers"]) == NAMES
    assert (run("remove")[1]["triggers"], engine.triggers) == ({}, {})
    assert "triggers are missing" in run("check")[1]["checks"][0]["detail"]


def test_what_is_not_as_it_should_be_is_made_anew_and_said(engine: Engine, run: Run) -> None:
    run("install")
    engine.triggers["influx_lake_tick"]["disabled"] = True
    engine.triggers["influx_lake_writes"]["trigger_arguments"]["younger_than"] = "900"
    code, said = run("check")
    details = " ".join(each["detail"] for each in said["checks"])
    assert code == 1
    assert "influx_lake_tick is switched off" in details
    assert "influx_lake_writes is not what lake.yaml makes of it now" in details
    assert "from the beginning" not in details
    done = run("install")[1]["triggers"]
    assert done == {"influx_lake_writes": "replaced", "influx_lake_tick": "replaced", "influx_lake_requests": "kept"}


def test_a_plugin_that_does_not_tick_is_silent_since_then(engine: Engine, run: Run) -> None:
    run("install")
    assert engine.running is not None
    engine.running.scheduled()
    next(iter(engine.running._shared.values()))["ticked"] = time.time_ns() - 3600 * 10**9
    code, said = run("check")
    assert code == 1
    assert "silent since 20" in said["checks"][0]["detail"]


def test_changes_that_cannot_be_delivered_are_reported(engine: Engine, run: Run) -> None:
    run("install", "--url", "http://127.0.0.1:9", "--token-variable", "SERVICE_TOKEN")
    assert engine.triggers["influx_lake_writes"]["trigger_arguments"]["token_variable"] == "SERVICE_TOKEN"
    assert engine.running is not None
    engine.running.flush(cpu=[{"time": 5}])
    engine.running.scheduled()
    code, said = run("check")
    assert code == 1
    assert "1 changes cannot be told, and wait: URLError" in said["checks"][0]["detail"]


def test_a_server_that_takes_no_files_has_to_be_given_it(engine: Engine, run: Run) -> None:
    engine.takes_files, engine.has_arguments = False, False
    code, said = run("install")
    assert code == 2
    assert "installation is disabled" in said["error"]["message"]
    assert str(PLUGIN) in said["error"]["remedy"]
    (engine.plugin_dir / PLUGIN.name).write_text(PLUGIN.read_text())
    code, said = run("install")
    assert (code, sorted(said["triggers"])) == (0, NAMES)
    assert "installation is disabled" in said["upload"]
    assert set(run("install")[1]["triggers"].values()) == {"kept"}


def test_a_server_that_asks_nobody_has_to_be_given_it(engine: Engine, run: Run, tmp_path: Path) -> None:
    engine.has_tokens = False
    lake = tmp_path / "lake.yaml"
    lake.write_text(lake.read_text().replace('token: "${file:token}", ', ""))
    code, said = run("install")
    assert code == 2
    assert "asks for a token for POST /api/v3/plugins/files" in said["error"]["message"]
    assert f"Copy {PLUGIN}" in said["error"]["remedy"]
    (engine.plugin_dir / PLUGIN.name).write_text(PLUGIN.read_text())
    code, said = run("install")
    assert (code, sorted(said["triggers"])) == (0, NAMES)


def test_a_server_without_an_engine_is_reported(engine: Engine, run: Run) -> None:
    engine.has_engine = engine.takes_files = False
    for command in ("install", "check", "remove"):
        code, said = run(command)
        assert code == 1
        assert "has no processing engine" in said["error"]["message"]
        assert "--plugin-dir" in said["error"]["remedy"]


def test_the_commands_are_printed_and_nothing_is_asked(engine: Engine, run: Run) -> None:
    commands = run("install", "--print")[1]["commands"]
    assert commands[0] == f"cp {PLUGIN} PLUGIN_DIR/"
    assert commands[1] == (
        "influxdb3 create trigger --database telemetry --plugin-filename influx_lake_changes.py --trigger-spec "
        "'all_tables' --trigger-arguments "
        "'database=telemetry,source=default,younger_than=150,table=influx_lake_changes' influx_lake_writes"
    )
    assert engine.requests == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--database", "telemetri"], "no source of InfluxDB 3 has the database telemetri"),
        (["--source", "old"], "of type influxdb1"),
        (["--source", "nobody"], "has no source nobody"),
        (["--token-file", "a,b"], "cannot hold a comma"),
        (["--url", "http://user:very-secret@h:1/"], "holds a user or a password"),
        (["--url", "http://very-secret@h:1"], "holds a user or a password"),
        (["--url", "lake.example.com:8282"], "not the address of a web server"),
        (["--url", "ftp://h"], "not the address of a web server"),
        (["--url", "http://"], "not the address of a web server"),
        (["--url", "http://:80"], "not the address of a web server"),
        (["--url", ""], "not the address of a web server"),
        (["--url", "https://h/?token=very-secret"], "holds a query"),
        (["--url", "https://h/#very-secret"], "holds a query or a fragment"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_asked(
    engine: Engine, run: Run, arguments: list[str], said: str
) -> None:
    for more in ([], ["--print"]):
        code, answer = run("install", *arguments, *more)
        assert code == 2
        assert said in answer["error"]["message"]
        assert "very-secret" not in json.dumps(answer)
    assert engine.requests == []


def test_a_wrong_token_is_reported_and_not_shown(engine: Engine, run: Run) -> None:
    engine.token = "apiv3_other"
    code, said = run("install")
    assert code == 1
    assert "AuthenticationFailed" in said["error"]["type"]
    assert "apiv3_test" not in json.dumps(said)


def test_the_lakes_check_says_whether_databases_tell(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(engine.token)
    engine_lake = {
        "sources": {
            "default": {
                "host": engine.url,
                "database": "telemetry",
                "token": f"${{file:{tmp_path}/token}}",
                "changes": {},
            },
            "old": {"type": "influxdb1", "host": "http://127.0.0.1:9", "database": "past", "changes": {}},
            "quiet": {"type": "influxdb1", "host": "http://127.0.0.1:9", "database": "past"},
        },
        "catalog": {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": f"{tmp_path}/w"},
        "measurements": {"cpu": {"source": "default"}},
    }
    lake = lake_of(engine_lake, tmp_path / "lake.yaml")

    def said() -> list[tuple[str, bool, str]]:
        found = [each for name in lake.sources for each in check_telling(lake, name)]
        return [(each.subject, each.ok, each.detail) for each in found]

    assert said() == [
        (
            "changes of default",
            False,
            "triggers are missing: influx_lake_writes, influx_lake_tick, influx_lake_requests",
        ),
        ("changes of old", False, "nothing was told yet"),
    ]
    # By HTTP a server is told of whatever it is.
    engine.has_engine = False
    [without] = check_telling(lake, "default")
    assert (without.ok, without.warning) == (True, True)
    assert "has no processing engine" in without.detail
    assert "POST /v1/changes" in without.detail
    journal = ChangeJournal.of(lake.root)
    journal.note([], source="default")
    [without] = check_telling(lake, "default")
    assert (without.ok, without.warning, without.detail[:9]) == (True, False, "told last")
    engine.has_engine = True
    journal.note([], source="old")
    journal.note([], source="default")
    assert [(ok, detail[:14]) for _, ok, detail in said()] == [(True, "told last at 2")] * 2
    for trigger in triggers_of(lake, "default", "telemetry", Telling()):
        with closing(EngineServer(find_source(lake, None, "default")[1])) as server:
            if trigger.name == "influx_lake_writes":
                server.upload()
            server.create(trigger)
    assert engine.running is not None
    engine.running.scheduled()
    assert [(ok, detail[:16]) for _, ok, detail in said()] == [(True, "the plugin runs:"), (True, "told last at 202")]
