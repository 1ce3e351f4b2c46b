"""Determines which product a catalog is, from its type and address."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


class Dialect(Enum):
    """A product, which decides how rights are named."""

    GLUE = "AWS Glue"
    S3_TABLES = "Amazon S3 Tables"
    POLARIS = "Apache Polaris"
    LAKEKEEPER = "Lakekeeper"
    NESSIE = "Nessie"
    UNITY = "Unity Catalog"
    BIGLAKE = "BigLake"
    REST = "the REST catalog"
    POSTGRES = "PostgreSQL"
    SQLITE = "SQLite"
    HIVE = "the Hive Metastore"
    OTHER = "the catalog"


_BY_CLASS = {"GlueCatalog": Dialect.GLUE, "HiveCatalog": Dialect.HIVE}
_BY_SIGNING_NAME = {"glue": Dialect.GLUE, "s3tables": Dialect.S3_TABLES}
_BY_PATH = (
    ("/unity-catalog", Dialect.UNITY),
    ("/api/catalog", Dialect.POLARIS),
    ("/catalog", Dialect.LAKEKEEPER),
    ("/iceberg", Dialect.NESSIE),
)


def dialect_of(catalog: Catalog) -> Dialect:
    """The product of a catalog; `REST` or `OTHER` where it is unknown."""
    classes = {kind.__name__ for kind in type(catalog).__mro__}
    if found := next((dialect for name, dialect in _BY_CLASS.items() if name in classes), None):
        return found
    uri = urlsplit(str(catalog.properties.get("uri", "")))
    if "RestCatalog" in classes:
        return _of_rest(str(catalog.properties.get("rest.signing-name", "")), uri.hostname or "", uri.path)
    scheme = uri.scheme.partition("+")[0]
    return {"postgresql": Dialect.POSTGRES, "sqlite": Dialect.SQLITE}.get(scheme, Dialect.OTHER)


def _of_rest(signing_name: str, host: str, path: str) -> Dialect:
    of_aws = host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
    if found := _BY_SIGNING_NAME.get(signing_name or (host.partition(".")[0] if of_aws else "")):
        return found
    if host == "biglake.googleapis.com":
        return Dialect.BIGLAKE
    return next((dialect for part, dialect in _BY_PATH if part in path), Dialect.REST)
