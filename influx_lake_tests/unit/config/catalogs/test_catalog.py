from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from influx_lake.config import CatalogConfig, ConfigurationProblems, Secret, load_lake, redact
from influx_lake.config.catalogs.nested import nested
from influx_lake.config.catalogs.options import CATALOG_TYPES, is_secret_name
from influx_lake.errors import ConfigurationError
from influx_lake.orchestration.resources import IcebergCatalogResource
from influx_lake_tests.unit.config.conftest import LakeWriter

ROOT = Path("/lakes/one")


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sqlite:///./.lake/catalog.db", "sqlite:////lakes/one/.lake/catalog.db"),
        ("sqlite:///catalog.db", "sqlite:////lakes/one/catalog.db"),
        ("sqlite:///../c.db?timeout=30", "sqlite:////lakes/c.db?timeout=30"),
        ("sqlite+pysqlite:///c.db", "sqlite+pysqlite:////lakes/one/c.db"),
        ("sqlite:////abs/c.db", "sqlite:////abs/c.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("sqlite://", "sqlite://"),
        ("postgresql://db/lake", "postgresql+psycopg2://db/lake"),
        ("postgres://db/lake", "postgresql+psycopg2://db/lake"),
        ("postgresql+asyncpg://db/lake", "postgresql+asyncpg://db/lake"),
        ("https://catalog/rest", "https://catalog/rest"),
        ("thrift://hive:9083", "thrift://hive:9083"),
    ],
)
def test_addresses(uri: str, expected: str) -> None:
    assert CatalogConfig.of({"uri": uri}, root=ROOT).properties() == {"uri": expected}


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"type": "sql", "warehouse": "./.lake/warehouse"}, "/lakes/one/.lake/warehouse"),
        ({"type": "sql", "warehouse": "warehouse"}, "/lakes/one/warehouse"),
        ({"uri": "sqlite:///c.db", "warehouse": "warehouse"}, "/lakes/one/warehouse"),
        ({"type": "sql", "warehouse": "/abs"}, "/abs"),
        ({"type": "sql", "warehouse": "file:///abs"}, "file:///abs"),
        ({"type": "sql", "warehouse": "s3://bucket/lake"}, "s3://bucket/lake"),
        ({"type": "rest", "warehouse": "my_warehouse"}, "my_warehouse"),
        ({"type": "rest", "warehouse": "./here"}, "/lakes/one/here"),
        ({"type": "rest", "warehouse": "arn:aws:s3tables:x"}, "arn:aws:s3tables:x"),
    ],
)
def test_warehouses(properties: dict[str, str], expected: str) -> None:
    assert CatalogConfig.of(properties, root=ROOT).properties()["warehouse"] == expected


def test_nothing_is_created(tmp_path: Path) -> None:
    CatalogConfig.of({"type": "sql", "uri": "sqlite:///a/c.db", "warehouse": "b"}, root=tmp_path).properties()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "token",
        "credential",
        "s3.secret-access-key",
        "s3.access-key-id",
        "s3.session-token",
        "adls.account-key",
        "adls.connection-string",
        "header.Authorization",
        "some.PASSWORD",
    ],
)
def test_secret_names(name: str) -> None:
    assert is_secret_name(name)
    config = CatalogConfig.of({name: "hunter2"})
    assert isinstance(config.entries[name], Secret)
    assert "hunter2" not in repr(config)
    assert config.properties() == {name: "hunter2"}


