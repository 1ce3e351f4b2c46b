"""The plugin inside a real InfluxDB 3 Core: installed by its API, called by its engine, killed with it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from influx_lake.engine.triggers import PLUGIN
from influx_lake_tests.integration.engine.core_lake import DAY_NS, LAST_YEAR_NS, SERVICE_TOKEN, CoreLake
from influx_lake_tests.integration.serve.served_lake import start
from testbed.influxdb3_core import InfluxDB3Core, influxdb3_core
from testbed.processing_engine import Local, ProcessingEngine
from testbed.waiting import wait_until

pytestmark = pytest.mark.servers

NAMES = ("influx_lake_writes", "influx_lake_tick", "influx_lake_requests")
RANGE = ("--start", "2025-03-01", "--end", "2025-04-01")


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxDB3Core]:
    with influxdb3_core(
        tmp_path_factory.mktemp("core"), environment={"INFLUX_LAKE_TOKEN": SERVICE_TOKEN, "TZ": "America/New_York"}
    ) as core:
        yield core


@pytest.fixture
def lake(core: InfluxDB3Core, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CoreLake]:
    """A lake with a point of each day of a month in its database, and a database of its own."""
    lake = CoreLake(tmp_path, core, f"plant_{uuid.uuid4().hex[:8]}", capsys)
    lake.write(*(LAST_YEAR_NS + day * DAY_NS for day in range(5)))
    yield lake
    # Core has room for five. One that a plugin writes to just then would hang it (see docs/engine.md).
    lake.tell("engine", "remove")
    core.request("DELETE", "/api/v3/configure/database", db=lake.database)


def test_it_is_installed_once_looked_at_and_removed(lake: CoreLake) -> None:
    code, told = lake.tell("engine", "install", "--database", lake.database)
    assert (code, told["upload"]) == (0, None)
    assert told["triggers"] == dict.fromkeys(NAMES, "created")
    assert (lake.core.plugin_dir / PLUGIN.name).read_text() == PLUGIN.read_text()
    assert lake.tell("engine", "install")[1]["triggers"] == dict.fromkeys(NAMES, "kept")
    wait_until(lambda: lake.status()["ticked"], "the plugin ticks", 30)
    code, told = lake.tell("engine", "check")
    assert (code, told["ok"]) == (0, True), told
    lake.config.write_text(lake.config.read_text().replace("reconcile: off", "reconcile: off, lag: 1h"))
    code, told = lake.tell("engine", "check")
    assert code == 1
    assert "is not what lake.yaml makes of it now" in told["checks"][0]["detail"]
    assert lake.tell("engine", "install")[1]["triggers"] == dict.fromkeys(NAMES, "replaced")
    assert lake.tell("engine", "remove")[1]["triggers"] == dict.fromkeys(NAMES, "removed")
    assert lake.tell("engine", "check")[0] == 1


def test_a_newer_plugin_takes_the_place_of_an_older_one_at_once(lake: CoreLake) -> None:
    lake.install()
    version = 'INFLUX_LAKE_CHANGES_VERSION = "{}"'
    older = PLUGIN.read_text().replace(version.format(lake.status()["version"]), version.format("older"))
    (lake.core.plugin_dir / PLUGIN.name).write_text(older)
    wait_until(lambda: lake.status()["version"] == "older", "the engine reads the file again", 20)
    since = lake.status()["since"]
    assert lake.tell("engine", "install")[1]["triggers"] == dict.fromkeys(NAMES, "kept")
    wait_until(lambda: lake.status()["version"] != "older", "the engine reads the file again", 20)
    # What it keeps outlasts that.
    assert lake.status()["since"] == since


def test_the_commands_that_are_printed_install_it(lake: CoreLake) -> None:
    code, told = lake.tell("engine", "install", "--print")
    assert code == 0
    (lake.core.plugin_dir / PLUGIN.name).unlink(missing_ok=True)
    environment = {
        "PATH": f"{lake.core.binary.parent}:{os.environ['PATH']}",
        "INFLUXDB3_HOST_URL": lake.core.url,
        "INFLUXDB3_AUTH_TOKEN": lake.core.token,
    }
    for command in told["commands"]:
        words = shlex.split(command.replace("PLUGIN_DIR", str(lake.core.plugin_dir)))
        subprocess.run(words, env=environment, check=True, timeout=60, capture_output=True)
    wait_until(lambda: lake.status()["ticked"], "the plugin ticks", 30)
    code, told = lake.tell("engine", "check")
    assert (code, told["ok"]) == (0, True), told


def test_late_points_are_reported_in_the_table_and_its_own_rows_tell_nothing(lake: CoreLake) -> None:
    assert lake.tell("replicate", "cpu", *RANGE)[0] == 0
    lake.install()
    before = lake.status()
    late = LAST_YEAR_NS + DAY_NS + 7
    lake.write(late, late + 2)
    # Of now: the schedules load it.
    lake.write(time.time_ns())
    wait_until(lambda: lake.status()["points"] - before["points"] == 3, "the plugin saw the points", 20)
    wait_until(lake.changes, "the change is in the table", 20)
    assert lake.changes() == [{"measurement": "cpu", "first": late, "last": late + 2, "points": 2}]
    # The trigger on all tables gets these rows too: of none of them anything is told, or counted.
    quiet = lake.status()
    wait_until(lambda: lake.status()["ticked"] != quiet["ticked"], "the plugin says that it is alive", 90)
    after = lake.status()
    assert (after["flushes"], after["points"], after["changes"]) == (
        quiet["flushes"],
        quiet["points"],
        quiet["changes"],
    )
    assert len(lake.changes()) == 1


@pytest.mark.parametrize("name", ["disk io", 'a"b', "back\\slash", "ä=ö", "comma,name", "x" * 300], ids=repr)
def test_tables_of_any_name_are_reported(lake: CoreLake, name: str) -> None:
    lake.install()
    written = "".join(f"\\{char}" if char in ", " else char for char in name)
    lake.write(LAST_YEAR_NS, measurement=written)
    wait_until(lake.changes, "the change is in the table", 20)
    told = [each["measurement"] for each in lake.changes()]
    encoded = "".join(f"%{ord(char):02X}" if char in '%"\\' or char < " " else char for char in name)
    assert told == [encoded]


def test_it_answers_requests(lake: CoreLake) -> None:
    lake.install()
    asked = {"action": "replicate", "measurement": "cpu", "start": "2025-03-10", "end": "2025-03-11"}
    path = f"/api/v3/engine/influx_lake/{lake.database}"
    answer = json.loads(lake.core.request("POST", path, json.dumps(asked).encode()))
    assert answer == {"status": "noted", "measurement": "cpu"}
    wait_until(lake.changes, "the change is in the table", 20)
    assert lake.changes() == [
        {"measurement": "cpu", "first": LAST_YEAR_NS, "last": LAST_YEAR_NS + DAY_NS - 1, "points": 0}
    ]
    for body in (b"no json", b"[]", b'{"action": "drop"}', b'{"action": "replicate", "measurement": "cpu"}'):
        with pytest.raises(AssertionError, match=r"40[0-9]"):
            lake.core.request("POST", path, body)


def test_a_late_point_is_in_the_lake_by_http(lake: CoreLake) -> None:
    assert lake.tell("replicate", "cpu", *RANGE)[0] == 0
    with start(lake.config) as (url, _):
        lake.install("--url", url)
        lake.write(LAST_YEAR_NS + DAY_NS + 7)
        wait_until(lambda: lake.rows() == 6, "the late point is in the lake", 60)
        status = lake.status()
        assert (status["tells"], status["pending"], status["error"]) == (url, 0, None)
        code, told = lake.tell("engine", "check", "--url", url)
        assert (code, told["ok"]) == (0, True), told
    # The service is away: what changes is kept, and told when it is back.
    lake.write(LAST_YEAR_NS + DAY_NS + 8)
    wait_until(lambda: lake.status()["failures"], "it cannot be told", 30)
    assert lake.status()["pending"] == 1
    assert SERVICE_TOKEN not in json.dumps(lake.status()) + lake.core.log


def test_it_goes_on_when_the_server_is_stopped_or_killed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with influxdb3_core(tmp_path / "core") as core:
        lake = CoreLake(tmp_path, core, "telemetry", capsys)
        lake.write(*(LAST_YEAR_NS + day * DAY_NS for day in range(5)))
        assert lake.tell("replicate", "cpu", *RANGE)[0] == 0
        lake.install()
        for number, end in enumerate((core.stop, core.kill), 1):
            late = LAST_YEAR_NS + number * DAY_NS + 7
            lake.write(late)
            wait_until(partial(lake.has_changes, number), "the change is in the table", 20)
            since = lake.status()["since"]
            end()
            core.start()
            wait_until(lambda: lake.status()["ticked"], "the plugin ticks", 30)
            # Nothing has to be installed anew, and what was told is there.
            assert lake.status()["since"] > since
            assert (lake.tell("engine", "check")[0], len(lake.changes())) == (0, number)
        with start(lake.config):
            wait_until(lambda: lake.rows() == 7, "the late points are in the lake", 60)


def test_a_server_that_asks_nobody_takes_the_file_from_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with influxdb3_core(tmp_path / "core", has_tokens=False) as core:
        lake = CoreLake(tmp_path, core, "telemetry", capsys)
        code, told = lake.tell("engine", "install")
        if code:
            # It takes files from administrators alone, and knows none.
            assert "Copy" in told["error"]["remedy"], told
            shutil.copy(PLUGIN, core.plugin_dir)
        lake.install()
        lake.write(LAST_YEAR_NS)
        wait_until(lake.changes, "the change is in the table", 20)
        assert lake.tell("engine", "check")[0] == 0


def test_a_database_is_dropped_when_the_plugin_was_removed_while_late_points_come(
    core: InfluxDB3Core, lake: CoreLake
) -> None:
    for turn in range(3):
        lake.install()
        # A WAL flush that the plugin gets as it is removed.
        lake.write(*range(LAST_YEAR_NS + turn * DAY_NS, LAST_YEAR_NS + turn * DAY_NS + 5_000))
        assert lake.tell("engine", "remove")[1]["triggers"] == dict.fromkeys(NAMES, "removed")
        core.request("DELETE", "/api/v3/configure/database", db=lake.database)
        lake.write(LAST_YEAR_NS)


PROBE = """
import builtins, json


