"""`influx-lake check` tries each permission, and names the one that is missing as who grants it calls it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from influx_lake.cli.entry import run
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.storage.listing import files_below
from influx_lake_tests.integration.iceberg.catalogs.postgres import postgres
from influx_lake_tests.integration.iceberg.catalogs.rest_catalog import rest_catalog
from influx_lake_tests.integration.iceberg.stores.enforcing_aws import EnforcingAws, enforcing_aws
from influx_lake_tests.integration.iceberg.stores.stores import STORES

LAKE = """\
sources: {{default: {{type: line_protocol, path: ./points.lp, database: t}}}}
catalog: {catalog}
defaults:
  namespace: telemetry
  partition: {{start: 2025-06-01}}
  lag: 0s
  maintenance: {{expire_snapshots: {{older_than: 0s, keep_last: 1}}}}
measurements: {{cpu: }}
"""
RANGE = ("--start", "2025-06-01", "--end", "2025-06-02")
PAGE = Path(__file__).parents[3] / "docs" / "permissions.md"
GLUE = [
    "glue:CreateDatabase",
    "glue:CreateTable",
    "glue:DeleteTable",
    "glue:GetDatabase",
    "glue:GetDatabases",
    "glue:GetTable",
    "glue:GetTables",
    "glue:UpdateTable",
]
ACTIONS = [*GLUE, "s3:ListBucket", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]


def lake(folder: Path, catalog: dict[str, str]) -> Path:
    (folder / "points.lp").write_text("cpu,host=a v=1 1748736000000000000\n")
    config = folder / "lake.yaml"
    config.write_text(LAKE.format(catalog=json.dumps(catalog)))
    return config


def checked(config: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, Any]]]:
    capsys.readouterr()
    code = run(["check", "-c", str(config), "--json"])
    captured = json.loads(capsys.readouterr().out)["checks"]
    return code, [each for each in captured if each["name"] == "permission"]


def policy(without: str = "") -> dict[str, Any]:
    """The policy of the documentation, without an action."""
    text, maintenance = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    found: dict[str, Any] = json.loads(text)
    found["Statement"].append(json.loads(maintenance))
    for statement in found["Statement"]:
        actions = statement["Action"]
        statement["Action"] = [each for each in ([actions] if isinstance(actions, str) else actions) if each != without]
        if statement["Sid"] in ("Catalog", "Maintenance"):
            # moto compares the resources of S3's actions only.
            statement["Resource"] = "*"
    found["Statement"] = [statement for statement in found["Statement"] if statement["Action"]]
    return found


REST = {
    "list namespaces": ("GET", "namespaces"),
    "see namespace": ("GET", "namespaces/telemetry"),
    "create namespace": ("POST", "namespaces"),
    "list tables": ("GET", "namespaces/telemetry/tables"),
    "create table": ("POST", "namespaces/telemetry/tables"),
    "load table": ("GET", "namespaces/telemetry/tables/influx_lake_check_"),
    "commit": ("POST", "namespaces/telemetry/tables/influx_lake_check_"),
    "drop table": ("DELETE", "namespaces/telemetry/tables/influx_lake_check_"),
}


@pytest.mark.slow
def test_the_folder_of_a_table_that_lies_elsewhere_is_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    properties = {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": f"{tmp_path}/w"}
    config, elsewhere = lake(tmp_path, properties), tmp_path / "elsewhere" / "cpu"
    assert run(["replicate", "cpu", *RANGE, "-c", str(config)]) == 0
    with open_catalog("lake", properties).load_table("telemetry.cpu").transaction() as change:
        change.set_properties({"write.data.path": str(elsewhere)})
    elsewhere.mkdir(parents=True)
    (elsewhere / "kept").write_text("")
    tried = [each["found"] for each in checked(config, capsys)[1] if each["found"]["on"] == str(elsewhere)]
    assert [each["permission"] for each in tried] == ["write files", "read files", "list files", "delete files"]
    assert [path.name for path in elsewhere.iterdir()] == ["kept"]
    (elsewhere / "kept").unlink()
    elsewhere.rmdir()
    elsewhere.write_text("a file where a folder should be")
    code, told = checked(config, capsys)
    [failed] = [each for each in told if not each["ok"] and each["found"]["permission"] == "write files"]
    assert (code, failed["found"]["on"]) == (1, str(elsewhere))


@pytest.mark.slow
def test_each_refusal_of_a_rest_catalog_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused = ""

    def refuses(method: str, path: str) -> bool:
        wanted_method, wanted = REST[refused]
        alike = path.startswith(wanted) if wanted.endswith("_") else path == wanted
        return alike and method.replace("HEAD", "GET") == wanted_method

    behind = {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": f"{tmp_path}/w"}
    tables = open_catalog("behind", behind)
    with rest_catalog(behind, refuses) as uri:
        config = lake(tmp_path, {"type": "rest", "uri": f"{uri}/api/catalog"})
        for refused in REST:
            if tables.namespace_exists("telemetry"):
                tables.drop_namespace("telemetry")
            code, told = checked(config, capsys)
            [missing] = [each for each in told if not each["found"]["there"]]
            assert missing["found"]["permission"] == refused
            [right] = missing["found"]["rights"]
            assert missing["remedy"].startswith(f"In Polaris, grant the privilege {right} on the ")
            assert code == (0 if refused == "drop table" else 1)
        # What may not be dropped is used again, and goes as soon as that is allowed.
        [left] = tables.list_tables("telemetry")
        checked(config, capsys)
        assert tables.list_tables("telemetry") == [left]
    with rest_catalog(behind) as uri:
        code, told = checked(lake(tmp_path, {"type": "rest", "uri": uri}), capsys)
        assert (code, [each["found"]["there"] for each in told].count(False)) == (0, 0)
    assert tables.list_tables("telemetry") == []


@pytest.mark.servers
def test_each_privilege_of_postgres_that_is_missing_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    needed = [("iceberg_tables", right) for right in ("SELECT", "INSERT", "UPDATE", "DELETE")]
    needed += [("iceberg_namespace_properties", right) for right in ("SELECT", "INSERT")]
    with postgres() as uri:
        open_catalog("c", {"type": "sql", "uri": uri, "warehouse": str(tmp_path)})
        engine = create_engine(uri)

        def grant(rights: list[tuple[str, str]]) -> None:
            with engine.begin() as connection:
                for table in ("iceberg_tables", "iceberg_namespace_properties"):
                    connection.execute(text(f"DELETE FROM {table}"))
                    connection.execute(text(f"REVOKE ALL ON {table} FROM lake"))
                for table, right in rights:
                    connection.execute(text(f"GRANT {right} ON {table} TO lake"))

        with engine.begin() as connection:
            connection.execute(text("CREATE ROLE lake LOGIN"))
        own = uri.replace("postgres@", "lake@")
        config = lake(tmp_path, {"type": "sql", "uri": own, "warehouse": f"{tmp_path}/w"})
        grant(needed)
        assert checked(config, capsys)[0] == 0
        for one in needed:
            grant([each for each in needed if each != one])
            code, told = checked(config, capsys)
            first = next(each for each in told if not each["found"]["there"])
            assert f"GRANT {one[1]} ON {one[0]} TO" in first["remedy"]
            assert code == (0 if one[1] == "DELETE" else 1)


@pytest.fixture(scope="module")
def aws() -> Iterator[EnforcingAws]:
    with enforcing_aws() as server:
        yield server


@pytest.mark.slow
def test_the_policy_of_the_documentation_is_enough(
    aws: EnforcingAws, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.drop_databases()
    aws.allow(policy())
    config = lake(tmp_path, aws.properties())
    code, told = checked(config, capsys)
    assert (code, [each["found"]["there"] for each in told]) == (0, [True] * 12)
    assert {right for each in told for right in each["found"]["rights"]} == set(ACTIONS)
    assert run(["replicate", "cpu", *RANGE, "-c", str(config)]) == 0
    assert run(["replicate", "cpu", *RANGE, "-c", str(config)]) == 0
    assert run(["maintain", "-c", str(config)]) == 0
    assert run(["verify", "cpu", *RANGE, "-c", str(config)]) == 0
    assert checked(config, capsys)[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_of_it_is_needed_and_named(
    action: str, aws: EnforcingAws, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.drop_databases()
    aws.allow(policy(without=action))
    code, told = checked(lake(tmp_path, aws.properties()), capsys)
    missing = [each for each in told if not each["found"]["there"]]
    assert {right for each in missing for right in each["found"]["rights"]} == {action}
    assert all(f"Allow the IAM action {action} on arn:aws:" in each["remedy"] for each in missing)
    # Nothing but the table of the check is ever dropped.
    assert (code, missing[0]["warning"]) == ((0, True) if action == "glue:DeleteTable" else (1, False))


@pytest.mark.slow
def test_what_athena_needs_is_tried(
    aws: EnforcingAws, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
    keys = {"aws_access_key_id": aws.key, "aws_secret_access_key": aws.secret, "region": "eu-central-1"}
    config = lake(tmp_path, aws.properties())
    text = config.read_text().replace("maintenance: {", "maintenance: {engine: athena, ")
    config.write_text(f"{text}engines: {{athena: {json.dumps(keys)}}}\n")
    for refused in ("", "athena:StartQueryExecution", "athena:GetQueryExecution"):
        aws.drop_databases()
        aws.allow(policy(without=refused))
        capsys.readouterr()
        code = run(["check", "-c", str(config), "--json"])
        captured = json.loads(capsys.readouterr().out)["checks"][-1]
        assert (captured["name"], captured["ok"], code) == ("engine", not refused, 1 if refused else 0)
        if refused:
            assert captured["remedy"] == f"Allow the IAM action {refused}, on the workgroup of engines.athena"


@pytest.mark.servers
@pytest.mark.parametrize("store", STORES)
def test_every_store_is_tried_and_left_as_it_was(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with STORES[store](tmp_path) as reached:
        properties = {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", **reached}
        config = lake(tmp_path, properties)
        assert run(["replicate", "cpu", *RANGE, "-c", str(config)]) == 0
        catalog = open_catalog("lake", properties)
        io = catalog.load_table("telemetry.cpu").io
        before = {each.path for each in files_below(io, properties["warehouse"])}
        assert before
        code, told = checked(config, capsys)
        assert (code, [each for each in told if not each["found"]["there"]]) == (0, [])
        assert {each.path for each in files_below(io, properties["warehouse"])} == before
        assert catalog.list_tables("telemetry") == [("telemetry", "cpu")]
        assert [each["detail"] for each in told if each["found"]["permission"] == "drop table"] == ["dropped it"]
