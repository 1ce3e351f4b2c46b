"""A Kubernetes that runs each pod's container as a process on this machine: what its API says of pods, over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

CREDENTIALS = """\
apiVersion: v1
kind: Config
current-context: here
contexts: [{{name: here, context: {{cluster: here, user: any}}}}]
clusters: [{{name: here, cluster: {{server: "{url}"}}}}]
users: [{{name: any, user: {{token: any}}}}]
"""


class Pod:
    """A pod, its process, and what that printed."""

    def __init__(self, asked: dict[str, Any], secrets: dict[str, dict[str, str]], folder: Path) -> None:
        [container] = asked["spec"]["containers"]
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER_", "PYTEST_"))}
        for origin in container.get("envFrom", []):
            variables |= secrets[origin["secretRef"]["name"]]
        variables |= {each["name"]: each["value"] for each in container.get("env", [])}
        python, *arguments = container["command"]
        assert python == "python"
        self.asked = asked
        self.lines: list[bytes] = []
        self.printed = threading.Condition()
        self.is_done = False
        self.process = subprocess.Popen(
            [sys.executable, *arguments], cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for number, line in enumerate(self.process.stdout):
            time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
            with self.printed:
                self.lines.append(f"{time}.{number:09}Z ".encode() + line)
                self.printed.notify_all()
        self.process.wait()
        with self.printed:
            self.is_done = True
            self.printed.notify_all()

    def log(self) -> Iterator[bytes]:
        """What it prints, until it ends."""
        sent = 0
        while True:
            with self.printed:
                while len(self.lines) == sent and not self.is_done:
                    self.printed.wait()
                new, sent = self.lines[sent:], len(self.lines)
            yield from new
            if not new:
                return

    def told(self) -> dict[str, Any]:
        """The pod as Kubernetes tells of it."""
        state: dict[str, Any] = {"running": {}}
        if self.is_done:
            state = {"terminated": {"exitCode": self.process.returncode, "reason": "Completed"}}
        [container] = self.asked["spec"]["containers"]
        status = {
            "name": container["name"],
            "state": state,
            "ready": not self.is_done,
            "image": container["image"],
            "imageID": "",
            "restartCount": 0,
        }
        return {**self.asked, "status": {"containerStatuses": [status]}}


class Cluster:
    """The pods of a cluster, and what it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self.secrets: dict[str, dict[str, str]] = {}
        self.pods: dict[str, Pod] = {}
        self.asked: list[dict[str, Any]] = []


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Start one on loopback."""
    here = Cluster(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            here.asked.append(asked | {"path": self.path})
            here.pods[asked["metadata"]["name"]] = Pod(asked, here.secrets, here.folder)
            self._answer(asked)

        def do_GET(self) -> None:
            path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
            if path.endswith("/log"):
                self.send_response(200)
                self.end_headers()
                for line in here.pods[path.split("/")[-2]].log():
                    self.wfile.write(line)
                    self.wfile.flush()
                return
            name = query["fieldSelector"][0].removeprefix("metadata.name=")
            found = [here.pods[name].told()] if name in here.pods else []
            self._answer({"kind": "PodList", "apiVersion": "v1", "items": found})

        def do_DELETE(self) -> None:
            pod = here.pods.pop(self.path.partition("?")[0].split("/")[-1])
            pod.process.kill()
            self._answer(pod.asked)

        def _answer(self, content: Any) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield here
    finally:
        server.shutdown()
        server.server_close()
        for pod in here.pods.values():
            pod.process.kill()
