"""The service as a process: bad clients, many clients, TLS, and its end at any time."""

from __future__ import annotations

import json
import logging
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from influx_lake.cli.entry import run
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.serve.served_lake import TOKEN, ServedLake, followed, start
from testbed.waiting import wait_until

pytestmark = pytest.mark.slow

DAYS = {"measurements": ["cpu"], "start": "2026-01-01", "end": "2026-01-03"}
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
SERVE = '{port: 0, tokens: ["${file:serve_token}"], limits: {patience: 2s}}'


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[ServedLake]:
    with Sandbox() as box:
        lake = ServedLake(tmp_path, box)
        lake.write(serve=SERVE)
        (tmp_path / "serve_token").write_text(TOKEN)
        lake.fill("cpu", range(16))
        yield lake


def log_of(lake: ServedLake) -> str:
    return (lake.folder / "serve.log").read_text()


def address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return str(parts.hostname), int(parts.port or 0)


def test_bad_clients_and_many_at_once(lake: ServedLake) -> None:
    with lake.process() as (client, child):
        url = str(client.base_url)
        # Clients that hang: one says nothing, one half a head, one half a body, one reads nothing of a long answer.
        hanging = [socket.create_connection(address(url)) for _ in range(50)]
        for number, each in enumerate(hanging):
            if number % 3 == 1:
                each.sendall(b"GET /v1/windows HTTP/1.1\r\nHost: a")
            if number % 3 == 2:
                head = (
                    f"POST /v1/windows HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 99\r\n"
                )
                each.sendall(f"{head}Content-Type: application/json\r\n\r\n{{".encode())

        def status(method: str, path: str, key: str = "", body: object = None) -> int:
            # Each has a connection of its own, as two hundred clients have.
            connection = HTTPConnection(*address(url), timeout=60)
            headers = AUTHORIZED | ({"Idempotency-Key": key, "Content-Type": "application/json"} if key else {})
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            answer.read()
            connection.close()
            return answer.status

        with ThreadPoolExecutor(200) as threads:
            asked = list(threads.map(lambda _: status("GET", "/v1/measurements"), range(400)))
            posted = list(threads.map(lambda number: status("POST", "/v1/windows", str(number % 8), DAYS), range(200)))
        assert set(asked) == {200}
        assert set(posted) == {202}
        requests = client.get("/v1/windows", headers=AUTHORIZED).json()["requests"]
        assert len(requests) == 8
        # Whoever hangs is sent away.
        for each in hanging:
            each.settimeout(20)
            answer = b""
            while part := each.recv(10_000):
                answer += part
            assert answer == b"" or answer.startswith((b"HTTP/1.1 408", b"HTTP/1.1 400")), answer
        assert client.get("/v1/windows").status_code == 401
        assert client.get("/v1/windows", headers={"Authorization": "Bearer x"}).status_code == 401
        garbage = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
        with socket.create_connection(address(url)) as raw:
            raw.sendall(garbage + b"\r\n\r\n")
            assert raw.recv(1000).startswith(b"HTTP/1.1 400")
        wait_until(
            lambda: all(
                each["state"] == "done" for each in client.get("/v1/windows", headers=AUTHORIZED).json()["requests"]
            ),
            "all are done",
        )
        assert child.poll() is None
    assert child.returncode == 0
    assert lake.rows() == 20
    assert TOKEN not in log_of(lake)
    assert str(lake.box.token) not in log_of(lake)
    assert "Traceback" not in log_of(lake)


def test_it_goes_on_where_it_was_when_it_ended(lake: ServedLake) -> None:
    whole = {"measurements": ["cpu"], "start": "2026-01-01", "end": "2026-01-17"}

    def loaded(client: httpx.Client) -> int:
        return int(client.get(location).json()["windows"].get("done", 0))

    with lake.process() as (client, child):
        client.headers.update(AUTHORIZED)
        answer = client.post("/v1/windows", json=whole)
        location = answer.headers["location"]
        wait_until(lambda: loaded(client) >= 2, "some are loaded")
        child.send_signal(signal.SIGKILL)
        assert child.wait(60) == -signal.SIGKILL
    with lake.process() as (client, child), ThreadPoolExecutor() as threads:
        client.headers.update(AUTHORIZED)
        body = json.dumps({"measurement": "cpu", "catalog_configs": {}})
        # It waits for the other one, and is told so when the service stops.
        waiting = threads.submit(client.post, "/api/v3/engine/replicate", content=body, timeout=60)
        wait_until(lambda: loaded(client) >= 5, "more are loaded")
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
        assert waiting.result().status_code == 202
    with lake.process() as (client, _):
        client.headers.update(AUTHORIZED)
        found = followed(client, answer)
        client.delete(waiting.result().headers["location"])
        names = client.get(f"{location}/events").text
    assert (found["state"], found["windows"]) == ("done", {"done": 16, "total": 16})
    # What was loaded before is not loaded again.
    assert names.count("event: window_done") == 16
    assert names.count("event: resumed") == 2
    assert lake.rows() >= 160


def test_one_service_by_tls_alone(lake: ServedLake, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem"),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        cwd=lake.folder,
        check=True,
        capture_output=True,
    )
    lake.write(serve=SERVE.removesuffix("}") + ", tls: {certificate: cert.pem, key: key.pem}}")
    trusting = ssl.create_default_context(cafile=str(lake.folder / "cert.pem"))
    body = '{"measurement": "cpu", "catalog_configs": {}, "backfill_end": "2026-01-03T00:00:00+00:00"}'
    with start(lake.config) as (url, _):
        assert httpx.get(f"{url}/health", verify=trusting).json() == {"status": "ok"}
        with pytest.raises(httpx.TransportError):
            httpx.get(url.replace("https", "http") + "/health")
        with socket.create_connection(address(url), timeout=20) as silent:
            # No handshake comes.
            assert silent.recv(1) == b""
        assert run(["serve", "-c", str(lake.config)]) == 2
        assert "another `influx-lake serve`" in capsys.readouterr().err
        for _ in range(2):
            result = subprocess.run(
                [
                    *("curl", "-s", "--cacert", str(lake.folder / "cert.pem")),
                    *("-X", "POST", f"{url}/api/v3/engine/replicate"),
                    *("-H", f"Authorization: Bearer {TOKEN}", "-d", body),
                ],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            assert "Replication to Iceberg completed with summary: {'total_batches': 2" in json.loads(result)["message"]
    assert lake.rows() == 20


def test_how_it_may_not_be_served(lake: ServedLake, capsys: pytest.CaptureFixture[str]) -> None:
    lake.write(serve="{port: 0}")
    assert run(["serve", "--host", "0.0.0.0", "-c", str(lake.config)]) == 2
    assert "token" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert run(["serve", "--port", str(taken.getsockname()[1]), "-c", str(lake.config)]) == 2
    assert "cannot listen" in capsys.readouterr().err
    lake.write(serve="{port: 0, tls: {certificate: lake.yaml, key: lake.yaml}}")
    assert run(["serve", "-c", str(lake.config)]) == 2
    assert "certificate" in capsys.readouterr().err
    assert not [each for each in logging.getLogger("influx_lake").handlers if isinstance(each, logging.StreamHandler)]
