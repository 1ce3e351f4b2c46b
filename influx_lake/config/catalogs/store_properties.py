"""The names of pyiceberg's FileIO properties."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from influx_lake.config.report.diagnostics import suggestion

_NAMES = {
    "adls": "account-host account-key account-name anon blob-storage-authority blob-storage-scheme client-id "
    "client-secret connection-string credential dfs-storage-authority dfs-storage-scheme sas-token tenant-id token",
    "client": "access-key-id profile-name region role-arn role-session-name secret-access-key session-token",
    "gcs": "access cache-timeout consistency default-bucket-location oauth2.token oauth2.token-expires-at project-id "
    "requester-pays service.host session-kwargs version-aware",
    "hdfs": "host kerberos_ticket port user",
    "hf": "endpoint token",
    "s3": "access-key-id anonymous connect-timeout endpoint force-virtual-addressing profile-name proxy-uri region "
    "request-timeout resolve-region retry-strategy-impl role-arn role-session-name secret-access-key "
    "server-side-encryption session-token signer signer.endpoint signer.uri sse-kms-key-id",
}
STORE_PROPERTIES = tuple(f"{prefix}.{name}" for prefix, names in _NAMES.items() for name in names.split())
"""All names; a test compares them with pyiceberg's own."""
ENCRYPTION = ("s3.server-side-encryption", "s3.sse-kms-key-id")
"""The S3 properties that Arrow's file system does not support and fsspec's does."""


def name_mistakes(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The names that pyiceberg does not read, each with the reason."""
    for name in names:
        if name not in STORE_PROPERTIES:
            guess = suggestion(name, STORE_PROPERTIES, least=0.75)
            known = guess or f"; known are properties of {', '.join(f'{prefix}.*' for prefix in _NAMES)}"
            yield name, f"is no property by which a store is reached{known}"
