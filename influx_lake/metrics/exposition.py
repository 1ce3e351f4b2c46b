"""Exposes a lake's metrics: to scrapes, as a file for the node exporter, to a Pushgateway."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.parse import unquote, urlsplit, urlunsplit

from influx_lake.config import Lake
from influx_lake.config.redaction import remember
from influx_lake.errors import ConfigurationError, MetricsNotDelivered, StorageError
from influx_lake.metrics.collector import READING_SECONDS, LakeCollector

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from pyiceberg.catalog import Catalog

JOB = "influx_lake"
_PUSH_SECONDS = 30.0


def registry_of(
    lake: Callable[[], Lake], open_catalog: Callable[[], Catalog], *, reading_seconds: float | None = READING_SECONDS
) -> CollectorRegistry:
    """A registry with the metrics of a lake only. Nothing is read before it is collected.

    Args:
        lake: Returns the lake, as it is now.
        open_catalog: Opens its catalog.
        reading_seconds: How long a scrape reads tables, in seconds; None: until all are read.
    """
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry(auto_describe=False)
    registry.register(LakeCollector(lake, open_catalog, reading_seconds=reading_seconds))
    return registry


def exposition(registry: CollectorRegistry, accept: str = "") -> tuple[bytes, str]:
    """The metrics as text, with the content type.

    Args:
        registry: The registry.
        accept: The request's `Accept` header: OpenMetrics where it accepts that, else Prometheus' text format.

    Raises:
        StorageError: The journal cannot be read.
    """
    from prometheus_client.exposition import choose_encoder

    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def write_text_file(registry: CollectorRegistry, path: Path) -> None:
    """Write the metrics atomically to a world-readable file, for the node exporter's `textfile` collector.

    Raises:
        StorageError: It cannot be written.
    """
    from prometheus_client import write_to_textfile

    try:
        write_to_textfile(str(path), registry)
        os.chmod(path, 0o644)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from None


def push(registry: CollectorRegistry, url: str, lake: str | None = None) -> None:
    """Push the metrics to a Pushgateway, replacing those of the last push.

    Args:
        registry: The registry.
        url: The gateway's URL, with `user:password@` where it needs authentication.
        lake: The lake's name, which is the grouping key.

    Raises:
        ConfigurationError: The URL is invalid.
        MetricsNotDelivered: It does not answer, or refuses.
    """
    from prometheus_client import push_to_gateway
    from prometheus_client.exposition import basic_auth_handler, default_handler

    address, user, password = _parts(url)

    def handler(**request: Any) -> Callable[[], None]:
        return basic_auth_handler(**request, username=user, password=password) if user else default_handler(**request)

    try:
        push_to_gateway(address, JOB, registry, {"lake": lake} if lake else None, _PUSH_SECONDS, handler)
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        code = f"HTTP {error.code} " if hasattr(error, "code") else ""
        raise MetricsNotDelivered(
            f"the metrics were not taken by {address}: {code}{reason}", remedy="See that a Pushgateway answers there"
        ) from None


def _parts(url: str) -> tuple[str, str, str]:
    """The URL without credentials, the user and the password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            "that is not the address of a Pushgateway", remedy="Write one such as http://pushgateway.example.com:9091"
        )
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if password:
        remember(password, [password])
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    place = f"{host}:{port}" if port else host
    return urlunsplit((parts.scheme, place, parts.path.rstrip("/"), "", "")), user, password
