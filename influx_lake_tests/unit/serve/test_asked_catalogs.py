"""Which catalogs a request in the plugin's words may name: the lake's, and no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from influx_lake.config import Lake, load_lake
from influx_lake.serve.problems import Problem
from influx_lake.serve.routes.replicate import AskedReplication
from influx_lake.serve.work.plugin_request import check_request

S3 = {
    "type": "sql",
    "uri": "sqlite:///iceberg/catalog.db",
    "warehouse": "s3://my-bucket/iceberg-warehouse/",
    "s3.endpoint": "http://minio:9000",
    "s3.access-key-id": "minioadmin",
    "s3.secret-access-key": "minioadmin",
    "s3.path-style-access": True,
}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    (tmp_path / "key").write_text("minioadmin")
    catalog = {**S3, "s3.access-key-id": "${file:key}", "s3.secret-access-key": "${file:key}"}
    (tmp_path / "lake.yaml").write_text(
        'sources: {default: {host: "http://127.0.0.1:1", database: metrics}}\n'
        f"catalog: {json.dumps(catalog)}\nserve: {{replicate: any}}\n"
    )
    return load_lake(tmp_path / "lake.yaml")


def check(lake: Lake, catalog: dict[str, Any]) -> None:
    body = {"measurement": "sensor_data", "namespace": "iot", "table_name": "sensors", "auto_update_schema": False}
    check_request(lake, {**body, "catalog_configs": catalog, "backfill_end": "2026-01-02T00:00:00+00:00"})


@pytest.mark.parametrize(
    "catalog",
    [
        S3,
        {},
        {"uri": None, "s3": {"endpoint": S3["s3.endpoint"]}},
        {"uri": S3["uri"]},
        {"s3.path-style-access": "True"},
        {"warehouse": "s3://my-bucket/iceberg-warehouse"},
    ],
    ids=str,
)
def test_the_lakes_own(lake: Lake, catalog: dict[str, Any]) -> None:
    check(lake, catalog)


@pytest.mark.parametrize(
    "catalog",
    [
        {"s3.endpoint": "http://169.254.169.254"},
        {"s3.secret-access-key": "minioadmin2"},
        {"s3.secret-access-key": ""},
        {"uri": "sqlite:///../iceberg/catalog.db"},
        {"uri": "http://minio:9000"},
        {"type": "rest"},
        {"s3": {"endpoint": "http://169.254.169.254"}},
        {"s3": {"secret-access-key": "minioadmin2"}},
        {"py-io-impl": "os.system"},
        {"catalog-impl": "os.system"},
        {"warehouse": "s3://other/"},
        {"uri": "\ud800"},
    ],
    ids=ascii,
)
def test_no_other(lake: Lake, catalog: dict[str, Any]) -> None:
    with pytest.raises(Problem) as refused:
        check(lake, {**S3, **catalog})
    assert refused.value.status == 409
    assert "minioadmin" not in json.dumps(refused.value.content)


def test_nested_as_pyiceberg_takes_them(tmp_path: Path) -> None:
    def auth(secret: str) -> dict[str, Any]:
        return {"type": "oauth2", "oauth2": {"client_id": "lake", "client_secret": secret, "scopes": ["a", "b"]}}

    (tmp_path / "key").write_text("minioadmin")
    (tmp_path / "lake.yaml").write_text(
        'sources: {default: {host: "http://127.0.0.1:1", database: metrics}}\n'
        f"catalog: {json.dumps({'type': 'rest', 'uri': 'http://rest', 'auth': auth('${file:key}')})}\n"
        "serve: {replicate: any}\n"
    )
    lake = load_lake(tmp_path / "lake.yaml")
    asked = {"measurement": "cpu", "catalog_configs": {"uri": "http://rest", "auth": auth("minioadmin")}}
    check(lake, AskedReplication.model_validate(asked).catalog_configs)
    with pytest.raises(Problem, match=r"auth.oauth2.client_secret \(a secret\)"):
        check(lake, {"auth": auth("minioadmin2")})
