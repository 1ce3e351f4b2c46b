"""The plugin, loaded and called as the engine does."""

from __future__ import annotations

import ast
import json
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.engine import influx_lake_changes
from influx_lake.sources.line_protocol.grammar import parse_line
from influx_lake_tests.unit.sources.certificates import make_certificate
from testbed.processing_engine import ProcessingEngine

PLUGIN = Path(influx_lake_changes.__file__)
HOUR = 3_600 * 10**9
NOW = time.time_ns()
LATE = NOW - 400 * 24 * HOUR


def engine(**arguments: str) -> ProcessingEngine:
    return ProcessingEngine(PLUGIN, {"database": "telemetry", **arguments})


def rows(*times: int) -> list[dict[str, Any]]:
    return [{"host": "a", "usage": 1.5, "time": moment} for moment in times]


def told(made: ProcessingEngine) -> list[tuple[str, int, int, int]]:
    """What the table of changes was given."""
    lines = [{field.name: field.value for field in parse_line(line.encode()).fields} for line in made.output]
    return [(unquote(line["measurement"]), line["first"], line["last"], line["points"]) for line in lines]  # type: ignore[misc]


@dataclass
class Service:
    """Something that answers as `influx-lake serve`, or does not."""

    url: str
    asked: list[tuple[str, str | None, Any]]
    server: ThreadingHTTPServer
    status: int = 200
    refuses: str | None = None


@pytest.fixture
def service() -> Iterator[Service]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.asked.append((self.path, self.headers["Authorization"], body))
            names = [each["measurement"] for each in body.get("changes", ())]
            self.send_response(422 if found.refuses in names else found.status)
            if found.status == 307:
                self.send_header("Location", f"{found.url}/elsewhere")
            self.end_headers()
            self.wfile.write(b'{"said": "so"}')

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Service(f"http://127.0.0.1:{server.server_port}", [], server)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


def test_it_needs_nothing_but_pythons_own_library() -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(PLUGIN.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    }
    assert imported <= sys.stdlib_module_names


def test_each_hour_that_got_points_is_reported_in_the_table_and_the_table_is_no_measurement() -> None:
    made = engine()
    hour = LATE // HOUR * HOUR
    made.flush(cpu=rows(hour + 5, hour + HOUR - 1, hour + HOUR, NOW), mem=rows(NOW), of_nobody=[])
    assert sorted(told(made)) == [
        ("cpu", hour + 5, hour + HOUR - 1, 2),
        ("cpu", hour + HOUR, hour + HOUR, 1),
        ("cpu", NOW, NOW, 1),
        ("mem", NOW, NOW, 1),
    ]
    # What it wrote came back to it, and that was all.
    assert made.request()[1]["flushes"] == 1
    times = [parse_line(line.encode()).time for line in made.output]
    assert len(set(times)) == len(times)


def test_a_schedule_says_that_it_is_alive_once_a_minute() -> None:
    made = engine()
    made.scheduled()
    made.scheduled()
    assert [(name, points) for name, _, _, points in told(made)] == [("influx_lake_changes", 0)]


def test_points_that_are_loaded_later_anyway_are_not_reported() -> None:
    made = engine(younger_than="300")
    made.flush(cpu=rows(NOW, NOW - 10**9, NOW + 10 * HOUR), mem=rows(NOW, LATE))
    assert told(made) == [("mem", LATE, LATE, 1)]
    assert made.request()[1]["points"] == 5


def test_batches_may_be_objects() -> None:
    made = engine()
    made.writes([SimpleNamespace(table_name="cpu", rows=rows(LATE))])
    made.writes([SimpleNamespace(table_name="mem", rows=[SimpleNamespace(time=LATE)])])
    assert [name for name, *_ in told(made)] == ["cpu", "mem"]


@pytest.mark.parametrize("quotes_first", [False, True])
@pytest.mark.parametrize("name", ["cpu load", 'a"b', "back\\slash", 'b\\"', "50%22", "a\nb", "é,=x"])
def test_names_of_any_kind_arrive(name: str, quotes_first: bool) -> None:
    made = engine()
    made.quotes_first = quotes_first
    made.flush(**{name: rows(LATE)})
    assert told(made) == [(name, LATE, LATE, 1)]


