"""Drivers at services: Dagster's own clients start our script there, and a whole load runs through them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest

import influx_lake.orchestration.spark
from influx_lake.config import load_lake
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.orchestration.definitions import build_definitions
from influx_lake_tests.integration.spark.aws_services import Submitted, with_jobs
from influx_lake_tests.integration.spark.landed_files import lake, land
from influx_lake_tests.integration.spark.pods import CREDENTIALS, Cluster, cluster
from testbed.aws import empty_aws

pytestmark = pytest.mark.servers

CPU = {"json_plain": "{source: json, measurement: cpu}"}
SCRIPT = Path(influx_lake.orchestration.spark.__path__[0]) / "__main__.py"
ROLE = "arn:aws:iam::123456789012:role/influx-lake"
BUCKET = "lake"


@dataclass
class Service:
    """A service, as lake.yaml names it.

    Attributes:
        options: What the section `spark` has for it.
        asked: What it was asked for.
    """

    options: str
    asked: list[dict[str, Any]]
    cluster: Cluster | None = None


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Submitted]:
    with empty_aws() as url:
        for name, value in {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.upload_file(str(SCRIPT), BUCKET, "code/driver.py")
        submitted = Submitted(tmp_path)
        monkeypatch.setattr(boto3, "client", with_jobs(submitted))
        yield submitted
        submitted.close()


@pytest.fixture(params=["emr_serverless", "glue", "kubernetes"])
def service(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    pytest.importorskip("pyspark", reason="Spark is not installed: make engines")
    with ExitStack() as opened:
        if request.param == "kubernetes":
            here = opened.enter_context(cluster(tmp_path))
            credentials = tmp_path / "kubeconfig"
            credentials.write_text(CREDENTIALS.format(url=here.url))
            import kubernetes.config.kube_config as reading

            monkeypatch.setattr(reading, "KUBE_CONFIG_DEFAULT_LOCATION", str(credentials))
            spec = '{containers: [{envFrom: [{secretRef: {name: "lake"}}], resources: {requests: {memory: 2Gi}}}]}'
            options = (
                "master: 'local[2]', run_on: {kubernetes: {image: any, namespace: lakes, service_account: lake, "
                f"pod_spec: {spec}}}}}"
            )
            here.secrets["lake"] = {"LANDED": "landed"}
            yield Service(options, here.asked, here)
            return
        submitted: Submitted = request.getfixturevalue("aws")
        if request.param == "emr_serverless":
            made = boto3.client("emr-serverless").create_application(releaseLabel="emr-7.9.0", type="SPARK")
            options = (
                f"application_id: {made['applicationId']}, execution_role_arn: '{ROLE}', timeout: 36h, "
                f"entry_point: s3://{BUCKET}/code/driver.py, messages: s3://{BUCKET}/talk"
            )
            beside = f"python: '{sys.executable}', conf: {{spark.app.name: 'a name with blanks'}}, "
            yield Service(f"{beside}run_on: {{emr_serverless: {{{options}}}}}", submitted.asked)
        else:
            command = {"Name": "glueetl", "ScriptLocation": f"s3://{BUCKET}/code/driver.py"}
            boto3.client("glue").create_job(Name="load", Role=ROLE, Command=command)
            yield Service(f"run_on: {{glue: {{job_name: load, messages: 's3://{BUCKET}/talk'}}}}", submitted.asked)


def _lake(folder: Path, engine: str, options: str) -> Path:
    config = lake(folder, engine, CPU)
    written = config.read_text()
    config.write_text(written.replace('spark: {master: "local[2]"', f"spark: {{{options}") if options else written)
    return config


def _loaded(config: Path) -> tuple[Any, dg.ExecuteInProcessResult]:
    definitions = build_definitions(load_lake(config))
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[dg.AssetKey(["landed", "json_plain"])],
            instance=instance,
            raise_on_error=False,
            tags={
                "dagster/asset_partition_range_start": "2026-01-02",
                "dagster/asset_partition_range_end": "2026-01-02",
            },
        )
    read = load_lake(config)
    catalog = open_catalog(read.catalog.name, read.catalog.properties())
    [measurement] = read.measurements
    table = catalog.load_table(measurement.identifier) if catalog.table_exists(measurement.identifier) else None
    return table, result


def _said(result: dg.ExecuteInProcessResult) -> str:
    return " ".join(str(event.step_failure_data.error) for event in result.all_events if event.is_step_failure)


def test_a_load_through_a_service_is_exact(service: Service, tmp_path: Path) -> None:
    land(tmp_path)
    expected, _ = _loaded(_lake(tmp_path, "own", ""))
    config = _lake(tmp_path, "spark", service.options)
    found, result = _loaded(config)
    assert result.success, _said(result)
    order = [(name, "ascending") for name in ("time", "host", "zone")]
    rows = found.scan().to_arrow().sort_by(order)
    assert rows.num_rows > 1_000
    assert rows.equals(expected.scan().to_arrow().sort_by(order))
    [event] = result.get_asset_materialization_events()
    assert event.materialization.metadata["dagster/partition_row_count"].value == rows.num_rows
    [asked] = service.asked
    assert "master" not in str(asked)
    if service.cluster is not None:
        assert asked["spec"]["serviceAccountName"] == "lake"
        assert asked["path"] == "/api/v1/namespaces/lakes/pods"
        assert not service.cluster.pods
    else:
        left = boto3.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
        assert [each["Key"] for each in left] == ["code/driver.py"]


@pytest.mark.parametrize("service", ["kubernetes"], indirect=True)
def test_a_failure_has_our_words(service: Service, tmp_path: Path) -> None:
    land(tmp_path)
    config = _lake(tmp_path, "spark", service.options)
    for file in (tmp_path / "json" / "cpu").rglob("*.json"):
        file.write_text("{\n")
    _, result = _loaded(config)
    assert not result.success
    assert "cannot be read, where 0 are allowed (max_bad_lines)" in _said(result)


def test_a_job_that_does_not_come_to_our_code_says_where_its_output_is(aws: Submitted, tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="Spark is not installed: make engines")
    land(tmp_path)
    boto3.client("s3").put_object(Bucket=BUCKET, Key="code/driver.py", Body=b"import no_such_module\n")
    command = {"Name": "glueetl", "ScriptLocation": f"s3://{BUCKET}/code/driver.py"}
    boto3.client("glue").create_job(Name="load", Role=ROLE, Command=command)
    options = f"run_on: {{glue: {{job_name: load, messages: 's3://{BUCKET}/talk'}}}}"
    table, result = _loaded(_lake(tmp_path, "spark", options))
    assert table is None
    assert "the job of Glue that drives Spark ended before it was done" in _said(result)
    assert "Its output is in the job's logs in CloudWatch" in _said(result)
