"""Errors about packages that are not installed."""

from __future__ import annotations

import re

from influx_lake.errors import ConfigurationError, LakeError, MissingExtra, MissingPackage
from influx_lake.iceberg.failures.exceptions import class_names, first_line

_EXTRAS = {
    "boto3": ("a catalog in AWS", "glue"),
    "s3fs": ("files in S3 by fsspec", "s3fs"),
    "adlfs": ("files in Azure storage (abfs://, abfss://, wasb://, wasbs://)", "adls"),
    "gcsfs": ("files in Google Cloud Storage by fsspec", "gcs"),
    "psycopg2": ("a catalog in PostgreSQL", "postgres"),
    "thrift": ("a Hive Metastore as catalog", "hive"),
}
_DISTRIBUTIONS = {
    "MySQLdb": ("a catalog in MySQL or MariaDB", "mysqlclient"),
    "mysql": ("a catalog in MySQL", "mysql-connector-python"),
    "azure": ("tokens of Microsoft Entra ID", "azure-identity"),
    "google": ("BigQuery as catalog", "google-cloud-bigquery"),
    "google.auth": ("tokens of Google", "google-auth"),
    "huggingface_hub": ("files at Hugging Face (hf://)", "huggingface_hub"),
    "hive_metastore": ("a Hive Metastore as catalog", "pyiceberg[hive]"),
    "kerberos": ("a Hive Metastore with Kerberos", "pyiceberg[hive-kerberos]"),
    "puresasl": ("a Hive Metastore with Kerberos", "pyiceberg[hive-kerberos]"),
}
_DIALECT = re.compile(r"sqlalchemy\.dialects:(\S+)")
_FILE_IO = re.compile(r"Could not initialize FileIO: (\S+)")


def missing_package(error: BaseException, doing: str) -> LakeError | None:
    """The error that says what to install; None where the error is about something else."""
    names = class_names(error)
    if isinstance(error, ImportError) or "NotInstalledError" in names:
        return _missing(error, doing)
    if "NoSuchModuleError" in names and (dialect := _DIALECT.search(str(error))):
        return ConfigurationError(
            f"could not {doing}: SQLAlchemy knows no kind of database called {dialect[1]!r}",
            remedy="Correct the beginning of `uri` under `catalog:` in lake.yaml, or install the package for it",
        )
    if implementation := _FILE_IO.search(str(error)):
        return ConfigurationError(
            f"could not {doing}: `py-io-impl` names {implementation[1]}, which cannot be imported",
            remedy="Correct it under `catalog:` in lake.yaml, or install its package",
        )
    return None


def _missing(error: BaseException, doing: str) -> LakeError:
    module = _module(error)
    if module is None:
        return ConfigurationError(f"could not {doing}: a package cannot be loaded ({first_line(error)})")
    top = module.partition(".")[0]
    if top in _EXTRAS:
        return MissingExtra(*_EXTRAS[top])
    known = "google.auth" if "Google Auth" in str(error) else top
    feature, package = _DISTRIBUTIONS.get(known, ("what `catalog:` in lake.yaml names", top))
    return MissingPackage(feature, package)


def _module(error: BaseException) -> str | None:
    """The missing module: pyiceberg raises its own error with Python's as its cause."""
    step: BaseException | None = error
    while step is not None:
        if isinstance(step, ModuleNotFoundError) and step.name:
            return step.name
        step = step.__cause__
    return None
