"""The option `storage` of sources of files: object store properties."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from influx_lake.config.catalogs.options import is_secret_name
from influx_lake.config.catalogs.store_properties import STORE_PROPERTIES
from influx_lake.config.connections.base import CloseSecret, SourceConfig
from influx_lake.config.references.secret import Secret
from influx_lake.config.values.load_engines import LoadEngine


class StoredConfig(SourceConfig):
    """A source that is files, on this machine or in an object store."""

    storage: dict[str, Annotated[str | Secret, Field(union_mode="left_to_right")]] = Field(
        default_factory=dict,
        description="How an object store is reached, as pyiceberg's own properties: s3.*, gcs.*, adls.*; or the name "
        "of an entry of the lake's `storage`. Default: what the environment says.",
        json_schema_extra={"propertyNames": {"enum": list(STORE_PROPERTIES)}},
        examples=[{"s3.endpoint": "http://minio:9000", "s3.secret-access-key": "${S3_SECRET}"}],
    )

    engine: LoadEngine = Field(
        default=LoadEngine.OWN,
        description="Who loads windows of these files: `own`, the process of the run; `spark`, a Spark that is got as "
        "the section `spark` says, for more than one machine can read.",
    )

    @classmethod
    def with_secrets(cls, entry: Mapping[str, Any], close: CloseSecret) -> dict[str, Any]:
        """Replace the object store's credentials by `Secret`s."""
        closed = super().with_secrets(entry, close)
        storage = closed.get("storage")
        if isinstance(storage, dict):
            closed["storage"] = {
                name: close(value, ("storage", name))
                if isinstance(value, str) and value and is_secret_name(name)
                else value
                for name, value in storage.items()
            }
        return closed

    def storage_properties(self) -> dict[str, str]:
        """The object store's properties, with secrets read.

        Raises:
            ConfigurationError: A secret cannot be read.
        """
        return {name: value.reveal() if isinstance(value, Secret) else value for name, value in self.storage.items()}
