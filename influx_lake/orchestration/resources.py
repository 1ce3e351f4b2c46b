"""InfluxDB and the Iceberg catalog as Dagster resources, for the lake and for anybody's Definitions.

What Dagster shows and stores of them are references, never secrets: `EnvVar("INFLUXDB3_TOKEN")`, or a text as in
lake.yaml (`${INFLUXDB3_TOKEN}`, `${file:...}`, `${aws-secret:...}`), which is resolved when the resource is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import dagster as dg
from pydantic import Field, ValidationError

from influx_lake.config import CatalogConfig, InfluxDB3Config, Secret, SourceConfig
from influx_lake.config.connections import DEFAULT_TYPE, SOURCE_TYPES, source_model
from influx_lake.config.values.read_options import ReadingOptions
from influx_lake.config.values.units import format_duration
from influx_lake.errors import ConfigurationError
from influx_lake.orchestration.lake_names import UNNAMED

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from influx_lake.sources.protocol import Source

_ROOT = "The folder that relative files, also those of ${file:...}, are below. Default: the current one."

_C = TypeVar("_C", bound=SourceConfig)

CATALOG_KEY = UNNAMED.catalog
"""The resource key of the catalog of a lake without a name."""


class TlsOptions(dg.Config):
    """How the server of an `https` host is recognised, and how we identify ourselves to it."""

    verify: bool = Field(default=True, description="Whether the server's certificate is checked.")
    ca_file: str | None = Field(default=None, description="Certificates (PEM) to trust instead of the system's.")
    cert_file: str | None = Field(default=None, description="Our own certificate (PEM).")
    key_file: str | None = Field(default=None, description="The private key (PEM) of `cert_file`.")


class InfluxDB3Resource(dg.ConfigurableResource[None]):
    """One database of an InfluxDB 3 server.

    ```python
    influxdb = InfluxDB3Resource(host="http://127.0.0.1:8181", database="telemetry", token=dg.EnvVar("INFLUXDB3_TOKEN"))
    ```
    """

    host: str = Field(description="The server's address, such as https://influxdb.example.com.")
    database: str = Field(description="The database that holds the measurements.")
    token: str | None = Field(default=None, description="EnvVar(...) or a reference such as ${INFLUXDB3_TOKEN}.")
    tls: TlsOptions = Field(default=TlsOptions(), description="TLS options; they need an https host.")
    protocol: str = Field(default="flight", description="`flight`, or `http` where gRPC does not pass.")
    query_port: int | None = Field(
        default=None, description="The port of Arrow Flight queries, where it is not the host's own."
    )
    timeout: str = Field(default="5m", description="How long to wait for the next rows of an answer.")
    connect_timeout: str = Field(default="10s", description="How long to wait for a connection.")
    reading: dict[str, Any] = Field(
        default={}, description="How it is read, as in lake.yaml: `retry`, `longest_query`, ..."
    )
    root: str | None = Field(default=None, description=_ROOT)

    @classmethod
    def of(cls, config: InfluxDB3Config, root: Path) -> InfluxDB3Resource:
        """The resource for a source of a lake.

        Args:
            config: The source.
            root: The lake's folder.
        """
        return cls(
            host=config.host,
            database=config.database,
            token=_reference(config.token),
            tls=_tls_options(config),
            protocol=config.protocol.value,
            query_port=config.query_port,
            timeout=format_duration(config.timeout),
            connect_timeout=format_duration(config.connect_timeout),
            reading={name: value for name, value in config.options().items() if name in ReadingOptions.model_fields},
            root=str(root),
        )

    def config(self) -> InfluxDB3Config:
        """The configuration, its token still closed.

        Raises:
            ConfigurationError: An option has no usable value.
        """
        root = Path(self.root) if self.root else Path.cwd()
        own = {"host", "database", "protocol", "query_port", "timeout", "connect_timeout"}
        data: dict[str, Any] = self.model_dump(include=own)
        data["token"] = Secret(self.token, root=root, location=("token",)) if self.token else None
        data["tls"] = self.tls.model_dump()
        data |= self.reading
        return _checked(InfluxDB3Config, data, root, resource=type(self).__name__)

    def open(self) -> AbstractContextManager[Source]:
        """The database, for as long as the context lasts."""
        return _opened(self.config())

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield from (("host", self.host), ("database", self.database))


class SourceResource(dg.ConfigurableResource[None]):
    """A source of any type, with the options that it has in lake.yaml.

    ```python
    history = SourceResource(
        options={"type": "influxdb3", "host": "https://influxdb.example.com", "database": "telemetry"},
        secrets={"token": dg.EnvVar("INFLUXDB3_TOKEN")},
    )
    ```
    """

    options: dict[str, Any] = Field(
        description="`type` and what belongs to it; secrets only as references, such as ${INFLUXDB3_TOKEN}."
    )
    # Dagster resolves EnvVar(...) only where every value is a text.
    secrets: dict[str, str] = Field(default={}, description="The options that are secrets: EnvVar(...) or references.")
    root: str | None = Field(default=None, description=_ROOT)

    @classmethod
    def of(cls, config: SourceConfig, root: Path) -> SourceResource:
        """The resource for a source of a lake.

        Args:
            config: The source.
            root: The lake's folder.
        """
        return cls(options=config.options(), root=str(root))

    def config(self) -> SourceConfig:
        """The configuration, its secrets still closed.

        Raises:
            ConfigurationError: An option has no usable value.
        """
        options = {**self.options, **self.secrets}
        model = source_model(options)
        if model is None:
            kind = options["type"]
            raise ConfigurationError(
                f"SourceResource cannot be used: there is no source of type {kind!r}",
                remedy=f"Give one of {', '.join(SOURCE_TYPES)}",
            )
        root = Path(self.root) if self.root else Path.cwd()
        closed = model.with_secrets(
            options, lambda text, inside: Secret(text, root=root, location=tuple(map(str, inside)))
        )
        return _checked(model, closed, root, resource=type(self).__name__)

    def open(self) -> AbstractContextManager[Source]:
        """The source, for as long as the context lasts."""
        return _opened(self.config())

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield from (("type", self.options.get("type", DEFAULT_TYPE)), ("options", sorted(self.options)))


def source_resource(config: SourceConfig, root: Path) -> InfluxDB3Resource | SourceResource:
    """The resource for a source of a lake: the one of its type, where there is one."""
    if isinstance(config, InfluxDB3Config):
        return InfluxDB3Resource.of(config, root)
    return SourceResource.of(config, root)


class IcebergCatalogResource(dg.ConfigurableResource[None]):
    """An Iceberg catalog, by pyiceberg's own properties.

    ```python
    catalog = IcebergCatalogResource(
        name="lake",
        properties={"type": "rest", "uri": "https://catalog/rest", "token": dg.EnvVar("CATALOG_TOKEN")},
    )
    ```
    """

    name: str = Field(default="lake", description="The catalog's name.")
    properties: dict[str, str] = Field(
        description="What pyiceberg's load_catalog takes: type, uri, warehouse, s3.*, ..."
    )
    root: str | None = Field(default=None, description=_ROOT)
    lock_timeout: float | None = Field(
        default=None, description="The longest wait for a SQLite file that another process locks, in seconds."
    )

    @classmethod
    def of(cls, config: CatalogConfig) -> IcebergCatalogResource:
        """The resource for the catalog of a lake."""
        lock_timeout = None if config.lock_timeout is None else config.lock_timeout.total_seconds()
        return cls(name=config.name, properties=config.references(), root=str(config.root), lock_timeout=lock_timeout)

    def config(self) -> CatalogConfig:
        """The catalog's configuration, its secrets still closed."""
        return CatalogConfig.of(self.properties, name=self.name, root=Path(self.root) if self.root else None)

    def open(self) -> Catalog:
        """Open the catalog.

        Raises:
            CatalogError: It cannot be reached or refuses.
        """
        from influx_lake.iceberg.catalogs.opening import open_catalog

        lock_timeout = None if self.lock_timeout is None else timedelta(seconds=self.lock_timeout)
        return open_catalog(self.name, self.config().properties(), lock_timeout)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield from (("name", self.name), ("properties", sorted(self.properties)))


@contextmanager
def _opened(config: SourceConfig) -> Iterator[Source]:
    from influx_lake.sources import open_reliable_source

    source = open_reliable_source(config)
    try:
        yield source
    finally:
        source.close()


def _checked(model: type[_C], options: dict[str, Any], root: Path, *, resource: str) -> _C:
    try:
        return model.model_validate(options, context={"root": root})
    except ValidationError as error:
        mistakes = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        # Not chained: pydantic's error holds what was put in.
        raise ConfigurationError(f"{resource} cannot be used: {'; '.join(mistakes)}") from None


def _reference(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reference


def _tls_options(config: InfluxDB3Config) -> TlsOptions:
    files = {name: str(file) for name in ("ca_file", "cert_file", "key_file") if (file := getattr(config.tls, name))}
    return TlsOptions(verify=config.tls.verify, **files)
