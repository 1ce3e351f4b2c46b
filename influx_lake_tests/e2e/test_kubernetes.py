"""Dagster's chart with our values: its code server and settings, and runs in the pods that its launcher asks for."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from influx_lake.cli.entry import run
from influx_lake.sandbox import Sandbox
from influx_lake_tests.e2e.dagster_site import DagsterSite
from influx_lake_tests.e2e.telemetry import DATABASE, days, write_lake
from influx_lake_tests.integration.deploy.pod_security import refusals
from testbed.local_kubernetes import NAMESPACE, LocalCluster, one, pod_specs, rendered_chart

pytestmark = pytest.mark.servers

PASSWORD = "of the database"


@pytest.fixture
def chart() -> list[dict[str, Any]]:
    pytest.importorskip("dagster_k8s")
    return rendered_chart()


@pytest.fixture
def cluster(sandbox: Sandbox, tmp_path: Path) -> LocalCluster:
    folders = {"/lake": str(tmp_path)}
    secrets = {
        "influx-lake": {"INFLUXDB3_TOKEN": sandbox.token or ""},
        "dagster-postgresql-secret": {"postgresql-password": PASSWORD},
    }
    return LocalCluster(folders, secrets)


@pytest.fixture
def code_server(chart: list[dict[str, Any]], cluster: LocalCluster, sandbox: Sandbox, tmp_path: Path) -> Iterator[int]:
    """The chart's code server; gives its port."""
    write_lake(tmp_path, sandbox)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    (container,) = pod_specs(chart)["dagster-dagster-user-deployments-influx-lake"]["containers"]
    shared = one(chart, "ConfigMap", "dagster-dagster-user-deployments-user-deployments-shared-env")["data"]
    arguments, variables = cluster.command(container, **{"0.0.0.0": "127.0.0.1", "3030": str(port)})
    with (tmp_path / "code_server.log").open("wb") as log:
        server = subprocess.Popen(arguments, env=shared | variables, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield port
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def site(
    chart: list[dict[str, Any]], cluster: LocalCluster, code_server: int, postgres: str, tmp_path: Path
) -> Iterator[DagsterSite]:
    settings = yaml.safe_load(one(chart, "ConfigMap", "dagster-instance")["data"]["dagster.yaml"])
    database = urlsplit(postgres)
    for storage in ("run_storage", "event_log_storage", "schedule_storage"):
        settings[storage]["config"]["postgres_db"] |= {
            "hostname": database.hostname,
            "port": database.port,
            "db_name": database.path.removeprefix("/"),
        }
    workspace = yaml.safe_load(one(chart, "ConfigMap", "dagster-workspace-yaml")["data"]["workspace.yaml"])
    workspace["load_from"][0]["grpc_server"] |= {"host": "127.0.0.1", "port": code_server}
    (tmp_path / "workspace.yaml").write_text(yaml.safe_dump(workspace), encoding="utf-8")
    with ExitStack() as stack:
        settings["run_launcher"]["config"] |= {
            "load_incluster_config": False,
            "kubeconfig_file": str(stack.enter_context(cluster.serve(tmp_path))),
        }
        yield stack.enter_context(
            DagsterSite(
                tmp_path,
                {"DAGSTER_PG_PASSWORD": PASSWORD},
                yaml.safe_dump(settings),
                tmp_path / "workspace.yaml",
            )
        )


def test_a_run_is_a_pod_that_loads_its_windows(
    site: DagsterSite, cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    backfill = site.backfill([DATABASE, "cpu"], partitions=days()[:1])
    ended = site.ended(backfill, seconds=240)
    assert ended["status"] == "COMPLETED_SUCCESS", "".join(
        each.read_text(encoding="utf-8") for each in tmp_path.glob("*.log")
    )
    (job,) = cluster.jobs.values()
    validate.validate(job, validate.latest_version(), strict=True)
    assert job["metadata"]["namespace"] == NAMESPACE
    pod = job["spec"]["template"]["spec"]
    assert refusals(pod) == []
    assert pod["serviceAccountName"] == "influx-lake"
    assert pod["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    assert container["image"] == "registry.example.org/influx-lake:0.1.0"
    assert container["resources"] == {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "4Gi"}}
    assert {each["mountPath"] for each in container["volumeMounts"]} == {
        "/lake/lake.yaml",
        "/lake/.lake",
        "/tmp",
    }
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}
    assert PASSWORD not in str(job)
    assert cluster.secrets["influx-lake"]["INFLUXDB3_TOKEN"] not in str(job)
    # Webserver and daemon cannot write to Dagster's folder. These two are telemetry's, which does without.
    assert {each.name for each in (tmp_path / "dagster").iterdir()} <= {"dagster.yaml", "logs", ".logs_queue"}
    monkeypatch.setenv("INFLUXDB3_TOKEN", cluster.secrets["influx-lake"]["INFLUXDB3_TOKEN"])
    first_day = ["--start", days()[0], "--end", days()[1]]
    assert run(["verify", "cpu", "--values", *first_day, "-c", str(tmp_path / "lake.yaml")]) == 0
