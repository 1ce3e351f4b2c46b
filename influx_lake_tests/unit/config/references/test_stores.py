"""Values kept in AWS, by a moto server on the loopback interface."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3  # type: ignore[import-untyped]
import pytest

from influx_lake.config import CatalogConfig, Secret, load_lake, redact
from influx_lake.errors import ConfigurationError
from influx_lake_tests.unit.config.conftest import LakeWriter
from testbed.aws import empty_aws

TOKEN = "apiv3_hunter2"


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """An AWS with a secret and parameters in it; gives its address."""
    with empty_aws() as url:
        options = {
            "endpoint_url": url,
            "region_name": "eu-central-1",
            "aws_access_key_id": "a",
            "aws_secret_access_key": "b",
        }
        secrets = boto3.client("secretsmanager", **options)
        secrets.create_secret(Name="influxdb", SecretString=json.dumps({"token": TOKEN, "port": 8181}))
        secrets.create_secret(Name="plain", SecretString=TOKEN)
        secrets.create_secret(Name="binary", SecretBinary=b"\x00")
        boto3.client("ssm", **options).put_parameter(Name="/lake/token", Value=TOKEN, Type="SecureString")
        yield url


@pytest.fixture
def _credentials(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")


@pytest.mark.usefixtures("_credentials")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${aws-secret:influxdb#token}", TOKEN),
        ("${aws-secret:influxdb#port}", "8181"),
        ("${aws-secret:plain}", TOKEN),
        ("${aws-ssm:/lake/token}", TOKEN),
    ],
)
def test_values(text: str, expected: str) -> None:
    secret = Secret(text)
    assert secret.reveal() == expected
    assert expected not in redact(f"text with {expected}")
    assert str(secret) == text


@pytest.mark.usefixtures("_credentials")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${aws-secret:nowhere}", "the AWS secret nowhere cannot be read: there is none of this name.*AWS_REGION"),
        ("${aws-ssm:/nowhere}", "the AWS parameter /nowhere cannot be read: there is none of this name"),
        ("${aws-secret:influxdb#tokn}", "the AWS secret influxdb has no key tokn. It has: port, token"),
        ("${aws-secret:plain#token}", "not a JSON object, so it has no key token"),
        ("${aws-secret:binary}", "is binary"),
    ],
)
def test_what_is_missing(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        Secret(text).reveal()
    assert TOKEN not in str(caught.value)
    assert caught.value.__cause__ is None


def test_aws_without_credentials(aws: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with pytest.raises(ConfigurationError, match="there are no AWS credentials here"):
        Secret("${aws-secret:plain}").reveal()


def test_aws_without_a_region(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match=r"no AWS region is set\. Set AWS_DEFAULT_REGION"):
        Secret("${aws-ssm:/lake/token}").reveal()


@pytest.mark.usefixtures("_credentials")
def test_aws_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(ConfigurationError, match="AWS cannot be reached"):
        Secret("${aws-ssm:/lake/token}").reveal()


@pytest.mark.usefixtures("_credentials")
def test_a_lake_with_its_secrets_in_aws(write_lake: LakeWriter) -> None:
    lake = load_lake(
        write_lake(
            """
            sources:
              default: {host: http://127.0.0.1:8181, database: d, token: ${aws-secret:influxdb#token}}
            catalog: {name: lake, type: rest, uri: http://catalog, token: ${aws-ssm:/lake/token}, warehouse: w}
            """
        )
    )
    token = lake.sources["default"].token
    assert token is not None
    assert token.reveal() == TOKEN
    assert lake.catalog.properties()["token"] == TOKEN
    again = CatalogConfig.of(lake.catalog.references(), root=lake.root)
    assert again.properties() == lake.catalog.properties()


@pytest.mark.slow
def test_aws_is_imported_only_when_it_is_used(write_lake: LakeWriter) -> None:
    path = write_lake("sources: {default: {host: h, database: d, token: '${aws-secret:x}'}}\nmeasurements: {cpu: }\n")
    code = (
        "import sys, influx_lake.config as c\n"
        f"c.load_lake({str(path)!r})\n"
        "heavy = {'dagster', 'dagster_aws', 'boto3', 'botocore', 'pyarrow', 'pyiceberg', 'influxdb_client_3'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
