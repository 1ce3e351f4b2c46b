"""deploy/kubernetes: Kubernetes takes it, alone and by Dagster's chart, and what one part names another has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from influx_lake_tests.integration.deploy.pod_security import refusals
from testbed.local_kubernetes import KUBERNETES, NAMESPACE, one, pod_specs, rendered_chart

SECRETS = {"influx-lake", "dagster-postgresql-secret"}
"""Those that docs/deploy.md makes."""


def read(name: str) -> Any:
    return yaml.safe_load((KUBERNETES / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def beside() -> list[dict[str, Any]]:
    """What stands beside the chart."""
    return [
        each
        for name in read("kustomization.yaml")["resources"]
        for each in yaml.safe_load_all((KUBERNETES / name).read_text(encoding="utf-8"))
    ]


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    return read("values.yaml")


@pytest.fixture(scope="module")
def code(values: dict[str, Any]) -> dict[str, Any]:
    """The chart's code server."""
    (found,) = values["dagster-user-deployments"]["deployments"]
    return found


@pytest.fixture(scope="module")
def chart() -> list[dict[str, Any]]:
    return rendered_chart()


def referred(found: Any) -> Iterator[tuple[str, str]]:
    """The objects that something of Kubernetes refers to, by kind and name."""
    if isinstance(found, dict):
        for key, value in found.items():
            if key in ("configMap", "configMapRef", "configMapKeyRef"):
                yield "ConfigMap", value["name"]
            elif key in ("secretRef", "secretKeyRef") and not value.get("optional"):
                yield "Secret", value["name"]
            elif key == "serviceAccountName":
                yield "ServiceAccount", value
            elif key == "claimName":
                yield "PersistentVolumeClaim", value
            else:
                yield from referred(value)
    elif isinstance(found, list):
        for each in found:
            yield from referred(each)


def test_kubernetes_takes_what_stands_beside_the_chart(beside: list[dict[str, Any]]) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    for each in beside:
        validate.validate(each, validate.latest_version(), strict=True)


def test_the_chart_is_given_what_the_rest_has(beside: list[dict[str, Any]], code: dict[str, Any]) -> None:
    (container,) = one(beside, "Deployment", "influx-lake-serve")["spec"]["template"]["spec"]["containers"]
    assert code["image"]["repository"] == container["image"]
    assert code["volumeMounts"] == container["volumeMounts"]
    (config,) = read("kustomization.yaml")["configMapGenerator"]
    assert {"name": config["name"]} in [each.get("configMap") for each in code["volumes"]]


def test_runs_have_what_the_code_server_has_but_its_resources(values: dict[str, Any], code: dict[str, Any]) -> None:
    # By includeConfigInLaunchedRuns they would have those too, whatever the launcher says (dagster-k8s 0.29.27).
    assert code["includeConfigInLaunchedRuns"] == {"enabled": False}
    runs = values["runLauncher"]["config"]["k8sRunLauncher"]
    shared = ("envSecrets", "volumes", "volumeMounts", "securityContext")
    assert {key: runs[key] for key in shared} == {key: code[key] for key in shared}
    assert runs["runK8sConfig"]["containerConfig"]["env"] == code["env"]
    assert runs["runK8sConfig"]["podSpecConfig"]["securityContext"] == code["podSecurityContext"]
    assert runs["runK8sConfig"]["containerConfig"]["resources"] != code["resources"]


def test_the_namespace_takes_the_pods(
    beside: list[dict[str, Any]], values: dict[str, Any], code: dict[str, Any]
) -> None:
    labels = one(beside, "Namespace", NAMESPACE)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    for pod in pod_specs(beside).values():
        assert refusals(pod) == []
    for made in (values["dagsterWebserver"], values["dagsterDaemon"], code):
        container = {"name": "dagster", "securityContext": made["securityContext"]}
        pod = {"securityContext": made["podSecurityContext"], "containers": [container]}
        assert refusals(pod | {"volumes": made.get("volumes")}) == []


@pytest.mark.servers
def test_kubernetes_takes_what_the_chart_makes(chart: list[dict[str, Any]]) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    for each in chart:
        validate.validate(each, validate.latest_version(), strict=True)


@pytest.mark.servers
def test_the_namespace_takes_the_pods_of_the_chart(chart: list[dict[str, Any]]) -> None:
    pods = pod_specs(chart)
    assert len(pods) == 3
    assert {name: refusals(pod) for name, pod in pods.items()} == {name: [] for name in pods}


