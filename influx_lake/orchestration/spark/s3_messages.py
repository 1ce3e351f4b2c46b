"""Dagster Pipes by objects in a folder of S3, for drivers at services of AWS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from dagster_aws.pipes import PipesS3ContextInjector, PipesS3MessageReader

from influx_lake.config.lake.spark import EmrServerless, Glue


def s3_injector(service: EmrServerless | Glue) -> PipesS3ContextInjector:
    """Writes the request."""
    bucket, prefix = _folder(service)
    return PipesS3ContextInjector(bucket=bucket, client=_client(service), key_prefix=prefix)


def s3_reader(service: EmrServerless | Glue) -> PipesS3MessageReader:
    """Reads the messages."""
    bucket, prefix = _folder(service)
    return _FolderReader(bucket, prefix, _client(service))


class _FolderReader(PipesS3MessageReader):
    """Dagster's reader for a folder, from which it deletes what it read: its own (0.29.27) uses the bucket's root."""

    def __init__(self, bucket: str, prefix: str, client: Any) -> None:
        super().__init__(bucket=bucket, client=client)
        self._prefix = prefix
        self._read: list[str] = []

    @contextmanager
    def get_params(self) -> Iterator[dict[str, Any]]:
        """The parameters for the writer of messages."""
        with super().get_params() as params:
            yield {**params, "key_prefix": f"{self._prefix}{params['key_prefix']}"}
        for key in self._read:
            self.client.delete_object(Bucket=self.bucket, Key=key)

    def download_messages_chunk(self, index: int, params: Mapping[str, Any]) -> str | None:
        """The next messages; None where they are not there yet."""
        chunk = super().download_messages_chunk(index, params)
        if chunk is not None:
            self._read.append(f"{params['key_prefix']}/{index}.json")
        return chunk


def _folder(service: EmrServerless | Glue) -> tuple[str, str]:
    address = urlsplit(service.messages)
    path = address.path.strip("/")
    return address.netloc, f"{path}/" if path else ""


def _client(service: EmrServerless | Glue) -> Any:
    import boto3  # type: ignore[import-untyped]

    return boto3.client("s3", region_name=service.region)