def say(function, *said):
    with open(LOG, "a") as file:
        file.write(json.dumps([function, *said]) + "\\n")


def process_writes(influxdb3_local, table_batches, args=None):
    kinds = [type(table_batches).__name__]
    for each in table_batches:
        kinds += [type(each).__name__, type(each["rows"]).__name__, type(each["rows"][0]).__name__]
    say("writes", kinds, [[each["table_name"], each["rows"]] for each in table_batches], args)


def process_scheduled_call(influxdb3_local, call_time, args=None):
    told = [type(call_time).__name__, str(call_time.tzinfo), call_time.microsecond]
    say("scheduled", told, call_time.timestamp(), args)


def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
    shared = influxdb3_local.cache.get("seen", 0, True)
    influxdb3_local.cache.put("seen", shared + 1, None, True)
    headers = sorted(name for name in request_headers if name in ("host", "authorization", "Authorization"))
    kinds = [type(each).__name__ for each in (query_parameters, request_headers, request_body)]
    able = [name for name in dir(influxdb3_local) if not name.startswith("_")]
    say("request", kinds, query_parameters, headers, request_body.decode(), args, shared)
    say("request", hasattr(builtins, "LineBuilder"))
    return {"able": able}, 418
"""
ROWS = [
    {"tag": "a", "i": -1, "u": 2**64 - 1, "f": 1.5, "s": "x y", "b": True, "time": LAST_YEAR_NS + 1},
    {"i": 2, "time": LAST_YEAR_NS + 2},
]
LINES = f"""\
probed,tag=a i=-1i,u={2**64 - 1}u,f=1.5,s="x y",b=true {LAST_YEAR_NS + 1}
probed i=2i {LAST_YEAR_NS + 2}"""
ARGUMENTS = {"database": "telemetry", "empty": ""}


def test_the_harness_calls_as_the_engine_does(lake: CoreLake, tmp_path: Path) -> None:
    logs = {name: tmp_path / name for name in ("engine", "harness")}
    for log in logs.values():
        log.touch()
    (lake.core.plugin_dir / "probe.py").write_text(PROBE.replace("LOG", repr(str(logs["engine"]))))
    (tmp_path / "probe.py").write_text(PROBE.replace("LOG", repr(str(logs["harness"]))))
    for name, specification, arguments in (
        ("probe_writes", "all_tables", ARGUMENTS),
        ("probe_ticks", "every:1s", None),
        ("probe_requests", f"request:probe/{lake.database}", ARGUMENTS),
    ):
        trigger = {
            "db": lake.database,
            "plugin_filename": "probe.py",
            "trigger_name": name,
            "trigger_settings": {"run_async": False, "error_behavior": "log"},
            "trigger_specification": specification,
            "trigger_arguments": arguments,
            "disabled": False,
        }
        body = json.dumps(trigger).encode()
        lake.core.request("POST", "/api/v3/configure/processing_engine_trigger", body, "application/json")
    lake.core.write(LINES, lake.database)
    path = f"/api/v3/engine/probe/{lake.database}"
    for _ in range(2):
        with pytest.raises(AssertionError, match="418") as answer:
            lake.core.request("POST", path, b"a body", x="1 2")
    able = set(json.loads(str(answer.value).partition(" b'")[2].rstrip("'"))["able"])
    wait_until(lambda: {"writes", "scheduled"} <= {each[0] for each in said(logs["engine"])}, "all are called", 20)

    harness = ProcessingEngine(tmp_path / "probe.py", ARGUMENTS)
    harness.flush(probed=ROWS)
    for _ in range(2):
        assert harness.request({"x": "1 2"}, b"a body")[0] == 418
    ProcessingEngine(tmp_path / "probe.py").scheduled()

    def of(name: str, function: str) -> list[list[Any]]:
        return [each for each in said(logs[name]) if each[0] == function]

    assert of("engine", "writes") == of("harness", "writes")
    assert of("engine", "request") == of("harness", "request")
    scheduled = {name: of(name, "scheduled")[0] for name in logs}
    # A naive time of the server's own zone.
    for each in scheduled.values():
        assert abs(each.pop(2) - time.time()) < 60
    assert scheduled["engine"] == scheduled["harness"]
    assert {name for name in vars(Local) if not name.startswith("_")} | {"cache"} <= able


def said(log: Path) -> list[list[Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]
