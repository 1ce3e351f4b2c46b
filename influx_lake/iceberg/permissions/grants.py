"""Translates permissions to the terms of the catalog or the store that grants them."""

from __future__ import annotations

import getpass
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from influx_lake.iceberg.permissions.aws import glue_grant, s3_grant, s3_tables_grant
from influx_lake.iceberg.permissions.dialects import Dialect, dialect_of
from influx_lake.iceberg.permissions.permission import Grant, Permission

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

_RIGHTS: Mapping[Dialect, Mapping[Permission, str]] = {
    Dialect.POLARIS: {
        Permission.LIST_NAMESPACES: "NAMESPACE_LIST",
        Permission.SEE_NAMESPACE: "NAMESPACE_READ_PROPERTIES",
        Permission.CREATE_NAMESPACE: "NAMESPACE_CREATE",
        Permission.LIST_TABLES: "TABLE_LIST",
        Permission.CREATE_TABLE: "TABLE_CREATE",
        Permission.LOAD_TABLE: "TABLE_READ_DATA",
        Permission.COMMIT: "TABLE_WRITE_DATA",
        Permission.DROP_TABLE: "TABLE_DROP",
    },
    Dialect.LAKEKEEPER: {
        Permission.LIST_NAMESPACES: "describe",
        Permission.SEE_NAMESPACE: "describe",
        Permission.CREATE_NAMESPACE: "create",
        Permission.LIST_TABLES: "describe",
        Permission.CREATE_TABLE: "create",
        Permission.LOAD_TABLE: "select",
        Permission.COMMIT: "modify",
        Permission.DROP_TABLE: "modify",
    },
    Dialect.NESSIE: {
        Permission.LIST_NAMESPACES: "VIEW_REFERENCE",
        Permission.SEE_NAMESPACE: "READ_ENTITY_VALUE",
        Permission.CREATE_NAMESPACE: "CREATE_ENTITY",
        Permission.LIST_TABLES: "READ_ENTRIES",
        Permission.CREATE_TABLE: "CREATE_ENTITY",
        Permission.LOAD_TABLE: "READ_ENTITY_VALUE",
        Permission.COMMIT: "UPDATE_ENTITY",
        Permission.DROP_TABLE: "DELETE_ENTITY",
    },
    Dialect.UNITY: {
        Permission.LIST_NAMESPACES: "USE CATALOG",
        Permission.SEE_NAMESPACE: "USE SCHEMA",
        Permission.CREATE_NAMESPACE: "CREATE SCHEMA",
        Permission.LIST_TABLES: "USE SCHEMA",
        Permission.CREATE_TABLE: "CREATE TABLE",
        Permission.LOAD_TABLE: "SELECT",
        Permission.COMMIT: "MODIFY",
        Permission.DROP_TABLE: "MANAGE",
    },
    Dialect.BIGLAKE: {
        Permission.LIST_NAMESPACES: "biglake.namespaces.list",
        Permission.SEE_NAMESPACE: "biglake.namespaces.get",
        Permission.CREATE_NAMESPACE: "biglake.namespaces.create",
        Permission.LIST_TABLES: "biglake.tables.list",
        Permission.CREATE_TABLE: "biglake.tables.create",
        Permission.LOAD_TABLE: "biglake.tables.get",
        Permission.COMMIT: "biglake.tables.update",
        Permission.DROP_TABLE: "biglake.tables.delete",
    },
    Dialect.POSTGRES: {
        Permission.LIST_NAMESPACES: "SELECT",
        Permission.SEE_NAMESPACE: "SELECT",
        Permission.CREATE_NAMESPACE: "INSERT",
        Permission.LIST_TABLES: "SELECT",
        Permission.CREATE_TABLE: "INSERT",
        Permission.LOAD_TABLE: "SELECT",
        Permission.COMMIT: "UPDATE",
        Permission.DROP_TABLE: "DELETE",
    },
    Dialect.HIVE: {
        Permission.LIST_NAMESPACES: "SELECT",
        Permission.SEE_NAMESPACE: "SELECT",
        Permission.CREATE_NAMESPACE: "CREATE",
        Permission.LIST_TABLES: "SELECT",
        Permission.CREATE_TABLE: "CREATE",
        Permission.LOAD_TABLE: "SELECT",
        Permission.COMMIT: "ALTER",
        Permission.DROP_TABLE: "DROP",
    },
}
_REMEDIES = {
    Dialect.POLARIS: "In Polaris, grant the privilege {right} on {on} to a catalog role of this principal",
    Dialect.LAKEKEEPER: "In Lakekeeper, grant `{right}` on {on} to this user or role",
    Dialect.NESSIE: "In Nessie, allow {right} on {on} to this role by a rule (nessie.server.authorization.rules)",
    Dialect.UNITY: "In Unity Catalog, run GRANT {right} ON {on} for this principal; from outside of Databricks it "
    "needs EXTERNAL USE SCHEMA, too",
    Dialect.BIGLAKE: "Grant this principal a role with the permission {right} (roles/biglake.editor) in the project",
    Dialect.HIVE: "In the Hive Metastore, give this user {right} on {on} (its Ranger policy, GRANT {right}, or the "
    "rights to the database's folder where authorization is storage-based)",
    Dialect.REST: "In the catalog's own access rules, let this identity {permission} in {on}",
    Dialect.OTHER: "In the catalog's own access rules, let this identity {permission} in {on}",
}
_DENIED = re.compile(r"permission denied for (?:table|relation) (\w+)")
_GOOGLE = {
    Permission.WRITE: "storage.objects.create",
    Permission.READ: "storage.objects.get",
    Permission.LIST: "storage.objects.list",
    Permission.DELETE: "storage.objects.delete",
}
_AZURE_ACTION = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/"
_AZURE = {Permission.WRITE: "write", Permission.READ: "read", Permission.LIST: "read", Permission.DELETE: "delete"}