@given(st.lists(st.integers(0, 20_000 * HOUR), min_size=1, max_size=200), st.integers(1, 50))
def test_every_point_lies_in_a_stretch_that_is_reported_and_their_ends_are_points(times: list[int], most: int) -> None:
    made = object.__new__(influx_lake_changes.InfluxLakeChanges)
    made.MOST_RANGES = most  # type: ignore[misc]
    found = made._ranges(rows(*times), 20_000 * HOUR)
    merged = made._merged(found, made._ranges(rows(*reversed(times)), 20_000 * HOUR))
    for ranges in (found, merged):
        assert len(ranges) <= most + 1
        assert all(any(first <= moment <= last for first, last, _ in ranges) for moment in times)
        assert {bound for first, last, _ in ranges for bound in (first, last)} <= set(times)
        assert ranges == sorted(ranges)
    assert sum(points for *_, points in merged) == 2 * len(times)


def test_memory_is_bounded_while_nobody_can_be_told() -> None:
    made = engine(url="http://127.0.0.1:9")
    for day in range(20):
        made.flush(cpu=rows(*(LATE + (day * 100 + hour) * 7 * HOUR for hour in range(1_000))))
    assert made.request()[1]["pending"] <= 1_000


def test_the_service_is_told_by_the_schedule_with_the_token_of_the_environment(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFLUX_LAKE_TOKEN", "very-secret")
    made = engine(url=service.url, source="default")
    made.flush(cpu=rows(LATE))
    # A WAL flush waits for nobody.
    assert service.asked == []
    made.scheduled()
    [(path, token, body)] = service.asked
    assert (path, token) == ("/v1/changes", "Bearer very-secret")
    assert body == {
        "database": "telemetry",
        "source": "default",
        "changes": [{"measurement": "cpu", "first": LATE, "last": LATE, "points": 1}],
    }
    assert made.output == []
    made.scheduled()
    assert len(service.asked) == 1


def test_a_python_without_tls_tells_a_service_without_it(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ssl", None)
    made = engine(url=service.url)
    made.flush(cpu=[{"time": 5}])
    made.scheduled()
    assert (made.request()[1]["changes"], made.request()[1]["error"]) == (1, None)


def test_what_could_not_be_delivered_is_delivered_later(service: Service, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of-a-file\n")
    made = engine(url=service.url, token_file=str(tmp_path / "token"))
    service.status = 503
    made.flush(cpu=rows(LATE))
    made.scheduled()
    status = made.request()[1]
    assert (status["pending"], status["failures"]) == (1, 1)
    assert "503" in status["error"]
    assert "of-a-file" not in json.dumps([status, made.logged])
    service.status = 200
    made.flush(cpu=rows(LATE + 5 * HOUR))
    made.scheduled()
    assert len(service.asked) == 1, "it waits before it tries again"
    state = next(iter(made._shared.values()))
    state["next_try"] = 0.0
    made.scheduled()
    assert [each["first"] for each in service.asked[-1][2]["changes"]] == [LATE, LATE + 5 * HOUR]
    status = made.request()[1]
    assert (status["pending"], status["error"], status["changes"]) == (0, None, 2)


def test_a_change_that_is_refused_holds_up_no_others(service: Service) -> None:
    made = engine(url=service.url)
    state = next(iter(made._shared.values())) if made.request()[0] == 200 else {}
    made.scheduled()
    service.asked.clear()
    service.refuses = "bad"
    made.flush(**{name: rows(LATE) for name in ("cpu", "mem", "bad", "disk", "net")})
    made.scheduled()
    alone = [[each["measurement"] for each in body["changes"]] for _, _, body in service.asked]
    accepted = sorted(name for names in alone if "bad" not in names for name in names)
    assert accepted == ["cpu", "disk", "mem", "net"]
    status = made.request()[1]
    assert (status["pending"], status["changes"], status["failures"]) == (1, 4, 1)
    assert "bad" in status["error"]
    assert "422" in status["error"]
    # It is told again, with what came later, after a minute; that of others at once.
    service.asked.clear()
    made.flush(bad=rows(LATE + HOUR), cpu=rows(LATE))
    made.scheduled()
    assert [[each["measurement"] for each in body["changes"]] for _, _, body in service.asked] == [["cpu"]]
    assert made.request()[1]["error"] is not None
    service.refuses = None
    state["ticked"] -= 60 * 10**9
    made.scheduled()
    assert [each["first"] for each in service.asked[-1][2]["changes"]] == [LATE, LATE + HOUR]
    status = made.request()[1]
    assert (status["pending"], status["failures"], status["error"]) == (0, 0, None)


@pytest.mark.parametrize("status", [401, 404, 409, 429, 500])
def test_a_refusal_of_the_teller_is_asked_for_once(service: Service, status: int) -> None:
    made = engine(url=service.url)
    service.status = status
    made.flush(cpu=rows(LATE), mem=rows(LATE))
    made.scheduled()
    assert (len(service.asked), made.request()[1]["pending"]) == (1, 2)


def test_the_token_is_for_the_address_that_was_named(service: Service) -> None:
    made = engine(url=service.url)
    service.status = 307
    made.flush(cpu=rows(LATE))
    made.scheduled()
    assert [path for path, *_ in service.asked] == ["/v1/changes"]
    assert made.request()[1]["pending"] == 1


def test_a_service_is_known_by_its_certificate(service: Service, tmp_path: Path) -> None:
    own, other = (make_certificate(tmp_path, name, "127.0.0.1") for name in ("own", "other"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*own)
    service.server.socket = context.wrap_socket(service.server.socket, server_side=True)
    url = service.url.replace("http:", "https:")
    for trusted, pending in ((other, 1), (own, 0)):
        made = engine(url=url, ca_file=str(trusted.cert_file))
        made.flush(cpu=rows(LATE))
        made.scheduled()
        assert made.request()[1]["pending"] == pending, made.logged
    assert len(service.asked) == 1


def test_a_restart_begins_anew() -> None:
    made = engine(url="http://127.0.0.1:9")
    made.flush(cpu=rows(LATE))
    made.restart()
    assert made.request()[1]["pending"] == 0


def asked_for(made: ProcessingEngine, **body: object) -> tuple[int, Any]:
    return made.request({}, json.dumps(body).encode())


def test_a_request_has_windows_loaded_again(service: Service) -> None:
    wanted = {"action": "replicate", "measurement": "cpu", "start": "2025-01-02T00:00:00Z", "end": "2025-01-03"}
    made = engine()
    assert asked_for(made, **wanted) == (202, {"status": "noted", "measurement": "cpu"})
    day = 1_735_776_000 * 10**9
    assert told(made) == [("cpu", day, day + 24 * HOUR - 1, 0)]
    made = engine(url=service.url)
    assert asked_for(made, **wanted) == (200, {"said": "so"})
    assert service.asked[-1][0] == "/v1/windows"
    assert service.asked[-1][2] == {"measurements": ["cpu"], "start": wanted["start"], "end": wanted["end"]}
    service.status = 409
    assert asked_for(made, **wanted)[0] == 409
    service.status = 500
    assert asked_for(made, **wanted)[0] == 502


def test_a_request_of_all_time_is_one_of_the_time_that_points_can_have() -> None:
    made = engine()
    assert asked_for(made, action="replicate", measurement="cpu", start="0001-01-01", end="9999-12-31")[0] == 202
    assert told(made) == [("cpu", 1 - 2**63, 2**63 - 2, 0)]
    assert asked_for(made, action="replicate", measurement="cpu", start="9998-01-01", end="9999-12-31")[0] == 400


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "no JSON"),
        (b"[]", "no JSON object"),
        (b'{"action": "drop"}', "no action"),
        (b'{"action": "replicate"}', "measurement"),
        (b'{"action": "replicate", "measurement": "cpu", "start": 5}', "times"),
        (b'{"action": "replicate", "measurement": "cpu", "start": "2025-01-02", "end": "2025-01-01"}', "before"),
    ],
)
def test_requests_that_make_no_sense_are_refused(body: bytes, said: str) -> None:
    status, answer = engine().request({}, body)
    assert status == 400
    assert said in answer["error"]


def test_triggers_share_what_is_kept_and_flush_at_once() -> None:
    made = engine(url="http://127.0.0.1:9")
    flushes: list[Callable[[], None]] = [lambda at=at: made.flush(cpu=rows(LATE + at * HOUR)) for at in range(40)]  # type: ignore[misc]
    threads = [threading.Thread(target=flush) for flush in flushes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made.request()[1]["pending"] == 40


def test_rows_of_the_table_never_have_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: NOW)
    made = engine()
    for hour in range(3):
        made.flush(cpu=rows(LATE + hour * HOUR, LATE + (hour + 50) * HOUR))
    times = [parse_line(line.encode()).time for line in made.output]
    assert len(times) == len(set(times)) == 6
