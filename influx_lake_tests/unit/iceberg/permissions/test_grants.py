"""A missing permission is told in the words of who grants it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pyiceberg.exceptions import ForbiddenError, NoSuchTableError, UnauthorizedError

from influx_lake.iceberg.failures.rights import lacks_right
from influx_lake.iceberg.permissions.dialects import Dialect, dialect_of
from influx_lake.iceberg.permissions.grants import catalog_grant, store_grant
from influx_lake.iceberg.permissions.permission import Permission


def catalog(kind: str, **properties: str) -> Any:
    return type(kind, (SimpleNamespace,), {})(properties=properties)


CATALOGS = {
    Dialect.GLUE: [catalog("GlueCatalog"), catalog("RestCatalog", uri="https://glue.eu-west-1.amazonaws.com/iceberg")],
    Dialect.S3_TABLES: [
        catalog("RestCatalog", uri="https://s3tables.us-east-1.amazonaws.com/iceberg"),
        catalog("RestCatalog", uri="http://localhost", **{"rest.signing-name": "s3tables"}),
    ],
    Dialect.POLARIS: [catalog("RestCatalog", uri="https://x.snowflakecomputing.com/polaris/api/catalog")],
    Dialect.UNITY: [catalog("RestCatalog", uri="https://dbc.example.com/api/2.1/unity-catalog/iceberg-rest")],
    Dialect.BIGLAKE: [catalog("RestCatalog", uri="https://biglake.googleapis.com/iceberg/v1/restcatalog")],
    Dialect.LAKEKEEPER: [catalog("RestCatalog", uri="http://lakekeeper:8181/catalog")],
    Dialect.NESSIE: [catalog("RestCatalog", uri="http://nessie:19120/iceberg/main")],
    Dialect.REST: [catalog("RestCatalog", uri="http://127.0.0.1:8181")],
    Dialect.POSTGRES: [catalog("SqlCatalog", uri="postgresql+psycopg2://lake@db/lake")],
    Dialect.SQLITE: [catalog("SqlCatalog", uri="sqlite:////lake/catalog.db?timeout=10")],
    Dialect.HIVE: [catalog("HiveCatalog", uri="thrift://hive:9083")],
    Dialect.OTHER: [catalog("InMemoryCatalog")],
}


def test_which_product_a_catalog_is() -> None:
    assert {dialect: [dialect_of(each) for each in those] for dialect, those in CATALOGS.items()} == {
        dialect: [dialect] * len(those) for dialect, those in CATALOGS.items()
    }


@pytest.mark.parametrize("dialect", Dialect)
def test_every_permission_has_words(dialect: Dialect) -> None:
    for permission in Permission:
        for each in CATALOGS[dialect]:
            grant = (
                store_grant(each, permission, "s3://lake/w/t")
                if permission.is_of_store
                else catalog_grant(each, permission, "telemetry")
            )
            assert grant.on
            assert "{" not in grant.remedy


@pytest.mark.parametrize(
    ("dialect", "permission", "words"),
    [
        (Dialect.S3_TABLES, Permission.COMMIT, "s3tables:UpdateTableMetadataLocation, s3tables:PutTableData on"),
        (Dialect.POLARIS, Permission.COMMIT, "In Polaris, grant the privilege TABLE_WRITE_DATA on the namespace tele"),
        (Dialect.UNITY, Permission.CREATE_TABLE, "GRANT CREATE TABLE ON SCHEMA telemetry"),
        (Dialect.UNITY, Permission.CREATE_NAMESPACE, "GRANT CREATE SCHEMA ON CATALOG"),
        (Dialect.BIGLAKE, Permission.DROP_TABLE, "biglake.tables.delete (roles/biglake.editor)"),
        (Dialect.POSTGRES, Permission.COMMIT, "GRANT UPDATE ON iceberg_tables TO"),
        (Dialect.SQLITE, Permission.COMMIT, "write access to /lake/catalog.db and to its folder"),
        (Dialect.HIVE, Permission.CREATE_TABLE, "give this user CREATE on the database telemetry"),
        (Dialect.REST, Permission.COMMIT, "let this identity commit in the namespace telemetry"),
    ],
)
def test_remedies_of_catalogs(dialect: Dialect, permission: Permission, words: str) -> None:
    assert words in catalog_grant(CATALOGS[dialect][0], permission, "telemetry").remedy


def test_glue_names_the_action_that_was_refused() -> None:
    said = "User: arn:aws:iam::1:user/lake is not authorized to perform: glue:GetDatabase because"
    glue = catalog("GlueCatalog", **{"glue.region": "cn-north-1", "glue.id": "123456789012"})
    grant = catalog_grant(glue, Permission.CREATE_TABLE, "telemetry", said)
    place = "arn:aws-cn:glue:cn-north-1:123456789012"
    assert (grant.rights, grant.on) == (("glue:GetDatabase",), (f"{place}:catalog", f"{place}:database/telemetry"))
    assert "Lake Formation" in grant.remedy


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("s3://lake/w/t", "s3:DeleteObject on arn:aws:s3:::lake/w/t/*"),
        ("s3a://lake", "s3:DeleteObject on arn:aws:s3:::lake/*"),
        ("gs://lake/w/t", "storage.objects.delete (roles/storage.objectUser) on the bucket gs://lake"),
        ("abfss://lake@account.dfs.core.windows.net/w", "Storage Blob Data Contributor"),
        ("/lake/t", "write access to /lake/t"),
        ("file:///lake/t", "write access to file:///lake/t"),
        ("hdfs://node/lake/t", "let this identity delete files in hdfs://node/lake/t"),
    ],
)
def test_remedies_of_stores(location: str, words: str) -> None:
    assert words in store_grant(catalog("InMemoryCatalog"), Permission.DELETE, location).remedy


def test_what_a_store_said_names_the_action() -> None:
    said = "AWS Error ACCESS_DENIED during HeadObject operation: No response body."
    assert store_grant(catalog("InMemoryCatalog"), Permission.DELETE, "s3://lake/t", said).rights == ("s3:GetObject",)
    said = "AWS Error ACCESS_DENIED during CreateMultipartUpload operation: not authorized to perform: kms:Decrypt"
    grant = store_grant(catalog("InMemoryCatalog"), Permission.WRITE, "s3://lake/t", said)
    assert grant.rights == ("s3:PutObject",)
    assert "kms:GenerateDataKey" in grant.remedy


def test_which_errors_say_that_a_right_is_missing() -> None:
    def aws(code: str) -> ClientError:
        return ClientError({"Error": {"Code": code}}, "GetTable")

    missing = [ForbiddenError("no"), aws("AccessDeniedException"), PermissionError(13, "no"), OSError(30, "no")]
    missing += [OSError("AWS Error ACCESS_DENIED during PutObject operation"), OSError("[code 15] no")]
    others = [NoSuchTableError("no"), UnauthorizedError("who"), aws("ExpiredTokenException"), OSError(28, "full")]
    assert [lacks_right(each) for each in (*missing, *others)] == [True] * 6 + [False] * 4
