"""pyiceberg's files in Azure's storage, by every form of its addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import ParseResult

from pyiceberg.io.fsspec import FsspecFileIO

from influx_lake.config.values.locations import AZURE

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


class AzureFileIO(FsspecFileIO):
    """Files in Azure, and elsewhere as pyiceberg has them.

    pyiceberg's own knows no `wasb://`, takes `adls.anon: "false"` for yes, connects anew in each thread, and believes
    what a folder held when it was listed last.
    """

    def _get_fs_from_uri(self, uri: ParseResult, location: str = "") -> AbstractFileSystem:
        if uri.scheme not in AZURE:
            return super()._get_fs_from_uri(uri, location)
        from influx_lake.object_stores.azure import azure_store

        return azure_store(self.properties, location)
