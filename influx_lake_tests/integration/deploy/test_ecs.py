"""deploy/ecs: Dagster's launcher starts a task for a run, with what the files there say, in moto's ECS."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
import yaml
from dagster._core.test_utils import in_process_test_workspace
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from influx_lake.config import load_lake
from influx_lake_tests.e2e.dagster_site import REPOSITORY
from testbed.aws import empty_aws

FOLDER = REPOSITORY / "deploy" / "ecs"
DEFINITIONS = ("code", "webserver", "daemon", "run")


@dg.op
def nothing() -> None:
    """Does nothing."""


@dg.job
def any_job() -> None:
    """A job of one op."""
    nothing()


@dg.repository
def any_repository() -> list[Any]:
    return [any_job]


@pytest.fixture
def ecs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with empty_aws() as url:
        for name, value in {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "DAGSTER_RUN_TASK_DEFINITION": "influx-lake-run",
        }.items():
            monkeypatch.setenv(name, value)
        client = boto3.client("ecs")
        client.create_cluster(clusterName="influx-lake")
        for name in DEFINITIONS:
            client.register_task_definition(**json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))
        yield client


def settings(folder: Path) -> None:
    """deploy/ecs/dagster.yaml in a network that moto has, with its runs in SQLite."""
    found = yaml.safe_load((FOLDER / "dagster.yaml").read_text(encoding="utf-8"))
    network = found["run_launcher"]["config"]["run_task_kwargs"]["networkConfiguration"]["awsvpcConfiguration"]
    ec2 = boto3.client("ec2")
    network["subnets"] = [ec2.describe_subnets()["Subnets"][0]["SubnetId"]]
    network["securityGroups"] = [ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]]
    del found["storage"]
    (folder / "dagster.yaml").write_text(yaml.safe_dump(found), encoding="utf-8")


@pytest.mark.slow
def test_a_run_is_a_task(ecs: Any, tmp_path: Path) -> None:
    settings(tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        origin = LoadableTargetOrigin(python_file=__file__, attribute="any_repository")
        with in_process_test_workspace(instance, origin, container_image="registry/influx-lake") as workspace:
            location = workspace.code_locations[0]
            job = location.get_repository("any_repository").get_full_job("any_job")
            run = instance.create_run_for_job(
                any_job,
                remote_job_origin=job.get_remote_origin(),
                job_code_origin=job.get_python_origin(),
                tags={"dagster/partition": "2026-01-01", "ecs/memory": "8192"},
            )
            instance.launch_run(run.run_id, workspace)
        (arn,) = ecs.list_tasks(cluster="influx-lake")["taskArns"]
        (task,) = ecs.describe_tasks(cluster="influx-lake", tasks=[arn], include=["TAGS"])["tasks"]
        assert task["taskDefinitionArn"].rpartition("/")[2].startswith("influx-lake-run:")
        (override,) = task["overrides"]["containerOverrides"]
        assert override["name"] == "run"
        assert override["command"][:3] == ["dagster", "api", "execute_run"]
        assert override["memory"] == 8192
        assert {"key": "dagster/partition", "value": "2026-01-01"} in task["tags"]


@pytest.mark.parametrize("name", DEFINITIONS)
def test_tasks_have_no_secret_in_clear_and_no_root(name: str) -> None:
    found = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    (container,) = found["containerDefinitions"]
    assert container["user"] == "1000:1000"
    assert container["linuxParameters"]["capabilities"]["drop"] == ["ALL"]
    assert [each["name"] for each in container["secrets"]] == ["DAGSTER_POSTGRES_URL"]
    told = {each["name"] for each in container["environment"]}
    assert told == {"AWS_REGION", "DAGSTER_RUN_TASK_DEFINITION"}


def test_what_is_registered_is_what_the_roles_allow() -> None:
    launcher = (FOLDER / "iam" / "launcher.json").read_text(encoding="utf-8")
    run = json.loads((FOLDER / "run.json").read_text(encoding="utf-8"))
    assert f"task-definition/{run['family']}:" in launcher
    for role in (run["taskRoleArn"], run["executionRoleArn"]):
        assert role in launcher


@pytest.mark.parametrize("policy", sorted(each.name for each in (FOLDER / "iam").iterdir()))
def test_policies_allow_nothing_that_is_not_named(policy: str) -> None:
    for statement in json.loads((FOLDER / "iam" / policy).read_text(encoding="utf-8"))["Statement"]:
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            assert "*" not in action
        # ECS and ECR have no resources for these.
        if statement.get("Resource") == "*":
            assert actions in (["ecs:DescribeTaskDefinition"], "ecr:GetAuthorizationToken")


def test_the_lake_of_the_image_is_one(tmp_path: Path) -> None:
    shutil.copy2(FOLDER / "lake.yaml", tmp_path)
    assert load_lake(tmp_path / "lake.yaml").catalog.properties()["type"] == "glue"
