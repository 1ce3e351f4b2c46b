"""Windows that are asked for by HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from influx_lake.config import Measurement
from influx_lake.errors import SourceUnavailable
from influx_lake.replication.comparison.verify import Verification
from influx_lake.replication.requests.database import JournalFailed
from influx_lake.replication.requests.journal import Journal
from influx_lake.sandbox import Sandbox
from influx_lake.session import Session
from influx_lake_tests.integration.serve.served_lake import ServedLake, followed

DAYS = {"measurements": ["cpu"], "start": "2026-01-01", "end": "2026-01-03"}


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[ServedLake]:
    with Sandbox() as box:
        lake = ServedLake(tmp_path, box)
        lake.write("{cpu: {}, mem: {}}")
        lake.fill("cpu", range(3))
        lake.fill("mem", range(2))
        yield lake


@pytest.fixture
def client(lake: ServedLake) -> Iterator[TestClient]:
    with lake.client() as client:
        yield client


@pytest.mark.slow
def test_a_range_is_loaded_and_followed(lake: ServedLake, client: TestClient) -> None:
    for _ in range(2):
        found = followed(client, client.post("/v1/windows", json=DAYS))
        assert (found["state"], found["rows"], found["windows"]) == ("done", 20, {"done": 2, "total": 2})
        assert [each["window"][:10] for each in found["items"]] == ["2026-01-01", "2026-01-02"]
        assert [each["facts"]["rows"] for each in found["items"]] == [10, 10]
    assert lake.rows() == 20
    assert len(client.get("/v1/windows").json()["requests"]) == 2


@pytest.mark.slow
def test_only_what_is_missing_or_differs(lake: ServedLake, client: TestClient) -> None:
    followed(client, client.post("/v1/windows", json=DAYS))
    missing = DAYS | {"end": "2026-01-04", "only": "missing"}
    found = followed(client, client.post("/v1/windows", json=missing))
    assert [each["window"][:10] for each in found["items"]] == ["2026-01-03"]
    lake.box.write("telemetry", "cpu,host=late value=1i 1767312001000000000")
    differing = DAYS | {"end": "2026-01-04", "only": "differing"}
    found = followed(client, client.post("/v1/windows", json=differing))
    assert [(each["window"][:10], each["facts"]["rows"]) for each in found["items"]] == [("2026-01-02", 11)]
    assert followed(client, client.post("/v1/windows", json=differing))["items"] == []


def test_a_key_makes_two_requests_one(client: TestClient) -> None:
    headers = {"Idempotency-Key": "a"}
    first, again = (client.post("/v1/windows", json=DAYS, headers=headers).json() for _ in range(2))
    assert first["id"] == again["id"]
    other = client.post("/v1/windows", json=DAYS | {"end": "2026-01-02"}, headers=headers)
    assert (other.status_code, other.headers["content-type"]) == (422, "application/problem+json")
    assert len(client.get("/v1/windows").json()["requests"]) == 1


def test_what_happens_is_reported_as_events(client: TestClient) -> None:
    answer = client.post("/v1/windows", json=DAYS)
    response = client.get(answer.json()["events"]).text
    names = [line.removeprefix("event: ") for line in response.splitlines() if line.startswith("event: ")]
    assert [name for name in names if name != "progress"] == [
        *("waiting", "running", "planned"),
        *("window_running", "window_done") * 2,
        "done",
    ]
    last = [line for line in response.splitlines() if line.startswith("id: ")][-2].removeprefix("id: ")
    rest = client.get(answer.json()["events"], headers={"Last-Event-ID": last}).text
    assert [line for line in rest.splitlines() if line.startswith("event: ")] == ["event: done"]


@pytest.mark.slow
def test_a_window_that_fails_does_not_keep_the_others(lake: ServedLake, client: TestClient) -> None:
    followed(client, client.post("/v1/windows", json=DAYS))
    lake.write("{cpu: {max_window_rows: 10}, mem: {}}")
    lake.box.write("telemetry", "cpu,host=late value=1i 1767225601000000000")
    with lake.client() as again:
        found = followed(again, again.post("/v1/windows", json=DAYS))
    assert (found["state"], found["windows"]) == ("failed", {"done": 1, "failed": 1, "total": 2})
    assert (found["error"]["status"], found["error"]["error"]) == (409, "WindowTooLarge")
    assert "2026-01-01" in found["error"]["window"]


def test_a_request_is_taken_back(lake: ServedLake) -> None:
    with lake.client(working=False) as idle:
        answer = idle.post("/v1/windows", json=DAYS)
        assert idle.delete(answer.headers["location"]).json()["canceled"] is True
    with lake.client() as client:
        found = followed(client, answer)
        assert (found["state"], found["rows"]) == ("canceled", 0)
        assert client.delete(answer.headers["location"]).status_code == 409


def test_comparing_is_taken_back_between_measurements(
    lake: ServedLake, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[str] = []

    def verify(session: Session, measurement: Measurement, *_: object) -> None:
        (request,) = client.get("/v1/windows").json()["requests"]
        assert client.delete(request["location"]).status_code == 202
        compared.append(measurement.name)
        raise SourceUnavailable("the source is away")

    monkeypatch.setattr(Session, "verify", verify)
    found = followed(client, client.post("/v1/verify?wait=false", json=DAYS | {"measurements": ["*"]}))
    assert (found["state"], compared) == ("canceled", ["cpu"])


@pytest.mark.parametrize("fails", [False, True])
def test_comparing_is_taken_back_while_the_last_measurement_is_compared(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    def verify(session: Session, measurement: Measurement, *_: object) -> Verification:
        (request,) = client.get("/v1/windows").json()["requests"]
        assert client.delete(request["location"]).status_code == 202
        if fails:
            raise SourceUnavailable("the source is away")
        return Verification(measurement, ())

    monkeypatch.setattr(Session, "verify", verify)
    found = followed(client, client.post("/v1/verify?wait=false", json=DAYS))
    assert (found["state"], found["canceled"]) == ("canceled", True)


def test_what_cannot_be_asked_is_reported_at_once(client: TestClient) -> None:
    for body, status in (
        (DAYS | {"measurements": ["nope"]}, 404),
        (DAYS | {"end": "2025-01-01"}, 422),
        (DAYS | {"start": "yesterday"}, 422),
        (DAYS | {"replace": True, "end": None}, 422),
        (DAYS | {"no_such": 1}, 422),
        (DAYS | {"compare": "values"}, 422),
        (DAYS | {"compare": "profile", "only": "missing"}, 422),
        (DAYS | {"start": "2026-01-01T00:00:00.000000001Z"}, 422),
        ({"measurements": []}, 422),
        (DAYS | {"start": "0001-01-01", "end": "9999-12-31", "measurements": ["*"]}, 422),
    ):
        answer = client.post("/v1/windows", json=body)
        assert answer.status_code == status, (body, answer.text)
    assert "wiat" in client.post("/v1/windows?wiat=false", json=DAYS).json()["detail"]
    answer = client.post("/v1/windows", content=b"{", headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["status"]) == (400, 400)
    assert client.get("/v1/windows/../../etc/passwd").status_code == 404
    assert client.get(f"/v1/windows/{'0' * 32}").status_code == 404
    assert client.get("/v1/windows/..%2f..%2fetc%2fpasswd").status_code in (404, 422)


def test_a_body_that_cannot_be_read_is_reported_with_the_reason(client: TestClient) -> None:
    for body, said in (
        (b'{"start": "\xff"}', "no UTF-8, at byte 11"),
        (b"[" * 200_000, "nested too deep"),
        (b"1" * 5_000, "too many digits"),
        (b"{'start'}", "no JSON: Expecting property name enclosed in double quotes, at character 1"),
    ):
        answer = client.post("/v1/windows", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400
        assert said in answer.json()["detail"]


@pytest.mark.slow
def test_the_lake_is_held_against_its_source(lake: ServedLake, client: TestClient) -> None:
    followed(client, client.post("/v1/windows", json=DAYS))
    found = client.post("/v1/verify", json=DAYS).json()
    assert (found["equal"], found["measurements"][0]["windows"]) == (True, 2)
    lake.box.write("telemetry", "cpu,host=late value=1i 1767225601000000000")
    found = client.post("/v1/verify", json=DAYS).json()
    assert (found["equal"], len(found["measurements"][0]["differing"])) == (False, 1)
    later = followed(client, client.post("/v1/verify?wait=false", json=DAYS))
    assert json.loads(json.dumps(later["result"]))["equal"] is False


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "finds"), [("rows", False), ("profile", True), ("values", True)])
def test_how_closely_it_is_compared_is_reported(lake: ServedLake, client: TestClient, depth: str, finds: bool) -> None:
    followed(client, client.post("/v1/windows", json=DAYS))
    lake.box.write("telemetry", "cpu,host=h0 value=70i 1767225600000000000")
    verified = client.post("/v1/verify", json=DAYS | {"compare": depth})
    assert (verified.status_code, verified.json()["equal"]) == (200, not finds), verified.text
    found = followed(client, client.post("/v1/windows", json=DAYS | {"only": "differing", "compare": depth}))
    assert len(found["items"]) == finds
    refused = client.post("/v1/verify", json=DAYS | {"compare": "guess"})
    assert (refused.status_code, "'rows', 'profile' or 'values'" in refused.json()["detail"]) == (422, True)


@pytest.mark.slow
def test_the_measurements_and_what_is_there_of_them(client: TestClient) -> None:
    found = client.get("/v1/measurements").json()["measurements"]
    assert [(each["measurement"], each["table"]) for each in found] == [
        ("cpu", "telemetry.cpu"),
        ("mem", "telemetry.mem"),
    ]
    followed(client, client.post("/v1/windows", json=DAYS))
    assert client.get("/v1/measurements/cpu").json()["status"]["windows_loaded"] == 2
    assert client.get("/v1/measurements/nope").status_code == 404


def test_what_the_service_needs_is_asked(lake: ServedLake, client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    assert [client.head(path).status_code for path in ("/health", "/ready")] == [200, 200]
    found = client.get("/ready").json()
    assert found == {
        "ready": True,
        "checks": [{"name": name, "ready": True} for name in ("catalog", "source default", "service")],
    }
    lake.write(serve="{port: 0}", defaults="{}")
    lake.config.write_text(lake.config.read_text().replace(lake.box.url, "http://127.0.0.1:1"))
    with lake.client() as other:
        answer = other.get("/ready")
    assert answer.status_code == 503
    assert [each["name"] for each in answer.json()["checks"] if not each["ready"]] == ["source default"]


@pytest.mark.slow
def test_a_journal_that_cannot_be_written_for_a_while(lake: ServedLake, monkeypatch: pytest.MonkeyPatch) -> None:
    # A disk that is full for a moment, which cannot be had here.
    noted, failures = Journal.note, [2]

    def note(self: Journal, *arguments: object, **options: object) -> None:
        if failures[0]:
            failures[0] -= 1
            raise JournalFailed("the journal cannot be written: database or disk is full")
        noted(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Journal, "note", note)
    with lake.client() as client:
        found = followed(client, client.post("/v1/windows", json=DAYS))
    assert (found["state"], found["windows"]) == ("done", {"done": 2, "total": 2})
    assert lake.rows() == 20
