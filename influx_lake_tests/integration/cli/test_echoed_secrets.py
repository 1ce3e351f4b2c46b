"""A catalog whose token endpoint repeats what it was sent: nothing of a secret is shown, wherever it goes."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, quote

import dagster as dg
import pytest

from influx_lake.cli.entry import run
from influx_lake.config import load_lake
from influx_lake.config.redaction import HIDDEN, forget
from influx_lake.orchestration.failures import failing_clearly
from influx_lake.orchestration.resources import IcebergCatalogResource
from testbed.http_server import http_server

SECRET = "hunter2/ü +%41&\"'<b>\\n==hunter2"


def error_of(description: str) -> str:
    return json.dumps({"error": "invalid_client", "error_description": description})


ECHOES: dict[str, Callable[[str], str]] = {
    "as it came": str,
    "JSON": error_of,
    "JSON of JSON": lambda sent: error_of(json.dumps({"sent": sent})),
    "a form decoded": lambda sent: error_of(str(parse_qs(sent.partition(" ")[0]))),
    "HTML": lambda sent: f"<html><body>refused: {html.escape(sent)}</body></html>",
    "HTML of the form": lambda sent: html.escape(json.dumps(parse_qs(sent.partition(" ")[0]))),
    "base64": lambda sent: base64.b64encode(sent.encode()).decode(),
    "an address": lambda sent: f"no such page: /v1?{quote(sent, safe='')}",
}  # fmt: skip


@dataclass
class Echo:
    """A token endpoint, and a catalog behind it, that repeat what they are sent.

    Attributes:
        url: Where they are.
        spell: How they repeat it.
        gives_tokens: Whether the token endpoint gives a token, and the catalog refuses.
        sent: What came.
    """

    url: str = ""
    spell: Callable[[str], str] = str
    gives_tokens: bool = False
    sent: list[str] = field(default_factory=list)


@pytest.fixture
def echo() -> Iterator[Echo]:
    known = Echo()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())

        def do_GET(self) -> None:
            self._answer("")

        def _answer(self, body: str) -> None:
            sent = f"{body} {self.headers.get('Authorization', '')} {self.headers.get('X-Api-Key', '')}"
            known.sent.append(sent)
            if known.gives_tokens and self.command == "POST":
                status, content = 200, json.dumps({"access_token": "eyJ-given-hunter2-out", "token_type": "bearer"})
            else:
                status, content = 400, known.spell(sent)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content.encode())))
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http_server(Handler) as known.url:
        yield known


@pytest.fixture
def config(tmp_path: Path, echo: Echo, monkeypatch: pytest.MonkeyPatch) -> Path:
    forget()
    monkeypatch.setenv("CATALOG_SECRET", SECRET)
    path = tmp_path / "lake.yaml"
    path.write_text(
        "sources: {default: {host: 'http://127.0.0.1:1', database: telemetry, retry: {budget: 0}}}\n"
        f"catalog: {{type: rest, uri: '{echo.url}', credential: 'lake:${{CATALOG_SECRET}}',"
        " header.X-Api-Key: '${CATALOG_SECRET}'}\n"
        "measurements: {cpu: }\n"
    )
    return path


def nothing_of_it(text: str) -> None:
    assert "hunter2" not in text
    assert quote("hunter2") not in text
    for before, first, last in (("", 0, 9), ("a", 2, 10), ("ab", 3, 12)):
        assert base64.b64encode(f"{before}hunter2".encode()).decode()[first:last] not in text


@pytest.mark.parametrize(
    ("spell", "gives_tokens"), [*((spell, False) for spell in ECHOES), ("as it came", True), ("base64", True)]
)
def test_commands_do_not_show_it(
    spell: str, gives_tokens: bool, echo: Echo, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    echo.spell, echo.gives_tokens = ECHOES[spell], gives_tokens
    for command in (["check"], ["--debug", "status"], ["check", "--json"]):
        assert run([*command, "-c", str(config)]) != 0
        captured = capsys.readouterr()
        nothing_of_it(captured.out + captured.err)
        if "--json" in command:
            json.loads(captured.out)
    assert any("hunter2" in sent for sent in echo.sent)


@pytest.mark.parametrize("spell", ["as it came", "JSON of JSON", "HTML of the form", "base64"])
def test_dagster_does_not_store_it(spell: str, echo: Echo, config: Path, caplog: pytest.LogCaptureFixture) -> None:
    echo.spell = ECHOES[spell]
    catalog = load_lake(config).catalog
    resource = IcebergCatalogResource(name=catalog.name, properties=catalog.references(), root=str(catalog.root))

    @dg.op
    def opening(context) -> None:  # type: ignore[no-untyped-def]
        with failing_clearly("cpu"):
            try:
                resource.open()
            except Exception as error:
                context.log.warning(f"the catalog said {error}", exc_info=True)
                raise

    @dg.job
    def looking() -> None:
        opening()

    with dg.DagsterInstance.ephemeral() as instance:
        result = looking.execute_in_process(instance=instance, raise_on_error=False)
        assert not result.success
        stored = [
            record.event_log_entry.to_json() + str(record.event_log_entry)
            for record in instance.get_records_for_run(result.run_id).records
        ]
    assert any("could not" in text for text in stored)
    nothing_of_it("\n".join(stored))
    nothing_of_it(caplog.text)


def test_what_is_said_around_it_stays(echo: Echo, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    echo.spell = ECHOES["JSON"]
    assert run(["check", "-c", str(config)]) != 0
    captured = capsys.readouterr().out
    assert "invalid_client" in captured
    assert f"client_secret={HIDDEN}" in captured
