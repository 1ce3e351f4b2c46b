"""Files on this machine or in an object store, through Arrow's file systems."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from influx_lake.config.connections.storage import StorageOptions
from influx_lake.errors import ConfigurationError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem


def open_store(location: str, options: StorageOptions) -> tuple[FileSystem, str]:
    """The file system of a location, and the location's path in it.

    Args:
        location: A path, or an address: `s3://bucket/path`, `gs://bucket/path`,
            `abfss://container@account.dfs.core.windows.net/path`.
        options: How the store is reached. Secrets are opened now.

    Raises:
        ConfigurationError: The kind of store is not known, or a secret cannot be read.
    """
    from pyarrow.fs import LocalFileSystem

    parts = urlsplit(location)
    if "://" not in location or parts.scheme == "file":
        return LocalFileSystem(), parts.path if parts.scheme == "file" else location
    opener = _STORES.get(parts.scheme)
    if opener is None:
        raise ConfigurationError(
            f"{location}: there is no store for {parts.scheme}://",
            remedy=f"Give a path, or an address that starts with {', '.join(f'{name}://' for name in _STORES)}",
        )
    return opener(options, parts.netloc), f"{parts.username or parts.netloc}{parts.path}"


def _s3(options: StorageOptions, _place: str) -> FileSystem:
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    secret, session = options.secret_access_key, options.session_token
    return S3FileSystem(
        anonymous=options.anonymous,
        access_key=options.access_key_id,
        secret_key=secret.reveal() if secret else None,
        session_token=session.reveal() if session else None,
        region=options.region,
        endpoint_override=options.endpoint,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=8),
    )


def _gcs(options: StorageOptions, _place: str) -> FileSystem:
    from pyarrow.fs import GcsFileSystem

    endpoint = urlsplit(options.endpoint) if options.endpoint else None
    return GcsFileSystem(
        anonymous=options.anonymous,
        endpoint_override=endpoint.netloc if endpoint else None,
        scheme=endpoint.scheme if endpoint else None,
    )


def _azure(options: StorageOptions, place: str) -> FileSystem:
    from pyarrow.fs import AzureFileSystem

    # abfss://container@account.dfs.core.windows.net/path
    account = options.account_name or place.rpartition("@")[2].partition(".")[0]
    key, signature = options.account_key, options.sas_token
    endpoint = urlsplit(options.endpoint) if options.endpoint else None
    return AzureFileSystem(
        account,
        account_key=key.reveal() if key else None,
        sas_token=signature.reveal() if signature else None,
        blob_storage_authority=endpoint.netloc if endpoint else None,
        blob_storage_scheme=endpoint.scheme if endpoint else None,
    )


_STORES: dict[str, Callable[[StorageOptions, str], FileSystem]] = {
    "s3": _s3,
    "s3a": _s3,
    "gs": _gcs,
    "gcs": _gcs,
    "abfs": _azure,
    "abfss": _azure,
}
