"""Opens catalogs of every kind so that no answer is waited for without end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from influx_lake.config.catalogs.nested import nested
from influx_lake.config.catalogs.store_properties import ENCRYPTION
from influx_lake.config.values.locations import AZURE

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

_GOOGLE = "influx_lake.iceberg.file_io.google.PyArrowFileIO"
_FSSPEC = "influx_lake.iceberg.file_io.fsspec_files.FsspecFileIO"
_THEIR_FSSPEC = "pyiceberg.io.fsspec.FsspecFileIO"
_FILE_IO = "py-io-impl"
_LONGEST_CONNECTING_SECONDS = 10
_AWS_RETRIES = 3
_GLUE_RETRIES = "glue.max-retries"
_POSTGRES = "postgresql+psycopg2://"


def load_bounded_catalog(name: str, properties: Mapping[str, str], answer_seconds: float) -> Catalog:
    """What pyiceberg's `load_catalog` gives, with limits on the answers of its server.

    Args:
        name: The catalog's name.
        properties: pyiceberg's.
        answer_seconds: The longest wait: for the whole of an answer of a REST catalog; for a connection to a Hive
            Metastore or AWS, and the next bytes; for a connection to PostgreSQL; for what Google's storage refuses.
    """
    from pyiceberg.catalog import load_catalog

    _choose_file_io()
    configured = {**_configured(name, properties), **_google_limit(answer_seconds)}
    if _by_fsspec(configured):
        configured[_FILE_IO] = _FSSPEC
    kind = _kind(configured)
    if kind == "rest" and configured.get("uri"):
        from influx_lake.iceberg.timeouts.rest_catalog import RestCatalog

        return RestCatalog(name, answer_seconds, **configured)
    if kind == "hive" and configured.get("uri"):
        from pyiceberg.exceptions import NotInstalledError

        try:
            from influx_lake.iceberg.timeouts.hive_catalog import HiveCatalog
        except ImportError as error:
            raise NotInstalledError from error

        return HiveCatalog(name, answer_seconds, **configured)
    if kind in ("glue", "dynamodb"):
        configured |= _aws_limits(answer_seconds, configured)
    elif str(configured.get("uri", "")).startswith(_POSTGRES):
        configured["uri"] = _with_connecting_limit(str(configured["uri"]), answer_seconds)
    return load_catalog(name, **configured)


def _configured(name: str, properties: Mapping[str, str]) -> dict[str, Any]:
    """The properties, with those that pyiceberg's own configuration and environment variables hold for the name."""
    from pyiceberg.utils.config import Config, merge_config

    return dict(merge_config(Config().get_catalog_config(name) or {}, nested(properties)))


def _kind(properties: Mapping[str, Any]) -> str:
    if properties.get("py-catalog-impl"):
        return ""
    scheme = str(properties.get("uri", "")).partition("://")[0]
    inferred = {"http": "rest", "https": "rest", "thrift": "hive"}.get(scheme, "")
    return str(properties.get("type") or inferred).lower()


def _choose_file_io() -> None:
    """Let pyiceberg read and write files in two stores by classes of ours."""
    from pyiceberg.io import SCHEMA_TO_FILE_IO

    SCHEMA_TO_FILE_IO.update({scheme: [_GOOGLE] for scheme in ("gs", "gcs")})
    SCHEMA_TO_FILE_IO.update({scheme: [_FSSPEC] for scheme in AZURE})


def _by_fsspec(properties: Mapping[str, Any]) -> bool:
    """Whether files are to be reached by fsspec wherever they are."""
    chosen = properties.get(_FILE_IO)
    return chosen == _THEIR_FSSPEC or (not chosen and any(properties.get(name) for name in ENCRYPTION))


def _google_limit(answer_seconds: float) -> dict[str, str]:
    from influx_lake.iceberg.file_io.google import RETRY_SECONDS

    return {RETRY_SECONDS: f"{answer_seconds:g}"}


def _aws_limits(answer_seconds: float, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Time-outs, and fewer tries than pyiceberg's ten: the commit tries again where a service is busy."""
    import botocore.session  # type: ignore[import-untyped]
    from botocore.config import Config  # type: ignore[import-untyped]
    from pyiceberg.catalog import BOTOCORE_SESSION

    session = botocore.session.Session()
    session.set_default_client_config(
        Config(
            connect_timeout=min(answer_seconds, _LONGEST_CONNECTING_SECONDS),
            read_timeout=answer_seconds,
            retries={"max_attempts": _AWS_RETRIES, "mode": "standard"},
        )
    )
    # botocore takes a number only; pyiceberg hands it what is written.
    return {BOTOCORE_SESSION: session, _GLUE_RETRIES: int(properties.get(_GLUE_RETRIES) or _AWS_RETRIES)}


def _with_connecting_limit(uri: str, answer_seconds: float) -> str:
    if "connect_timeout=" in uri:
        return uri
    # libpq takes whole seconds, and two at least.
    seconds = max(2, round(min(answer_seconds, _LONGEST_CONNECTING_SECONDS)))
    return f"{uri}{'&' if '?' in uri else '?'}connect_timeout={seconds}"
