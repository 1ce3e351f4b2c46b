"""Catalogs and stores that fail for real: what `check` and `replicate` say of it, of whom, and what to do."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from influx_lake.cli.entry import run
from influx_lake_tests.integration.iceberg.stores.versitygw import versitygw
from influx_lake_tests.unit.iceberg.failures.test_rest_answers import answering
from influx_lake_tests.unit.sources.certificates import make_certificate

LAKE = """\
sources: {{default: {{type: line_protocol, path: ./points.lp, database: t}}}}
catalog: {catalog}
defaults: {{partition: {{start: 2025-06-01}}, lag: 0s}}
measurements: {{cpu: }}
"""
RANGE = ("--start", "2025-06-01", "--end", "2025-06-02")
WINDOW = "2025-06-01T00:00:00Z/2025-06-02T00:00:00Z"
SQL = {"type": "sql", "uri": "sqlite:///./.lake/catalog.db"}
RUNS = "Check that the catalog runs"


def told(folder: Path, capsys: pytest.CaptureFixture[str], catalog: dict[str, str]) -> str:
    """What both commands say is wrong, the same; they say it soon, and `replicate` of which window."""
    config = folder / "lake.yaml"
    (folder / "points.lp").write_text("cpu,host=a v=1 1748736000000000000\n")
    config.write_text(LAKE.format(catalog=json.dumps(catalog)))
    capsys.readouterr()
    began = time.monotonic()
    assert run(["check", "-c", str(config), "--json"]) == 1
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert run(["replicate", "--all", *RANGE, "-c", str(config), "--json"]) == 1
    assert time.monotonic() - began < 20
    replicated = capsys.readouterr()
    [failure] = json.loads(replicated.out)["failures"]
    assert (failure["measurement"], failure["window"]) == ("cpu", WINDOW)
    assert failure["type"] != "UnforeseenError"
    assert failure["remedy"]
    for text in (replicated.err, failure["message"]):
        assert "Traceback" not in text
    remedies = [each.get("remedy") or "" for each in checks if not each["ok"]]
    # `check` may know more: S3's answers to HEAD, which comes first in a load, do not say why.
    begins = failure["remedy"].partition(" under `catalog:` in lake.yaml, and")[0]
    assert any(each.startswith(begins) for each in remedies)
    return f"{failure['message']}. {failure['remedy']}"


def said(status: int) -> str:
    return json.dumps({"error": {"message": "no", "type": "Refused", "code": status}})


ANSWERS = {
    "HTML": (200, "<!DOCTYPE html><html>Sign in</html>", "is not that of an Iceberg REST catalog"),
    "401": (401, said(401), "Check the credentials"),
    "403": (403, said(403), "Check the credentials"),
    "no config": (404, said(404), "at its address there is no Iceberg REST catalog"),
    "a page that is missing": (404, "404 page not found", "at its address there is no Iceberg REST catalog"),
    "429": (429, said(429), "cannot serve this now"),
    "500": (500, said(500), "cannot serve this now"),
    "503 of nobody": (503, "", "cannot serve this now"),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_catalog_that_answers_something_else(answer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, body, words = ANSWERS[answer]
    with answering(status, body) as uri:
        text = told(tmp_path, capsys, {"type": "rest", "uri": uri})
    assert words in text
    assert RUNS not in text


def test_a_host_that_has_no_address(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(tmp_path, capsys, {"type": "rest", "uri": "https://nosuch.invalid"})
    assert "its host's name has no address" in text
    assert "nosuch.invalid" in text
    assert RUNS not in text


def test_a_hive_metastore_that_does_not_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert RUNS in told(tmp_path, capsys, {"type": "hive", "uri": "thrift://127.0.0.1:1"})


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses(
    scheme: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    with answering(407, "Proxy Authentication Required") as proxy:
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", proxy)
        text = told(tmp_path, capsys, {"type": "rest", "uri": f"{scheme}://catalog.example.com"})
    assert "the proxy does not let it through" in text
    assert "HTTPS_PROXY" in text
    assert RUNS not in text


@contextmanager
def over_tls(folder: Path) -> Iterator[str]:
    made = make_certificate(folder, "localhost", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.cert_file, made.key_file)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.slow
def test_a_certificate_that_nobody_trusts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with over_tls(tmp_path) as host:
        text = told(tmp_path, capsys, {"type": "rest", "uri": f"https://{host}"})
        assert "no trusted TLS connection" in text
        assert "REQUESTS_CA_BUNDLE" in text
        keys = {"s3.access-key-id": "ab1", "s3.secret-access-key": "cd2", "s3.region": "us-east-1"}
        store = {**SQL, "warehouse": "s3://bucket/lake", "s3.endpoint": f"https://{host}", **keys}
        assert "no trusted TLS connection to the store" in told(tmp_path, capsys, store)


def test_a_catalog_without_tls_that_is_asked_for_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(200, "{}") as uri:
        text = told(tmp_path, capsys, {"type": "rest", "uri": uri.replace("http://", "https://")})
    assert "the server speaks no TLS" in text


STORES: dict[str, tuple[Callable[[dict[str, str]], dict[str, str]], str]] = {
    "no bucket": (lambda s3: {"warehouse": "s3://nowhere/lake"}, "Create the bucket"),
    "another secret": (lambda s3: {"s3.secret-access-key": "test-secret-of-another"}, "Check the store's credentials"),
    "nobody's key": (lambda s3: {"s3.access-key-id": "nobody-at-all"}, "Check the store's credentials"),
    "TLS where there is none": (
        lambda s3: {"s3.endpoint": s3["s3.endpoint"].replace("http://", "https://")},
        "Check the TLS of `s3.endpoint`",
    ),
}


@pytest.mark.servers
@pytest.mark.parametrize("fault", STORES)
def test_a_store_that_refuses(fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change, words = STORES[fault]
    (tmp_path / "s3").mkdir()
    with versitygw(tmp_path / "s3") as s3:
        text = told(tmp_path, capsys, {**SQL, **s3, **change(s3)})
    assert words in text
    assert "runs" not in text