@pytest.mark.servers
def test_what_the_chart_names_is_there(chart: list[dict[str, Any]], beside: list[dict[str, Any]]) -> None:
    there = {(each["kind"], each["metadata"]["name"]) for each in [*chart, *beside]}
    there |= {("Secret", name) for name in SECRETS}
    there |= {("ConfigMap", each["name"]) for each in read("kustomization.yaml")["configMapGenerator"]}
    assert set(referred([*pod_specs(chart).values(), *pod_specs(beside).values()])) <= there
    launcher = settings(chart)["run_launcher"]["config"]
    assert ("ConfigMap", launcher["instance_config_map"]) in there
    assert {("Secret", name) for name in [*launcher["env_secrets"], launcher["postgres_password_secret"]]} <= there
    assert ("ServiceAccount", launcher["run_k8s_config"]["pod_spec_config"]["serviceAccountName"]) in there
    assert not [each for each in chart if each["kind"] == "Secret"]


@pytest.mark.servers
def test_only_webserver_and_daemon_may_make_pods(chart: list[dict[str, Any]]) -> None:
    (role,) = (each for each in chart if each["kind"] == "RoleBinding")
    assert [each["name"] for each in role["subjects"]] == ["dagster"]
    accounts = {name: pod["serviceAccountName"] for name, pod in pod_specs(chart).items()}
    assert accounts == {
        "dagster-daemon": "dagster",
        "dagster-dagster-webserver": "dagster",
        "dagster-dagster-user-deployments-influx-lake": "influx-lake",
    }


@pytest.mark.servers
def test_ports_and_probes_meet(chart: list[dict[str, Any]], code: dict[str, Any]) -> None:
    pods = pod_specs(chart)
    (webserver,) = pods["dagster-dagster-webserver"]["containers"]
    (port,) = webserver["ports"]
    assert port["containerPort"] >= 1024
    assert webserver["readinessProbe"]["httpGet"]["port"] == port["containerPort"]
    assert f"-p {port['containerPort']} " in webserver["command"][-1]
    (server,) = pods["dagster-dagster-user-deployments-influx-lake"]["containers"]
    assert server["readinessProbe"]["exec"]["command"][-2:] == ["-p", str(code["port"])]
    workspace = yaml.safe_load(one(chart, "ConfigMap", "dagster-workspace-yaml")["data"]["workspace.yaml"])
    (location,) = (each["grpc_server"] for each in workspace["load_from"])
    service = one(chart, "Service", location["host"])
    assert [each["port"] for each in service["spec"]["ports"]] == [location["port"]] == [code["port"]]
    labels = one(chart, "Deployment", "dagster-dagster-user-deployments-influx-lake")["spec"]["template"]["metadata"]
    assert service["spec"]["selector"].items() <= labels["labels"].items()


@pytest.mark.servers
def test_the_instance_is_what_the_values_say(
    chart: list[dict[str, Any]], values: dict[str, Any], tmp_path: Path
) -> None:
    from dagster._core.instance.config import dagster_instance_config

    found = settings(chart)
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(found), encoding="utf-8")
    dagster_instance_config(str(tmp_path))
    pools, runs = values["concurrency"]["pools"], values["concurrency"]["runs"]
    assert found["concurrency"] == {
        "pools": {"default_limit": pools["defaultLimit"], "granularity": pools["granularity"]},
        "runs": {"max_concurrent_runs": runs["maxConcurrentRuns"]},
    }
    assert "max_concurrent_runs" not in found["run_coordinator"]["config"]
    assert found["run_monitoring"]["free_slots_after_run_end_seconds"] == 300
    assert found["run_retries"] == {"enabled": True, "max_retries": 3}
    assert found["telemetry"] == {"enabled": False}
    assert found["retention"]["schedule"] == {"purge_after_days": 90}
    for storage in ("run_storage", "event_log_storage", "schedule_storage"):
        database = found[storage]["config"]["postgres_db"]
        assert database["hostname"] == values["postgresql"]["postgresqlHost"]
        assert database["password"] == {"env": "DAGSTER_PG_PASSWORD"}
        # By itself SQLAlchemy 2.1 takes a driver that the image has not.
        assert database["scheme"] == "postgresql+psycopg2"


def settings(chart: list[dict[str, Any]]) -> dict[str, Any]:
    """The dagster.yaml of the chart."""
    found: dict[str, Any] = yaml.safe_load(one(chart, "ConfigMap", "dagster-instance")["data"]["dagster.yaml"])
    return found