def catalog_grant(catalog: Catalog, permission: Permission, namespace: str, refusal: str = "") -> Grant:
    """The grant for a permission on a catalog.

    Args:
        catalog: The catalog.
        permission: The permission.
        namespace: The namespace; `*` for the whole catalog.
        refusal: The text of the catalog's refusal.
    """
    dialect = dialect_of(catalog)
    if dialect is Dialect.GLUE:
        return glue_grant(permission, namespace, catalog.properties, refusal)
    if dialect is Dialect.S3_TABLES:
        return s3_tables_grant(permission, catalog.properties)
    if dialect is Dialect.POSTGRES:
        return _postgres_grant(permission, refusal)
    if dialect is Dialect.SQLITE:
        file = str(catalog.properties.get("uri", "")).partition("///")[2].partition("?")[0]
        remedy = f"Give the user {getpass.getuser()} write access to {file} and to its folder"
        return Grant(("write",), (file,), remedy)
    right = _RIGHTS.get(dialect, {}).get(permission, permission.value)
    on = _place(dialect, permission, namespace)
    return Grant((right,), (on,), _REMEDIES[dialect].format(right=right, on=on, permission=permission))


def store_grant(catalog: Catalog, permission: Permission, location: str, refusal: str = "") -> Grant:
    """The grant for a permission on the files of a folder.

    Args:
        catalog: The catalog with the store's settings.
        permission: The permission.
        location: The folder.
        refusal: The text of the store's refusal.
    """
    if dialect_of(catalog) is Dialect.S3_TABLES:
        return s3_tables_grant(permission, catalog.properties)
    place = urlsplit(location)
    if place.scheme in ("s3", "s3a", "s3n"):
        return s3_grant(permission, location, catalog.properties, refusal)
    if place.scheme in ("gs", "gcs"):
        bucket = f"gs://{place.netloc}"
        right = _GOOGLE[permission]
        remedy = f"Grant this identity a role with {right} (roles/storage.objectUser) on the bucket {bucket}"
        return Grant((right,), (bucket,), remedy)
    if place.scheme in ("abfs", "abfss", "wasb", "wasbs"):
        container, right = f"{place.scheme}://{place.netloc}", f"{_AZURE_ACTION}{_AZURE[permission]}"
        remedy = (
            f"Give this identity the role Storage Blob Data Contributor ({right}) on the container of {container}, or "
            "a SAS token with the permissions racwdl"
        )
        return Grant((right,), (container,), remedy)
    if place.scheme in ("", "file"):
        right = "write" if permission in (Permission.WRITE, Permission.DELETE) else "read"
        remedy = f"Give the user {getpass.getuser()} {right} access to {location} (chmod, chown, or its mount)"
        return Grant((right,), (location,), remedy)
    remedy = f"In the store's own access rules, let this identity {permission} in {location}"
    return Grant((permission.value,), (location,), remedy)


def _place(dialect: Dialect, permission: Permission, namespace: str) -> str:
    kinds = {Dialect.HIVE: "the database", Dialect.UNITY: "SCHEMA"}
    if namespace == "*" or permission in (Permission.LIST_NAMESPACES, Permission.CREATE_NAMESPACE):
        return "CATALOG" if dialect is Dialect.UNITY else "the catalog"
    return f"{kinds.get(dialect, 'the namespace')} {namespace}"


def _postgres_grant(permission: Permission, refusal: str) -> Grant:
    right = _RIGHTS[Dialect.POSTGRES][permission]
    denied = _DENIED.search(refusal)
    of_namespaces = (Permission.LIST_NAMESPACES, Permission.SEE_NAMESPACE, Permission.CREATE_NAMESPACE)
    usual = "iceberg_namespace_properties" if permission in of_namespaces else "iceberg_tables"
    table = denied[1] if denied else usual
    remedy = f"In PostgreSQL, run GRANT {right} ON {table} TO the role of `uri`"
    return Grant((right,), (table,), remedy)
