"""deploy/compose, deploy/celery and the lakes of all deployments: what they say fits together."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from influx_lake.config import load_lake
from influx_lake_tests.e2e.dagster_site import REPOSITORY, SETTINGS

DEPLOY = REPOSITORY / "deploy"
COMPOSE = DEPLOY / "compose"
KUBERNETES = DEPLOY / "kubernetes"
OPEN_PORTS = re.compile(r"127\.0\.0\.1:")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return read(COMPOSE / "compose.yaml")["services"]


def test_what_is_mounted_is_there(services: dict[str, Any]) -> None:
    mounted = [each for service in services.values() for each in service.get("volumes", ()) if each.startswith(".")]
    assert mounted
    for each in mounted:
        assert (COMPOSE / each.split(":")[0]).is_file()
        assert each.endswith(":ro")


def test_who_is_waited_for_can_tell_that_it_is_well(services: dict[str, Any]) -> None:
    image = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    for service in services.values():
        for name, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}
            assert "healthcheck" in services[name] or "HEALTHCHECK" in image


def test_only_this_machine_reaches_it(services: dict[str, Any]) -> None:
    ports = [each for service in services.values() for each in service.get("ports", ())]
    assert ports
    assert all(OPEN_PORTS.match(each) for each in ports)


def test_variables_are_offered(services: dict[str, Any]) -> None:
    text = (COMPOSE / "compose.yaml").read_text(encoding="utf-8")
    offered = set(re.findall(r"^(\w+)=", (COMPOSE / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    asked = set(re.findall(r"(?<!\$)\$\{(\w+)", text)) - {"INFLUX_LAKE_VERSION"}
    assert asked == offered
    environment = services["worker"]["environment"]
    text = "".join((DEPLOY / "celery" / name).read_text(encoding="utf-8") for name in ("dagster.yaml", "worker.yaml"))
    assert set(re.findall(r"env: (\w+)", text)) <= environment.keys()
    assert set(re.findall(r"\$\{(\w+)\}", (COMPOSE / "lake.yaml").read_text(encoding="utf-8"))) <= environment.keys()


@pytest.mark.parametrize("lake", [COMPOSE / "lake.yaml", KUBERNETES / "lake.yaml"], ids=lambda path: path.parent.name)
def test_the_lakes_are_lakes(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_CATALOG_URI", "postgresql+psycopg2://lake:any@db:5432/lake")
    monkeypatch.setenv("INFLUX_LAKE_TOKEN", "any")
    monkeypatch.setenv("INFLUXDB3_TOKEN", "any")
    assert [each.name for each in load_lake(lake).measurements] == ["cpu"]


def test_the_instance_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dagster_celery", reason="needs the extra celery")
    monkeypatch.setenv("DAGSTER_CELERY_BROKER", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("DAGSTER_CELERY_BACKEND", "redis://127.0.0.1:1/1")
    settings = read(DEPLOY / "celery" / "dagster.yaml")
    del settings["storage"]
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.run_launcher.supports_check_run_worker_health
        assert instance.run_retries_enabled
        assert instance.run_monitoring_enabled


@pytest.mark.parametrize("folder", ["celery", "ecs"])
def test_the_instances_differ_from_that_of_one_machine_where_they_have_to(folder: str) -> None:
    one, other = yaml.safe_load(SETTINGS), read(DEPLOY / folder / "dagster.yaml")
    alike = one.keys() - {"storage", "run_launcher", "concurrency", "run_monitoring"}
    assert {key: other[key] for key in alike} == {key: one[key] for key in alike}
    assert other["concurrency"]["pools"] == one["concurrency"]["pools"]
