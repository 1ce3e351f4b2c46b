"""Sources that are files: where they are, and how their store is reached."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from influx_lake.config.connections.base import CloseSecret, SourceConfig
from influx_lake.config.secret import Secret

_SECRETS = ("secret_access_key", "session_token", "account_key", "sas_token")


def absolute_location(location: str, info: ValidationInfo) -> str:
    """A path or address; relative paths are below the folder of the lake.yaml."""
    if "://" in location:
        return location.rstrip("/")
    root = info.context.get("root") if isinstance(info.context, dict) else None
    return str((root or Path.cwd()) / Path(location).expanduser())


class StorageOptions(BaseModel):
    """How an object store is reached. What is not given comes from its own environment variables and files."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    endpoint: str | None = Field(
        default=None, description="The address of a store that is not the provider's own, such as http://minio:9000."
    )
    region: str | None = Field(default=None, description="S3: the region. Default: that of the bucket.")
    access_key_id: str | None = Field(default=None, description="S3: the id of the access key.")
    secret_access_key: Secret | None = Field(default=None, description="S3: the secret of the access key.")
    session_token: Secret | None = Field(default=None, description="S3: the token of temporary credentials.")
    account_name: str | None = Field(default=None, description="Azure: the storage account.")
    account_key: Secret | None = Field(default=None, description="Azure: the account's key.")
    sas_token: Secret | None = Field(default=None, description="Azure: a shared access signature.")
    anonymous: bool = Field(default=False, description="S3, GCS: read without credentials, what is public.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key belong together: give both of them, or neither")
        if self.anonymous and self.access_key_id:
            raise ValueError("anonymous reads use no access key: remove one of them")
        return self


class StoredConfig(SourceConfig):
    """A source that is files, on this machine or in an object store."""

    storage: Annotated[StorageOptions, BeforeValidator(lambda value: {} if value is None else value)] = Field(
        default=StorageOptions(), description="How the object store is reached."
    )

    @classmethod
    def with_secrets(cls, entry: Mapping[str, Any], close: CloseSecret) -> dict[str, Any]:
        """The entry with its secrets closed, also those of `storage`."""
        closed = super().with_secrets(entry, close)
        storage = closed.get("storage")
        if isinstance(storage, dict):
            closed["storage"] = {
                name: close(value, ("storage", name))
                if name in _SECRETS and isinstance(value, str) and value
                else value
                for name, value in storage.items()
            }
        return closed
