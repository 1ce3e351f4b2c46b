"""Opens catalogs of every kind with time-outs on their answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from influx_lake.config.catalogs.nested import nested
from influx_lake.iceberg.file_io.selection import file_io_properties

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

_LONGEST_CONNECTING_SECONDS = 10
_AWS_RETRIES = 3
_GLUE_RETRIES = "glue.max-retries"
_POSTGRES = "postgresql+psycopg2://"


def load_bounded_catalog(name: str, properties: Mapping[str, str], answer_seconds: float) -> Catalog:
    """Load a catalog as pyiceberg's `load_catalog` does, with time-outs on the answers of its server.

    Args:
        name: The catalog's name.
        properties: pyiceberg's properties.
        answer_seconds: The time-out: on the whole answer of a REST catalog; on connecting to a Hive Metastore or AWS,
            and on the next bytes; on connecting to PostgreSQL; on retries of requests to Google's storage.
    """
    from pyiceberg.catalog import load_catalog

    configured = _configured(name, properties)
    configured |= file_io_properties(configured, answer_seconds)
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
    """Merge the properties with those for this name in pyiceberg's own configuration and environment variables."""
    from pyiceberg.utils.config import Config, merge_config

    return dict(merge_config(Config().get_catalog_config(name) or {}, nested(properties)))


def _kind(properties: Mapping[str, Any]) -> str:
    if properties.get("py-catalog-impl"):
        return ""
    scheme = str(properties.get("uri", "")).partition("://")[0]
    inferred = {"http": "rest", "https": "rest", "thrift": "hive"}.get(scheme, "")
    return str(properties.get("type") or inferred).lower()


def _aws_limits(answer_seconds: float, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Time-outs, and fewer attempts than pyiceberg's ten: the commit itself retries when a service is busy."""
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
    # botocore needs an integer; pyiceberg passes the property's text on.
    return {BOTOCORE_SESSION: session, _GLUE_RETRIES: int(properties.get(_GLUE_RETRIES) or _AWS_RETRIES)}


def _with_connecting_limit(uri: str, answer_seconds: float) -> str:
    if "connect_timeout=" in uri:
        return uri
    # libpq takes whole seconds, at least two.
    seconds = max(2, round(min(answer_seconds, _LONGEST_CONNECTING_SECONDS)))
    return f"{uri}{'&' if '?' in uri else '?'}connect_timeout={seconds}"
