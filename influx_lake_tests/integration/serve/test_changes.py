"""Databases tell the service of late points, and these are in the table: by HTTP, by a table, by a subscription."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from influx_lake.engine import influx_lake_changes
from influx_lake.replication.changes.change import Change
from influx_lake.replication.changes.journal import ChangeJournal
from influx_lake.replication.requests.request import State
from influx_lake.sandbox import Sandbox
from influx_lake.serve.work import changed_windows as changed_module
from influx_lake.serve.work.changed_windows import ChangedWindows
from influx_lake_tests.integration.serve.served_lake import DAY_NS, FIRST_DAY_NS, TOKEN, ServedLake, followed
from testbed.influxdb_servers import influxdb1
from testbed.processing_engine import ProcessingEngine
from testbed.waiting import wait_until

pytestmark = pytest.mark.slow
LATE = FIRST_DAY_NS + DAY_NS + 5
DAYS = {"measurements": ["cpu"], "start": "2026-01-01", "end": "2026-01-04"}
MEASUREMENTS = "{cpu: {reconcile: off}}"
PLUGIN = Path(influx_lake_changes.__file__)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[ServedLake]:
    with Sandbox() as box:
        lake = ServedLake(tmp_path, box)
        lake.write(MEASUREMENTS)
        text = lake.config.read_text().replace("retry: {budget: 1s}", "retry: {budget: 1s}, changes: {}")
        lake.config.write_text(text)
        lake.fill("cpu", range(3))
        yield lake


@pytest.fixture
def idle(lake: ServedLake) -> Iterator[TestClient]:
    """The service, which does nothing of what it is asked for."""
    with lake.client(working=False) as client:
        yield client


def write_late(lake: ServedLake, *moments: int) -> list[dict[str, object]]:
    """Late points; what the database gives its plugin of them."""
    lake.box.write("telemetry", "\n".join(f"cpu,host=late value=1i {moment}" for moment in moments))
    return [{"host": "late", "value": 1, "time": moment} for moment in moments]


def test_a_late_point_is_in_the_table_after_the_plugin_told_it_by_http(
    lake: ServedLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFLUX_LAKE_TOKEN", TOKEN)
    lake.config.write_text(lake.config.read_text().replace("{port: 0}", '{port: 0, tokens: ["${INFLUX_LAKE_TOKEN}"]}'))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with lake.process() as (client, _):
        client.headers.update(headers)
        followed(client, client.post("/v1/windows", json=DAYS))
        assert lake.rows() == 30
        engine = ProcessingEngine(PLUGIN, {"database": "telemetry", "source": "default", "url": str(client.base_url)})
        engine.flush(cpu=write_late(lake, LATE))
        engine.scheduled()
        status = engine.request()[1]
        assert (status["pending"], status["error"]) == (0, None)
        wait_until(lambda: lake.rows() == 31, "the late point is in the table")
        wait_until(lambda: not ChangeJournal.of(lake.folder).pending(), "the change is forgotten", 20)
        # And again, by the plugin's request for windows.
        write_late(lake, LATE + 1)
        wanted = {"action": "replicate", "measurement": "cpu", "start": "2026-01-02", "end": "2026-01-03"}
        status, answer = engine.request({}, json.dumps(wanted).encode())
        assert (status, answer["kind"]) == (202, "load")
        wait_until(lambda: lake.rows() == 32, "the window that was asked for is loaded")
    assert TOKEN not in (lake.folder / "serve.log").read_text()


def test_a_late_point_is_in_the_table_after_the_plugin_left_it_in_its_table(lake: ServedLake) -> None:
    engine = ProcessingEngine(PLUGIN, {"database": "telemetry"}, lambda lines: lake.box.write("telemetry", lines))
    with lake.client() as client:
        followed(client, client.post("/v1/windows", json=DAYS))
    # What was told while nobody served the lake.
    engine.flush(cpu=write_late(lake, LATE, LATE + DAY_NS))
    with lake.client() as client:
        wait_until(lambda: lake.rows() == 32, "the late points are in the table")
        found = client.get("/v1/windows").json()["requests"]
        assert len(found) == 2, "two days beside each other are one request"


def test_a_change_outlives_a_service_that_is_killed(lake: ServedLake) -> None:
    with lake.process() as (client, child):
        followed(client, client.post("/v1/windows", json=DAYS))
        write_late(lake, LATE)
        change = {"measurement": "cpu", "first": LATE, "last": LATE}
        assert client.post("/v1/changes", json={"source": "default", "changes": [change]}).json()["noted"] == 1
        child.kill()
        child.wait(20)
    assert len(ChangeJournal.of(lake.folder).pending()) == 1
    with lake.process():
        wait_until(lambda: lake.rows() == 31, "the late point is in the table")


def test_what_is_reported_is_checked(idle: TestClient, lake: ServedLake) -> None:
    now = int(datetime.now(UTC).timestamp() * 10**9)
    late, fresh = ({"measurement": "cpu", "first": at, "last": at, "points": 3} for at in (LATE, now))
    unknown = {"measurement": "of_nobody", "first": LATE, "last": LATE}
    old = late | {"first": 0, "last": 0}
    told = {"database": "telemetry", "source": None, "changes": [late, fresh, old, unknown]}
    answer = idle.post("/v1/changes", json=told)
    assert answer.json() == {
        "source": "default",
        "noted": 1,
        "open": 1,
        "too_old": 1,
        "unknown": ["of_nobody"],
    }
    assert [each.points for each in ChangeJournal.of(lake.folder).pending()] == [3]
    strange = ["\ud800", "x\x00y", "'; drop table changes; --", "../../etc", "x" * 1_000]
    for name in strange:
        body = json.dumps({"source": "default", "changes": [unknown | {"measurement": name}]})
        answer = idle.post("/v1/changes", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == (422 if name == "\ud800" else 200), name
    # A name that is longer than any of the lake's has the others refused as little as another that it does not have.
    body = {"source": "default", "changes": [unknown | {"measurement": "x" * 70_000}, late]}
    answer = idle.post("/v1/changes", json=body)
    assert (answer.json()["noted"], answer.json()["unknown"]) == (1, ["x" * 1_000])
    refused = {
        404: [{"source": "nobody", "changes": []}, {"database": "other", "changes": []}],
        422: [
            {"source": "default"},
            {"source": "default", "changes": [late | {"first": LATE + 1}]},
            {"source": "default", "changes": [late | {"first": 2**63}]},
            {"source": "default", "changes": [late | {"first": 1.5}]},
            {"source": "default", "changes": [], "more": 1},
        ],
    }
    for status, bodies in refused.items():
        for body in bodies:
            assert idle.post("/v1/changes", json=body).status_code == status, body
    lake.config.write_text(lake.config.read_text().replace(", changes: {}", ""))
    with lake.client(working=False) as client:
        answer = client.post("/v1/changes", json={"source": "default", "changes": [late]})
        assert (answer.status_code, "changes: {}" in answer.json()["detail"]) == (409, True)


def test_lines_are_taken_as_influxdb_sends_them(idle: TestClient, lake: ServedLake) -> None:
    source = 'old: {type: influxdb1, host: "http://127.0.0.1:9", database: plant, changes: {}}'
    lake.config.write_text(lake.config.read_text().replace("sources:\n", f"sources:\n  {source}\n"))
    lake.config.write_text(
        lake.config.read_text().replace("{cpu: {", "{old_cpu: {measurement: cpu, source: old}, cpu: {")
    )
    with lake.client(working=False) as client:
        lines, seconds = b"cpu,host=a value=1i %d\n", LATE // 10**9
        packed = gzip.compress(lines % seconds)
        sent = client.post(
            "/write?db=plant&rp=autogen&precision=s", content=packed, headers={"Content-Encoding": "gzip"}
        )
        assert (sent.status_code, sent.content) == (204, b"")
        assert [each.first for each in ChangeJournal.of(lake.folder).pending()] == [seconds * 10**9]
        asked = {
            "/write?db=plant": [(b"cpu", {}, 400), (packed, {"Content-Encoding": "br"}, 415)],
            "/write?db=plant&precision=y": [(b"", {}, 422)],
            "/write?db=telemetry": [(lines % LATE, {}, 404)],
            "/write": [(b"", {}, 422)],
        }
        for path, bodies in asked.items():
            for body, headers, status in bodies:
                assert client.post(path, content=body, headers=headers).status_code == status
        # As writers that append send it: one member after the other (RFC 1952), each of which counts.
        later = seconds + 86_400
        members = packed + gzip.compress(b"") + gzip.compress(lines % later)
        sent = client.post("/write?db=plant&precision=s", content=members, headers={"Content-Encoding": "gzip"})
        assert sent.status_code == 204
        noted = [each.first for each in ChangeJournal.of(lake.folder).pending()]
        assert noted == [seconds * 10**9, later * 10**9]
        wrong_sum = packed[:-8] + b"\0\0\0\0" + packed[-4:]
        for body in (packed + b"no gzip", members[:-4], wrong_sum):
            sent = client.post("/write?db=plant", content=body, headers={"Content-Encoding": "gzip"})
            assert sent.status_code == 400
        bomb = gzip.compress(b" " * 70_000_000)
        bomb_of_two = gzip.compress(b" " * 40_000_000) * 2
        for body, status in ((bomb, 413), (bomb_of_two, 413), (packed[:-4], 400), (b"no gzip", 400)):
            assert (
                client.post("/write?db=plant", content=body, headers={"Content-Encoding": "gzip"}).status_code == status
            )


@pytest.mark.servers
def test_a_late_point_is_in_the_table_after_a_subscription_of_influxdb_1_sent_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFLUX_LAKE_TOKEN", TOKEN)
    config = tmp_path / "lake.yaml"
    with influxdb1(tmp_path / "influxdb") as server:
        config.write_text(
            f"""
