"""Permissions in AWS's terms: IAM actions, and the resources that they are allowed on."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from influx_lake.iceberg.permissions.permission import Grant, Permission

GLUE_ACTIONS = {
    Permission.LIST_NAMESPACES: "glue:GetDatabases",
    Permission.SEE_NAMESPACE: "glue:GetDatabase",
    Permission.CREATE_NAMESPACE: "glue:CreateDatabase",
    Permission.LIST_TABLES: "glue:GetTables",
    Permission.CREATE_TABLE: "glue:CreateTable",
    Permission.LOAD_TABLE: "glue:GetTable",
    Permission.COMMIT: "glue:UpdateTable",
    Permission.DROP_TABLE: "glue:DeleteTable",
}
S3_ACTIONS = {
    Permission.WRITE: "s3:PutObject",
    Permission.READ: "s3:GetObject",
    Permission.LIST: "s3:ListBucket",
    Permission.DELETE: "s3:DeleteObject",
}
S3_TABLES_ACTIONS = {
    Permission.LIST_NAMESPACES: ("s3tables:ListNamespaces",),
    Permission.SEE_NAMESPACE: ("s3tables:GetNamespace",),
    Permission.CREATE_NAMESPACE: ("s3tables:CreateNamespace",),
    Permission.LIST_TABLES: ("s3tables:ListTables",),
    Permission.CREATE_TABLE: ("s3tables:CreateTable", "s3tables:PutTableData"),
    Permission.LOAD_TABLE: ("s3tables:GetTable", "s3tables:GetTableMetadataLocation", "s3tables:GetTableData"),
    Permission.COMMIT: ("s3tables:UpdateTableMetadataLocation", "s3tables:PutTableData"),
    Permission.DROP_TABLE: ("s3tables:DeleteTable",),
    Permission.WRITE: ("s3tables:PutTableData",),
    Permission.READ: ("s3tables:GetTableData",),
}
_LAKE_FORMATION = {
    Permission.CREATE_NAMESPACE: "CREATE_DATABASE on the catalog",
    Permission.SEE_NAMESPACE: "DESCRIBE on the database",
    Permission.LIST_TABLES: "DESCRIBE on its tables",
    Permission.CREATE_TABLE: "CREATE_TABLE on the database",
    Permission.LOAD_TABLE: "SELECT and DESCRIBE on the table",
    Permission.COMMIT: "ALTER, INSERT and DELETE on the table",
    Permission.DROP_TABLE: "DROP on the table",
}
_NAMED = re.compile(r"not authorized to perform: ([a-z0-9-]+:[A-Za-z]+)")
_S3_OPERATION = re.compile(r"ACCESS_DENIED during (\w+) operation|AccessDenied\) when calling the (\w+) operation")
_S3_ACTIONS_OF = {
    "HeadObject": "s3:GetObject",
    "GetObject": "s3:GetObject",
    "ListObjects": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "HeadBucket": "s3:ListBucket",
    "DeleteObject": "s3:DeleteObject",
    "DeleteObjects": "s3:DeleteObject",
}


def refused_action(refusal: str) -> str | None:
    """The action that AWS says is not allowed; None where it names none."""
    named = _NAMED.search(refusal)
    return named[1] if named else None


def glue_grant(permission: Permission, namespace: str, properties: Mapping[str, Any], refusal: str = "") -> Grant:
    """The grant for a permission in the Glue Data Catalog.

    Args:
        permission: The permission.
        namespace: The database; `*` for all of them.
        properties: The catalog's properties.
        refusal: The text of AWS's refusal, which may name another action.
    """
    action = refused_action(refusal) or GLUE_ACTIONS[permission]
    place = f"arn:{_partition(properties)}:glue:{_region(properties)}:{properties.get('glue.id') or '*'}"
    resources = [f"{place}:catalog"]
    if permission is not Permission.LIST_NAMESPACES:
        resources.append(f"{place}:database/{namespace}")
    if action.endswith(("Table", "Tables")):
        resources.append(f"{place}:table/{namespace}/*")
    remedy = f"Allow the IAM action {action} on {', '.join(resources)}"
    if formation := _LAKE_FORMATION.get(permission):
        remedy += f"; where Lake Formation guards the database, grant {formation} too"
    return Grant((action,), tuple(resources), remedy)


def s3_tables_grant(permission: Permission, properties: Mapping[str, Any]) -> Grant:
    """The grant for a permission on a table bucket; the catalog's `warehouse` is the bucket's ARN."""
    bucket = str(properties.get("warehouse") or "the table bucket")
    if permission not in S3_TABLES_ACTIONS:
        return Grant((), (bucket,), "S3 Tables lists and deletes files by itself: set `remove_orphans: off`")
    actions = S3_TABLES_ACTIONS[permission]
    on = (bucket, f"{bucket}/table/*")
    return Grant(actions, on, f"Allow the IAM actions {', '.join(actions)} on {' and '.join(on)}")


def s3_grant(permission: Permission, location: str, properties: Mapping[str, Any], refusal: str = "") -> Grant:
    """The grant for a permission on files in S3."""
    place = urlsplit(location)
    bucket = f"arn:{_partition(properties)}:s3:::{place.netloc}"
    objects = f"{bucket}/{place.path.strip('/')}/*" if place.path.strip("/") else f"{bucket}/*"
    said = _S3_OPERATION.search(refusal)
    # Before they delete a file, clients check whether it exists.
    action = _S3_ACTIONS_OF.get(said[1] or said[2], "s3:PutObject") if said else S3_ACTIONS[permission]
    on = bucket if action == "s3:ListBucket" else objects
    remedy = f"Allow the IAM action {action} on {on}, in the policies of the identity and of the bucket"
    if "kms" in refusal.lower():
        remedy += "; for its KMS key, kms:GenerateDataKey and kms:Decrypt"
    return Grant((action,), (on,), remedy)


def _region(properties: Mapping[str, Any]) -> str:
    named = (properties.get(name) for name in ("glue.region", "client.region", "rest.signing-region"))
    return next(filter(None, named), None) or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", "*")


def _partition(properties: Mapping[str, Any]) -> str:
    region = str(properties.get("s3.region") or _region(properties))
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
