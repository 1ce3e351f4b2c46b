"""A lake with alerts, and who receives them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pytest

from influx_lake.config import load_lake
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.orchestration.resources import CATALOG_KEY
from influx_lake_tests.integration.orchestration.alerts.receivers import Received, mail_receiver, webhook_receiver
from influx_lake_tests.unit.sources.certificates import make_certificate

CPU = dg.AssetKey(["telemetry", "cpu"])
LAKE = """
sources: {{default: {{host: "http://127.0.0.1:1", database: telemetry, connect_timeout: 1s, retry: {{budget: 0s}}}}}}
catalog: {{type: sql, uri: "sqlite:///catalog.db", warehouse: warehouse}}
measurements: {{cpu: {measurement}, mem: {{}}}}
alerts: {alerts}
"""
BASE = "https://dagster.example.com"


@dataclass
class Site:
    """A lake with alerts, and Dagster's instance.

    Attributes:
        folder: Where its lake.yaml is.
        instance: Dagster's.
        alerts: What the section `alerts` says.
        measurement: What is said of cpu.
    """

    folder: Path
    instance: dg.DagsterInstance
    alerts: str = ""
    measurement: str = "{}"
    cursors: dict[str, str | None] = field(default_factory=dict)

    @property
    def definitions(self) -> dg.Definitions:
        path = self.folder / "lake.yaml"
        path.write_text(LAKE.format(alerts=self.alerts, measurement=self.measurement))
        return build_definitions(load_lake(path))

    def tick(self, name: str = "alerts_by_webhook") -> str:
        """One tick of a sensor, after which its cursor is kept, as by the daemon."""
        definitions = self.definitions
        repository = definitions.get_repository_def()
        context = dg.build_sensor_context(
            self.instance,
            cursor=self.cursors.get(name),
            repository_def=repository,
            sensor_name=name,
            resources={CATALOG_KEY: (definitions.resources or {})[CATALOG_KEY]},
        )
        result = repository.get_sensor_def(name).evaluate_tick(context)
        self.cursors[name] = result.cursor
        for event in result.asset_events:
            self.instance.report_runless_asset_event(event)
        return str(result.skip_message)

    def fail(self, partition: str = "2026-01-02", **tags: str) -> dg.ExecuteInProcessResult:
        """A run of cpu, whose source is away."""
        job = dg.define_asset_job("loading", selection=dg.AssetSelection.assets(CPU))
        merged = dg.Definitions.merge(self.definitions, dg.Definitions(jobs=[job]))
        result = merged.resolve_job_def("loading").execute_in_process(
            instance=self.instance, partition_key=partition, tags=tags, raise_on_error=False
        )
        assert not result.success
        return result

    def report(
        self,
        check: str = "gaps",
        *,
        passed: bool = False,
        severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
        description: str = "measurement cpu, window a/b: 3 windows are missing. Backfill them",
        key: dg.AssetKey = CPU,
    ) -> None:
        """A result of a check."""
        self.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(key, check, passed=passed, severity=severity, description=description)
        )


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    with webhook_receiver() as received:
        monkeypatch.setenv("HOOK", f"http://127.0.0.1:{received.port}/services/T0/hush-hush")
        yield received


@pytest.fixture(params=["ephemeral", pytest.param("on disk", marks=pytest.mark.slow)])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """On SQLite files too, whose events lie in a file per run."""
    home = tmp_path / "home"
    home.mkdir()
    opened = (
        dg.DagsterInstance.ephemeral() if request.param == "ephemeral" else dg.DagsterInstance.local_temp(str(home))
    )
    with opened as instance:
        yield Site(tmp_path, instance, alerts=f"{{webhook: '${{HOOK}}', base_url: '{BASE}'}}")


@pytest.fixture
def mailbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    certificate, key = make_certificate(tmp_path, "mail", "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("MAIL_PASSWORD", "hush-hush")
    with mail_receiver(str(certificate), str(key)) as received:
        yield received


def mail_options(port: int) -> str:
    return (
        f"{{base_url: '{BASE}', email: {{sender: lake@example.com, to: [ops@example.com, ada@example.com], "
        f"smtp_host: 127.0.0.1, smtp_port: {port}, user: lake, password: '${{MAIL_PASSWORD}}'}}}}"
    )
