"""Dagster's chart with deploy/kubernetes' values, and a cluster whose pods are processes of this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

KUBERNETES = Path(__file__).parents[1] / "deploy" / "kubernetes"
NAMESPACE = "influx-lake"
CHART = "INFLUX_LAKE_TEST_DAGSTER_CHART"


def rendered_chart() -> list[dict[str, Any]]:
    """What `helm upgrade --install`, as docs/deploy.md has it, would send to Kubernetes."""
    if (chart := os.environ.get(CHART)) is None or (helm := shutil.which("helm")) is None:
        pytest.skip(f"{CHART} names no folder with Dagster's chart, or helm is not installed")
    values = str(KUBERNETES / "values.yaml")
    made = subprocess.run(
        [helm, "template", "dagster", chart, "--namespace", NAMESPACE, "--values", values],
        text=True,
        capture_output=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return [each for each in yaml.safe_load_all(made.stdout) if each]


def pod_specs(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pods that Kubernetes would make of some objects, by the object's name."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for each in objects
        if each["kind"] in ("Deployment", "Job")
    }


def one(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = (each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return found


@dataclass
class LocalCluster:
    """Kubernetes' API as far as run launchers use it: Jobs are made and looked at.

    Attributes:
        folders: Where the folders of a pod are on this machine.
        secrets: The namespace's secrets.
        jobs: The Jobs that were made, by name.
    """

    folders: Mapping[str, str]
    secrets: Mapping[str, Mapping[str, str]]
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    _pods: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @contextmanager
    def serve(self, folder: Path) -> Iterator[Path]:
        """Answer until the block ends; gives a kubeconfig."""
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                job = json.loads(self.rfile.read(int(self.headers["content-length"])))
                job["metadata"]["namespace"] = self.path.split("/")[-2]
                cluster._start(job)
                self._answer(201, job)

            def do_GET(self) -> None:
                name = self.path.removesuffix("/status").rpartition("/")[2]
                if name in cluster.jobs:
                    self._answer(200, cluster.jobs[name] | {"status": cluster._status(name)})
                else:
                    self._answer(404, {"kind": "Status", "reason": "NotFound"})

            def _answer(self, status: int, body: dict[str, Any]) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "local", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "users": [{"name": "local", "user": {}}],
            "contexts": [{"name": "local", "context": {"cluster": "local", "user": "local"}}],
            "current-context": "local",
        }
        (path := folder / "kubeconfig").write_text(yaml.safe_dump(settings), encoding="utf-8")
        try:
            yield path
        finally:
            server.shutdown()
            server.server_close()
            for pod in self._pods.values():
                pod.kill()
                pod.wait()

    def command(self, container: Mapping[str, Any], **replaced: str) -> tuple[list[str], dict[str, str]]:
        """What a container starts, and its variables: none but those that it is given."""
        variables = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(self._image()),
            "PYTHONUNBUFFERED": "1",
        }
        for source in container.get("envFrom", ()):
            secret = source.get("secretRef", {"optional": True})
            if not secret.get("optional"):
                variables |= self.secrets[secret["name"]]
        for each in container["env"]:
            if "value" in each:
                variables[each["name"]] = self._here(each["value"])
            else:
                reference = each["valueFrom"]["secretKeyRef"]
                variables[each["name"]] = self.secrets[reference["name"]][reference["key"]]
        return [replaced.get(each, each) for each in container["args"]], variables

    def _image(self) -> Path:
        """A folder by which a process lacks what our image does: only webserver and daemon have Dagster's launcher."""
        (image := Path(self.folders["/lake"]) / "image").mkdir(exist_ok=True)
        (image / "dagster_k8s.py").write_text('raise ImportError("the image has no dagster-k8s")', encoding="utf-8")
        return image

    def _here(self, value: str) -> str:
        for folder, here in self.folders.items():
            if value == folder or value.startswith(f"{folder}/"):
                return here + value.removeprefix(folder)
        return value

    def _start(self, job: dict[str, Any]) -> None:
        name = job["metadata"]["name"]
        (container,) = job["spec"]["template"]["spec"]["containers"]
        arguments, variables = self.command(container)
        self.jobs[name] = job
        with (Path(self.folders["/lake"]) / f"{name}.log").open("wb") as log:
            self._pods[name] = subprocess.Popen(
                arguments, env=variables, cwd=self.folders["/lake"], stdout=log, stderr=subprocess.STDOUT
            )

    def _status(self, name: str) -> dict[str, Any]:
        ended = self._pods[name].poll()
        return {"active": 1} if ended is None else {"succeeded": 1} if ended == 0 else {"failed": 1}
