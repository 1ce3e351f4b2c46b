"""A server with as much of the API of InfluxDB 3.10 as installing a plugin takes; it runs what is installed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from testbed.processing_engine import ProcessingEngine


@dataclass
class Engine:
    """A database's triggers and the plugin directory.

    Attributes:
        plugin_dir: Where plugins are.
        takes_files: Whether files can be uploaded: from 3.6 on they can, unless it is switched off.
        has_arguments: Whether the system table of arguments is there.
        has_engine: Whether any of it is.
        has_tokens: Whether it asks who comes (without: `--without-auth`).
        triggers: The triggers, by name.
        running: The engine that runs the plugin.
    """

    plugin_dir: Path
    takes_files: bool = True
    has_arguments: bool = True
    has_engine: bool = True
    has_tokens: bool = True
    url: str = ""
    token: str = "apiv3_test"
    triggers: dict[str, dict[str, Any]] = field(default_factory=dict)
    running: ProcessingEngine | None = None
    requests: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        self.requests.append(f"{method} {path}")
        content = json.loads(body) if body else {}
        match method, path:
            case "POST", "/api/v3/plugins/files":
                if not self.has_tokens:
                    # Files are taken from administrators, whom it does not know.
                    return 401, "unauthenticated"
                if not self.takes_files:
                    said = (
                        "plugin installation is disabled; plugins must already exist in the configured plugin directory"
                    )
                    return 500, said
                (self.plugin_dir / content["plugin_name"]).write_text(content["content"])
                return 200, None
            case "POST", "/api/v3/configure/processing_engine_trigger":
                return self._create(content)
            case "DELETE", "/api/v3/configure/processing_engine_trigger":
                found = self.triggers.pop(query["trigger_name"], None)
                return (200, None) if found else (404, "not found")
            case "POST", "/api/v3/query_sql":
                return self._system(content["q"])
            case "GET", _ if path.startswith("/api/v3/engine/"):
                return self._request(path.removeprefix("/api/v3/engine/"), query)
        return 404, "not found"

    def _create(self, content: dict[str, Any]) -> tuple[int, Any]:
        if content["trigger_name"] in self.triggers:
            return 409, "trigger already exists"
        file = self.plugin_dir / content["plugin_filename"]
        if not file.exists():
            return 500, f"Plugin error: reading plugin file: Plugin not found: {file}"
        assert content["trigger_settings"] == {"run_async": False, "error_behavior": "log"}
        self.triggers[content["trigger_name"]] = content
        self.running = ProcessingEngine(file, content["trigger_arguments"])
        return 200, None

    def _system(self, sql: str) -> tuple[int, Any]:
        if not self.has_engine:
            said = "table 'public.system.processing_engine_triggers' not found"
            return 500, f"query error: error while planning query: Error during planning: {said}"
        if "processing_engine_triggers" in sql:
            return 200, [
                {"trigger_name": name, "plugin_filename": each["plugin_filename"], "disabled": each["disabled"]}
                for name, each in self.triggers.items()
            ]
        if not self.has_arguments:
            said = "table 'public.system.processing_engine_trigger_arguments' not found"
            return 500, f"query error: error while planning query: Error during planning: {said}"
        return 200, [
            {"trigger_name": name, "argument_key": key, "argument_value": value}
            for name, each in self.triggers.items()
            for key, value in each["trigger_arguments"].items()
        ]

    def _request(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        specifications = {each["trigger_specification"] for each in self.triggers.values() if not each["disabled"]}
        if f"request:{path}" not in specifications or self.running is None:
            return 404, '{error: "not found"}'
        return self.running.request(query)


@contextmanager
def serving(engine: Engine) -> Iterator[Engine]:
    """Serve it on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            split = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if engine.has_tokens and self.headers["Authorization"] != f"Bearer {engine.token}":
                status, answer = 401, {"error": "the request was not authenticated"}
            else:
                status, answer = engine.answer(self.command, split.path, dict(parse_qsl(split.query)), body)
            said = b"" if answer is None else (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = do_DELETE = _answer

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    engine.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield engine
    finally:
        server.shutdown()
        server.server_close()
