from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from influx_lake.config import CatalogConfig, Secret, load_lake, redact
from influx_lake.config.catalog import CATALOG_TYPES, is_secret_name
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
