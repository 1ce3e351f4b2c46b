"""The source type `influxdb3_parquet`: Parquet files that InfluxDB 3 Core persisted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from influx_lake.config.connections.base import CloseSecret
from influx_lake.config.connections.influxdb3 import InfluxDB3Config
from influx_lake.config.connections.storage import StoredConfig
from influx_lake.config.values.conflicting_options import contradiction
from influx_lake.config.values.locations import LocalFile, stored_path
from influx_lake.config.values.units import WholeNumber


def _folder(location: str, info: ValidationInfo) -> str:
    return stored_path(location, info).rstrip("/") or "/"


class InfluxDB3ParquetConfig(StoredConfig):
    """One database in the object store of an InfluxDB 3 Core, without the server."""

    type: Literal["influxdb3_parquet"] = Field(
        default="influxdb3_parquet", description="The Parquet files that InfluxDB 3 Core has persisted."
    )
    location: Annotated[str, Field(min_length=1), AfterValidator(_folder)] = Field(
        description="The node's folder in the object store, which holds `dbs`: a path, s3://, gs:// or abfss://.",
        examples=["/var/lib/influxdb3/node0", "s3://influxdb/node0"],
    )
    database: str = Field(min_length=1, description="The database's name.")
    database_id: WholeNumber | None = Field(
        default=None,
        ge=0,
        description="The number of the database's folder. Default: asked from `server`, or the only one there is.",
    )
    tables: Mapping[str, Annotated[WholeNumber, Field(ge=0)]] = Field(
        default_factory=dict,
        description="The numbers of tables' folders, where the files do not say their names, or two say the same.",
        examples=[{"cpu": 3}],
    )
    server: InfluxDB3Config | None = Field(
        default=None,
        description="The running server (`host`, `token`, ...), to ask its `system.parquet_files` for the numbers. No "
        "rows are read from it.",
    )
    index: LocalFile = Field(
        default=Path(".lake/parquet-index"),
        validate_default=True,
        description="The folder that keeps what the files' footers say, so that each is read once.",
    )

    @classmethod
    def with_secrets(cls, entry: Mapping[str, Any], close: CloseSecret) -> dict[str, Any]:
        """Replace the entry's secrets by `Secret`s, including those of the server."""
        closed = super().with_secrets(entry, close)
        server = closed.get("server")
        if isinstance(server, dict):
            inner = InfluxDB3Config.with_secrets(server, lambda text, inside: close(text, ("server", *inside)))
            closed["server"] = {"database": closed.get("database"), **inner}
        return closed

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.server is not None and self.server.database != self.database:
            raise contradiction("is another one than the source's own database: leave it out", "server", "database")
        return self

    @property
    def label(self) -> str:
        """A description for people."""
        return f"the Parquet files of the InfluxDB 3 database `{self.database}`"