@pytest.mark.parametrize("name", ["uri", "warehouse", "type", "s3.endpoint", "s3.region", "glue.region", "echo"])
def test_open_names(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "uri", ["postgresql://lake:hunter2@db/lake", "postgresql://db/lake?user=lake&password=hunter2", "${CATALOG_URI}"]
)
def test_an_address_with_a_password_is_a_secret(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOG_URI", "postgresql://lake:hunter2@db/lake")
    config = CatalogConfig.of({"type": "sql", "uri": uri})
    assert "hunter2" not in repr(config)
    revealed = config.properties()["uri"]
    assert revealed.startswith("postgresql+psycopg2://")
    assert "hunter2" not in redact(f"could not connect to {uri.replace('${CATALOG_URI}', '')} {revealed}")


def test_references_hold_no_values(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    monkeypatch.setenv("REGION", "eu-central-1")
    lake = tmp_path / "lake.yaml"
    properties = {
        "type": "sql",
        "uri": "postgresql://lake:${PGPASSWORD}@db/lake",
        "warehouse": "./warehouse",
        "s3.region": "${REGION}",
        "s3.secret-access-key": "hunter2",
        "s3.session-token": "${file:token}",
        "note": "a $${ b",
    }
    lake.write_text("catalog:\n" + "".join(f"  {key}: '{value}'\n" for key, value in properties.items()))
    (tmp_path / "token").write_text("hunter3")
    config = CatalogConfig.of(properties, root=tmp_path, lake=lake)
    references = config.references()
    assert "hunter" not in str(references)
    assert references["s3.region"] == "eu-central-1"
    again = CatalogConfig.of(references, root=tmp_path).properties()
    assert again == config.properties()
    assert again["s3.secret-access-key"] == "hunter2"
    assert again["note"] == "a ${ b"


def test_an_optional_secret_that_is_not_set_is_no_property(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CATALOG_TOKEN", raising=False)
    assert CatalogConfig.of({"type": "rest", "token": "${CATALOG_TOKEN:-}"}).properties() == {"type": "rest"}


def test_a_literal_from_elsewhere_is_not_put_into_a_configuration() -> None:
    with pytest.raises(ConfigurationError, match="reference"):
        CatalogConfig.of({"token": "hunter2"}).references()


def test_the_kinds_are_those_of_pyiceberg() -> None:
    from pyiceberg.catalog import CatalogType

    assert set(CATALOG_TYPES) == {kind.value for kind in CatalogType}


def test_the_time_for_commits_and_the_timeout_reach_every_door(write_lake: LakeWriter) -> None:
    lake = load_lake(
        write_lake(
            """
            sources: {default: {host: h, database: d}}
            catalog: {type: rest, uri: http://127.0.0.1:1, timeout: 7s}
            measurements: {cpu: {write: {commit_timeout: 2s}}, disk: }
            """
        )
    )
    assert lake.catalog.lock_timeout == timedelta(seconds=2)
    resource = IcebergCatalogResource.of(lake.catalog)
    assert resource.lock_timeout == 2.0
    assert resource.config().properties()["timeout"] == "7s"


AUTH = """
sources: {default: {type: line_protocol, path: ./points.lp, database: t}}
catalog:
  type: rest
  uri: https://catalog.example.com
  auth:
    type: oauth2
    oauth2: {client_id: lake, client_secret: s3cret-in-the-file, expires_in: 3600}
    google: {scopes: [one, two]}
  ssl: {client: {cert: a.pem, key: "${TMPDIR:-b}.pem"}}
measurements: {cpu: }
"""


def test_mappings_of_a_rest_catalog(tmp_path: Path) -> None:
    (tmp_path / "lake.yaml").write_text(AUTH)
    lake = load_lake(tmp_path / "lake.yaml")

    assert nested(lake.catalog.properties())["auth"] == {
        "type": "oauth2",
        "oauth2": {"client_id": "lake", "client_secret": "s3cret-in-the-file", "expires_in": 3600},
        "google": {"scopes": ["one", "two"]},
    }
    assert nested(lake.catalog.properties())["ssl"]["client"]["cert"] == "a.pem"
    closed = IcebergCatalogResource.of(lake.catalog)
    assert "s3cret-in-the-file" not in str(closed.properties)
    assert closed.config().properties()["auth.oauth2.client_secret"] == "s3cret-in-the-file"


def test_mistakes_in_mappings_of_a_rest_catalog(tmp_path: Path) -> None:
    (tmp_path / "lake.yaml").write_text(AUTH.replace("type: oauth2", "type: oauth").replace("3600", "soon"))
    with pytest.raises(ConfigurationProblems) as refused:
        load_lake(tmp_path / "lake.yaml")
    assert "lake.yaml:7: catalog.auth.type: is not one of" in str(refused.value)
    assert "lake.yaml:8: catalog.auth.oauth2.expires_in" in str(refused.value)


@pytest.mark.parametrize(
    ("line", "warned"),
    [
        ("uri: postgresql://lake:${CATALOG_PART}@db/lake", False),
        ("uri: postgresql://lake:s3cret-in-the-file@db/lake", True),
        ("credential: ${CATALOG_PART}:${CATALOG_PART}", False),
        ("credential: lake:${CATALOG_PART}", True),
    ],
)
def test_only_secrets_that_stand_in_the_file_are_warned_of(
    line: str, warned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATALOG_PART", "s3cret-of-the-environment")
    rest = "" if line.startswith("uri") else "  type: rest\n  uri: https://catalog.example.com\n"
    sources = "sources: {default: {type: line_protocol, path: ./points.lp, database: t}}\n"
    (tmp_path / "lake.yaml").write_text(f"{sources}catalog:\n{rest}  {line}\nmeasurements: {{cpu: }}\n")
    assert bool(load_lake(tmp_path / "lake.yaml").warnings) == warned
