"""Checks that the optional packages which a lake.yaml needs are installed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec

from influx_lake.config.catalogs.store_properties import ENCRYPTION
from influx_lake.config.connections import SourceConfig
from influx_lake.config.references.secret import Secret
from influx_lake.config.report.diagnostics import Location
from influx_lake.config.values.locations import AZURE, WEB, scheme_of

_Entries = Mapping[str, str | Secret]

_MODULES = {
    "adls": "adlfs",
    "files": "aiohttp",
    "gcs": "gcsfs",
    "glue": "boto3",
    "hive": "thrift",
    "metrics": "prometheus_client",
    "openlineage": "openlineage.client",
    "postgres": "psycopg2",
    "s3fs": "s3fs",
}
"""A module of each extra, to test whether it is installed."""
_OTHERS = {
    "confluent-kafka": "confluent_kafka",
    "google-auth": "google.auth",
    "google-cloud-bigquery": "google.cloud.bigquery",
    "azure-identity": "azure.identity",
    "huggingface_hub": "huggingface_hub",
}
_TYPE_NEEDS = {"bigquery": "google-cloud-bigquery", "dynamodb": "glue", "glue": "glue", "hive": "hive"}
_AUTH_NEEDS = {"google": "google-auth", "entra": "azure-identity"}
_SCHEME_NEEDS = {**dict.fromkeys(AZURE, "adls"), "hf": "huggingface_hub"}
_FSSPEC_NEEDS = {**dict.fromkeys(("s3", "s3a", "s3n"), "s3fs"), **dict.fromkeys(("gs", "gcs"), "gcs")}


def missing_for_catalog(entries: _Entries) -> Iterator[tuple[str, str]]:
    """The catalog properties whose packages are missing, each with what to install."""
    found: dict[str, str] = {}
    for name, need in _catalog_needs(entries):
        found.setdefault(need, name)
    yield from ((name, _mistake(need)) for need, name in found.items() if not _is_installed(need))


def missing_for_source(source: SourceConfig) -> Iterator[tuple[Location, str]]:
    """The source options whose packages are missing, each with what to install."""
    for option in ("path", "location"):
        written = getattr(source, option, ())
        for path in (written,) if isinstance(written, str) else written:
            scheme = scheme_of(path) or ""
            need = "files" if scheme in WEB else _SCHEME_NEEDS.get(scheme)
            if need and not _is_installed(need):
                yield (option,), _mistake(need)
                break


def missing_for_openlineage(kind: str) -> Iterator[tuple[str, str]]:
    """The transport options whose packages are missing."""
    needs = ("openlineage", "confluent-kafka") if kind == "kafka" else ("openlineage",)
    yield from (("type", _mistake(need)) for need in needs if not _is_installed(need))


def missing_for_metrics() -> str | None:
    """What to install for pushing metrics, where it is missing."""
    return None if _is_installed("metrics") else _mistake("metrics")


def _catalog_needs(entries: _Entries) -> Iterable[tuple[str, str]]:
    kind, uri, warehouse, files = (_beginning(entries.get(each)) for each in ("type", "uri", "warehouse", "py-io-impl"))
    if kind in _TYPE_NEEDS:
        yield "type", _TYPE_NEEDS[kind]
    scheme = scheme_of(uri) or ""
    if scheme == "thrift":
        yield "uri", "hive"
    if scheme in ("postgres", "postgresql", "postgresql+psycopg2"):
        yield "uri", "postgres"
    if _beginning(entries.get("rest.sigv4-enabled")).lower() in ("true", "1", "yes", "on", "y", "t"):
        yield "rest.sigv4-enabled", "glue"
    if (manager := _beginning(entries.get("auth.type"))) in _AUTH_NEEDS:
        yield "auth.type", _AUTH_NEEDS[manager]
    if (scheme := scheme_of(warehouse) or "") in _SCHEME_NEEDS:
        yield "warehouse", _SCHEME_NEEDS[scheme]
    if files.endswith(".FsspecFileIO") and scheme in _FSSPEC_NEEDS:
        yield "py-io-impl", _FSSPEC_NEEDS[scheme]
    yield from ((name, "adls") for name in entries if name.startswith("adls."))
    yield from ((name, "s3fs") for name in ENCRYPTION if name in entries)


def _is_installed(need: str) -> bool:
    try:
        return find_spec(_MODULES.get(need) or _OTHERS[need]) is not None
    except ModuleNotFoundError:
        return False


def _mistake(need: str) -> str:
    package = f"'influx-lake[{need}]'" if need in _MODULES else need
    return f"needs packages that are not installed: pip install {package}"


def _beginning(value: str | Secret | None) -> str:
    """The part of a value that is known without reading a secret."""
    return value.beginning if isinstance(value, Secret) else value or ""
