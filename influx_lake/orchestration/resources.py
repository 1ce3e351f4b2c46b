"""InfluxDB and the Iceberg catalog as Dagster resources, for the lake and for your own Definitions.

Dagster shows and stores references, never secrets: `EnvVar("INFLUXDB3_TOKEN")`, or a reference as in lake.yaml
(`${INFLUXDB3_TOKEN}`, `${file:...}`, `${aws-secret:...}`), which is resolved when the resource is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import dagster as dg
from pydantic import Field, ValidationError

from influx_lake.config import CatalogConfig, Secret, SourceConfig
from influx_lake.config.connections import DEFAULT_TYPE, SOURCE_TYPES, source_model
from influx_lake.config.connections.base import written
from influx_lake.errors import ConfigurationError
from influx_lake.orchestration.lake_names import UNNAMED, LakeNames

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from influx_lake.sources.protocol import Source

_ROOT = "The folder that relative files, also those of ${file:...}, are below. Default: the current one."

CATALOG_KEY = UNNAMED.catalog
"""The resource key of the catalog of a lake without a name."""


class SourceResource(dg.ConfigurableResource[None]):
    """A source of any type, with its options of lake.yaml as arguments.

    ```python history = SourceResource(
        type="influxdb2", host="https://influx.example.com", org="plant", bucket="telemetry",
        token=dg.EnvVar("INFLUXDB2_TOKEN"),
    )
    ```
    """

    options: dict[str, Any] = Field(
        description="`type` and what belongs to it; secrets only as references, such as ${INFLUXDB3_TOKEN}."
    )
    # Dagster resolves EnvVar(...) only in mappings of strings.
    secrets: dict[str, str] = Field(
        default={}, description="The options that are secrets or come from the environment: EnvVar(...) or references."
    )
    root: str | None = Field(default=None, description=_ROOT)

    def __init__(
        self,
        *,
        options: Mapping[str, Any] | None = None,
        secrets: Mapping[str, str] | None = None,
        root: str | None = None,
        **named: Any,
    ) -> None:
        """Create the resource; nothing is read or contacted.

        Args:
            options: Options as a mapping, as an alternative to arguments.
            secrets: Options that are `EnvVar(...)`, likewise.
            root: The folder that relative paths start from; the current one by default.
            **named: Options of the source, by their names in lake.yaml.

        Raises:
            ConfigurationError: The type of source, or one of its options, does not exist.
        """
        unknown = sorted(named.keys() - _model({**(options or {}), **named}, type(self).__name__).model_fields.keys())
        if unknown:
            raise ConfigurationError(f"{type(self).__name__} cannot be used: there is no option {unknown[0]!r}")
        variables = {
            name: dg.EnvVar(value.env_var_name) for name, value in named.items() if hasattr(value, "env_var_name")
        }
        given = {name: written(value) for name, value in named.items() if name not in variables and value is not None}
        fields = {"options": {**(options or {}), **given}, "secrets": {**(secrets or {}), **variables}, "root": root}
        super().__init__(**fields)

    @classmethod
    def of(cls, config: SourceConfig, root: Path) -> Self:
        """The resource for a source of a lake.

        Args:
            config: The source.
            root: The lake's folder.
        """
        return cls(options=config.options(), root=str(root))

    def config(self) -> SourceConfig:
        """The source's configuration, with unresolved secrets.

        Raises:
            ConfigurationError: An option has no usable value.
        """
        options = {**self.options, **self.secrets}
        name = type(self).__name__
        model = _model(options, name)
        root = Path(self.root) if self.root else Path.cwd()
        closed = model.with_secrets(
            options, lambda text, inside: Secret(text, root=root, location=tuple(map(str, inside)))
        )
        try:
            return model.model_validate(closed, context={"root": root})
        except ValidationError as error:
            mistakes = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            # Not chained: pydantic's error contains the input.
            raise ConfigurationError(f"{name} cannot be used: {'; '.join(mistakes)}") from None

    @contextmanager
    def open(self) -> Iterator[Source]:
        """A context with the open source."""
        from influx_lake.sources import open_reliable_source

        with closing(open_reliable_source(self.config())) as source:
            yield source

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        given = sorted({*self.options, *self.secrets} - {"type"})
        yield from (("type", self.options.get("type", DEFAULT_TYPE)), ("options", given))


class InfluxDB3Resource(SourceResource):
    """A database of an InfluxDB 3 server, with the options of lake.yaml as arguments.

    ```python influxdb = InfluxDB3Resource(host="http://127.0.0.1:8181", database="telemetry",
    token=dg.EnvVar("INFLUXDB3_TOKEN"))
    ```
    """


class IcebergCatalogResource(dg.ConfigurableResource[None]):
    """An Iceberg catalog, configured by pyiceberg's properties.

    ```python catalog = IcebergCatalogResource(
        name="lake", properties={"type": "rest", "uri": "https://catalog/rest", "token": dg.EnvVar("CATALOG_TOKEN")},
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
        """The catalog's configuration, with unresolved secrets."""
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


class OpensSource(Protocol):
    """A source of a lake as a resource: `SourceResource`, or a project's own in its place."""

    def open(self) -> AbstractContextManager[Source]:
        """A context with the open source."""
        ...


class WithResources(Protocol):
    """A context with resources: of an asset, a check, an op, a sensor or a schedule."""

    @property
    def resources(self) -> Any:
        """Its resources, by their keys."""
        ...


def catalog_of(context: WithResources, names: LakeNames) -> Catalog:
    """Open the catalog of a lake; the definition has to require its key.

    Raises:
        CatalogError: The catalog cannot be reached or refuses.
    """
    # By key, and not as a typed argument: an argument's name would have to be the key, which differs by lake.
    catalog: IcebergCatalogResource = getattr(context.resources, names.catalog)
    return catalog.open()


def asked_source_of(context: WithResources, names: LakeNames, source: str) -> AbstractContextManager[Source]:
    """A source of a lake for a single question, without retries where the resource is ours."""
    from influx_lake.sources import open_source

    found = source_of(context, names, source)
    return closing(open_source(found.config())) if isinstance(found, SourceResource) else found.open()


def source_of(context: WithResources, names: LakeNames, source: str) -> OpensSource:
    """A source of a lake; the definition has to require its key."""
    found: OpensSource = getattr(context.resources, names.source(source))
    return found


def _model(options: Mapping[str, Any], resource: str) -> type[SourceConfig]:
    model = source_model(options)
    if model is None:
        raise ConfigurationError(
            f"{resource} cannot be used: there is no source of type {options['type']!r}",
            remedy=f"Give one of {', '.join(SOURCE_TYPES)}",
        )
    return model