sources:
  default: {{type: influxdb1, host: "{server.url}", database: telemetry, changes: {{}}}}
catalog: {{type: sql, uri: "sqlite:///./catalog.db", warehouse: ./warehouse}}
measurements: {{cpu: {{partition: {{start: 2025-01-01}}, reconcile: off}}}}
serve: {{port: 0, tokens: ["${{INFLUX_LAKE_TOKEN}}"]}}
"""
        )
        late = datetime(2025, 1, 2, 3, tzinfo=UTC)
        moment = int(late.timestamp()) * 10**9
        server.write(f"cpu,host=a value=1 {moment}")
        lake = ServedLake(tmp_path, None)  # type: ignore[arg-type]
        with lake.process() as (client, _):
            client.headers["Authorization"] = f"Bearer {TOKEN}"
            wanted = {"measurements": ["cpu"], "start": "2025-01-01", "end": "2025-01-04"}
            followed(client, client.post("/v1/windows", json=wanted))
            assert lake.rows() == 1
            subscribe(server, client, TOKEN)
            server.write(f"cpu,host=b value=2 {moment + 1}\ncpu,host=b value=2 {int(now().timestamp()) * 10**9}")
            wait_until(lambda: lake.rows() == 2, "the late point is in the table")
            assert client.post("/write?db=telemetry", headers={"Authorization": ""}).status_code == 401


def now() -> datetime:
    return datetime.now(UTC) - timedelta(seconds=1)


def subscribe(server: object, client: httpx.Client, token: str) -> None:
    """What docs/engine.md says."""
    address = f"http://influxdb:{token}@{client.base_url.host}:{client.base_url.port}"
    server.query(f"CREATE SUBSCRIPTION lake ON telemetry.autogen DESTINATIONS ALL '{address}'")  # type: ignore[attr-defined]


def test_points_that_trickle_in_make_one_request_at_a_time(lake: ServedLake) -> None:
    with lake.client(working=False) as client:
        changed = ChangedWindows(client.app.state.service)  # type: ignore[attr-defined]
        journal = ChangeJournal.of(lake.folder)
        for second in range(5):
            journal.note([Change("telemetry.cpu", LATE, LATE + second, noted=time.time_ns())])
            changed.look()
        [request] = client.get("/v1/windows").json()["requests"]
        assert request["asked"]["start"] == "2026-01-02T00:00:00Z"
        # A service that was killed and knows of none: the same change is the same request.
        ChangedWindows(client.app.state.service).look()  # type: ignore[attr-defined]
        assert len(client.get("/v1/windows").json()["requests"]) == 2
        ChangedWindows(client.app.state.service).look()  # type: ignore[attr-defined]
        assert len(client.get("/v1/windows").json()["requests"]) == 2


def test_a_request_that_fails_is_made_again_after_a_pause(lake: ServedLake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changed_module, "FIRST_PAUSE", timedelta(0))
    with lake.client(working=False) as client:
        service = client.app.state.service  # type: ignore[attr-defined]
        changed, journal = ChangedWindows(service), ChangeJournal.of(lake.folder)
        journal.note([Change("telemetry.cpu", LATE, LATE, noted=time.time_ns())])
        for number in range(1, 4):
            changed.look()
            found = client.get("/v1/windows").json()["requests"]
            assert len(found) == number
            service.journal.begin(found[0]["id"])
            service.journal.finish(found[0]["id"], State.FAILED, error={"status": 502})
        changed.look()
        last = client.get("/v1/windows").json()["requests"][0]["id"]
        service.journal.begin(last)
        service.journal.finish(last, State.DONE)
        changed.look()
        assert journal.pending() == []
