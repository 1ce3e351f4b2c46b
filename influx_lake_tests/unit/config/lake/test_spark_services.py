"""The services that may drive Spark, as the section `spark` names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from influx_lake.config import load_lake
from influx_lake.errors import ConfigurationError
from influx_lake.orchestration.spark.drivers import (
    EmrServerlessDriver,
    GlueDriver,
    KubernetesDriver,
    LocalDriver,
    driver_of,
    spark_defaults,
)

LAKE = """\
sources: {{here: {{type: line_protocol, path: ./points.lp, database: t}}}}
catalog: {{type: sql, uri: "sqlite:///catalog.db", warehouse: ./warehouse}}
spark: {{{spark}}}
measurements: {{cpu: {{partition: {{start: 2026-01-01}}}}}}
"""
EMR = (
    "run_on: {emr_serverless: {application_id: 00f1a2, execution_role_arn: 'arn:aws:iam::123456789012:role/lake', "
    "entry_point: 's3://b/driver.py', messages: 's3://b/m'}}"
)
GLUE = "run_on: {glue: {job_name: load, messages: 's3://b/m'}}"
POD = "run_on: {{kubernetes: {{image: any, pod_spec: {spec}}}}}"


def _written(folder: Path, spark: str) -> Path:
    config = folder / "lake.yaml"
    config.write_text(LAKE.format(spark=spark))
    return config


@pytest.mark.parametrize(
    ("spark", "driver"),
    [("", LocalDriver), (EMR, EmrServerlessDriver), (GLUE, GlueDriver), (POD.format(spec="{}"), KubernetesDriver)],
)
def test_the_section_names_who_drives(tmp_path: Path, spark: str, driver: type) -> None:
    assert type(driver_of(load_lake(_written(tmp_path, spark)).spark)) is driver


@pytest.mark.parametrize(
    ("spark", "told"),
    [
        (f"master: yarn, {EMR}", "is set by EMR Serverless itself: leave it out"),
        (f"master: yarn, {GLUE}", "is set by Glue itself: leave it out"),
        (f"python: ./python, {GLUE}", "give it to the job of Glue"),
        ("run_on: {}", "give emr_serverless, glue or kubernetes"),
        (f"{GLUE[:-1]}, kubernetes: {{image: any}}}}", "give emr_serverless, glue or kubernetes"),
        (EMR.replace("messages", "timeout: 90s, messages"), "is no number of whole minutes"),
        (EMR.replace("s3://b/driver.py", "./driver.py"), "write s3://bucket/influx-lake/driver.py"),
        (POD.format(spec="{containers: []}"), "is not a list of one container"),
        (POD.format(spec="{containers: [{image: other}]}"), "is set by influx-lake"),
        (POD.format(spec="{initContainers: [{}]}"), "has no place beside"),
        (POD.format(spec="{containers: [{env: [{name: DB_PASSWORD, value: x}]}]}"), "take it from a Secret"),
    ],
)
def test_what_contradicts_itself_is_reported(tmp_path: Path, spark: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        load_lake(_written(tmp_path, spark))


def test_a_service_is_given_what_the_section_says(tmp_path: Path) -> None:
    spark = (
        f"{EMR}, archives: ['s3://b/env.tar.gz#environment', 's3://b/more.zip'], python: ./environment/bin/python, "
        "conf: {spark.executor.memory: 8g}"
    )
    assert spark_defaults(load_lake(_written(tmp_path, spark)).spark) == {
        "spark.archives": "s3://b/env.tar.gz#environment,s3://b/more.zip",
        "spark.emr-serverless.driverEnv.PYSPARK_PYTHON": "./environment/bin/python",
        "spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON": "./environment/bin/python",
        "spark.executorEnv.PYSPARK_PYTHON": "./environment/bin/python",
        "spark.executor.memory": "8g",
    }
