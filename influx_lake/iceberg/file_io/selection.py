"""Chooses the class that reads and writes the files of a catalog's tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from influx_lake.config.catalogs.store_properties import ENCRYPTION
from influx_lake.config.values.locations import AZURE

_GOOGLE = "influx_lake.iceberg.file_io.google.PyArrowFileIO"
_FSSPEC = "influx_lake.iceberg.file_io.fsspec_files.FsspecFileIO"
_THEIR_FSSPEC = "pyiceberg.io.fsspec.FsspecFileIO"
_FILE_IO = "py-io-impl"


def file_io_properties(properties: Mapping[str, Any], answer_seconds: float) -> dict[str, str]:
    """The properties that make a catalog's tables use our FileIO classes where pyiceberg's own do not suffice.

    In Google Cloud Storage and Azure, ours are registered for the scheme of a location, as pyiceberg 0.12 infers them.

    Args:
        properties: The catalog's, with those of pyiceberg's own configuration.
        answer_seconds: The longest time that a request to Google Cloud Storage is retried.
    """
    from pyiceberg.io import SCHEMA_TO_FILE_IO

    from influx_lake.iceberg.file_io.google import RETRY_SECONDS

    SCHEMA_TO_FILE_IO.update({scheme: [_GOOGLE] for scheme in ("gs", "gcs")})
    SCHEMA_TO_FILE_IO.update({scheme: [_FSSPEC] for scheme in AZURE})
    chosen = {_FILE_IO: _FSSPEC} if _uses_fsspec(properties) else {}
    return {RETRY_SECONDS: f"{answer_seconds:g}", **chosen}


def _uses_fsspec(properties: Mapping[str, Any]) -> bool:
    """Whether all files are reached by fsspec: where that was chosen, and for encryption, which Arrow's S3 lacks."""
    chosen = properties.get(_FILE_IO)
    return chosen == _THEIR_FSSPEC or (not chosen and any(properties.get(name) for name in ENCRYPTION))
