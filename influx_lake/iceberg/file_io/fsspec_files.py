"""pyiceberg's FileIO by fsspec, for all forms of Azure's addresses, and without cached listings elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import ParseResult

from pyiceberg.io import fsspec

from influx_lake.config.values.locations import AZURE

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


class FsspecFileIO(fsspec.FsspecFileIO):
    """Files that other processes write too: cached listings of folders are not used.

    In Azure, pyiceberg's own knows no `wasb://`, takes `adls.anon: "false"` for yes, and connects anew in each thread.
    """

    def _get_fs_from_uri(self, uri: ParseResult, location: str = "") -> AbstractFileSystem:
        if uri.scheme in AZURE:
            from influx_lake.object_stores.azure import azure_store

            return azure_store(self.properties, location)
        store = super()._get_fs_from_uri(uri, location)
        if hasattr(store, "dircache"):
            store.dircache.use_listings_cache = False
        return store
