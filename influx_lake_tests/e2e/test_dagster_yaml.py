"""The settings of dagster.yaml: as it is, and with the blocks that it offers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from influx_lake_tests.e2e.dagster_site import SETTINGS, with_block


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))


def instance_of(folder: Path, settings: str) -> dg.DagsterInstance:
    (folder / "dagster.yaml").write_text(settings, encoding="utf-8")
    return dg.DagsterInstance.from_config(str(folder))


def materialize(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    @dg.asset
    def hello() -> None:
        print("said by the asset")

    return dg.materialize([hello], instance=instance)


def test_the_settings_work_as_they_are(tmp_path: Path) -> None:
    with instance_of(tmp_path, SETTINGS) as instance:
        run = materialize(instance)

        assert instance.get_run_by_id(run.run_id).is_success
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert instance.run_monitoring_enabled
        assert instance.run_launcher.supports_check_run_worker_health
        assert instance.run_coordinator.dequeue_use_threads
        concurrency = instance.get_concurrency_config()
        assert concurrency.run_queue_config.max_concurrent_runs == 4
        assert concurrency.run_queue_config.max_user_code_failure_retries == 5
        assert concurrency.pool_config.default_pool_limit == 4
        assert concurrency.pool_config.pool_granularity.value == "run"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import boto3

    from testbed.aws import empty_aws

    with empty_aws() as url:
        for name, value in {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "DAGSTER_LOGS_BUCKET": "logs",
        }.items():
            monkeypatch.setenv(name, value)
        bucket = boto3.resource("s3").Bucket("logs")
        bucket.create(CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield bucket


@pytest.mark.slow
def test_the_s3_block_keeps_what_runs_print(tmp_path: Path, bucket: Any) -> None:
    with instance_of(tmp_path, with_block("s3")) as instance:
        materialize(instance)

    printed = [entry.get()["Body"].read() for entry in bucket.objects.filter(Prefix="influx_lake/")]
    assert any(b"said by the asset" in text for text in printed)


@pytest.mark.servers
def test_the_postgres_block_keeps_runs_in_postgres(
    tmp_path: Path, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", postgres)

    with instance_of(tmp_path, with_block("postgres")) as instance:
        run = materialize(instance)

    # Another instance, on the same database.
    (tmp_path / "other").mkdir()
    with instance_of(tmp_path / "other", with_block("postgres")) as instance:
        assert instance.get_run_by_id(run.run_id).is_success
    assert not (tmp_path / "history").exists()


def test_the_blocks_are_only_comments() -> None:
    settings = yaml.safe_load(SETTINGS)
    assert settings["storage"].keys() == {"custom"}
    assert "compute_logs" not in settings
