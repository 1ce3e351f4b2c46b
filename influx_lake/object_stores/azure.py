"""Azure storage by adlfs, configured by pyiceberg's `adls.*` properties."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from influx_lake.errors import MissingExtra

try:
    from adlfs import AzureBlobFileSystem
except ImportError as error:
    raise MissingExtra("Azure storage (abfs://, abfss://, wasb://, wasbs://)", "adls") from error

_KEYWORDS = {
    "adls.account-host": "account_host",
    "adls.account-key": "account_key",
    "adls.account-name": "account_name",
    "adls.client-id": "client_id",
    "adls.client-secret": "client_secret",
    "adls.connection-string": "connection_string",
    "adls.credential": "credential",
    "adls.sas-token": "sas_token",
    "adls.tenant-id": "tenant_id",
}
_SAS_OF_ACCOUNT = "adls.sas-token."
_USUAL_CLOUD = ".core.windows.net"
_TOKEN_SECONDS = 3600


def azure_store(properties: Mapping[str, str], location: str) -> AzureStore:
    """The store of a location in Azure, cached so that threads share its connections and token.

    Args:
        properties: pyiceberg's properties: `adls.*`.
        location: A URL: `abfss://container@account.dfs.core.windows.net/path`, or `abfss://container/path` with the
            account in the properties.

    Raises:
        ValueError: Neither names the account.
    """
    known = {name: value for name, value in properties.items() if name.startswith("adls.")}
    host = urlsplit(location).hostname if "@" in location else None
    return _opened(frozenset(known.items()), host or "", os.getpid())


def azure_path(location: str) -> str:
    """The container and path of a URL, as `AzureStore` takes them."""
    parts = urlsplit(location, allow_fragments=False)
    return f"{parts.username or parts.netloc}{parts.path}"


class AzureStore(AzureBlobFileSystem):  # type: ignore[misc]
    """An adlfs file system without a listings cache, since others write to the store too."""

    protocol = ("abfs", "abfss", "az", "wasb", "wasbs")

    async def _details(self, *arguments: Any, **options: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await super()._details(*arguments, **options)
        for each in found:
            # The name that Arrow looks for.
            each["mtime"] = each.get("last_modified")
        return found

    async def _find(self, path: str, maxdepth: int | None = None, **options: Any) -> Any:
        if maxdepth != 1:
            return await super()._find(path, **options)
        listed = await self._ls(path, detail=True)
        wanted = {
            each["name"].rstrip("/"): each for each in listed if options.get("withdirs") or each["type"] != "directory"
        }
        return wanted if options.get("detail") else sorted(wanted)


@lru_cache(maxsize=64)
def _opened(properties: frozenset[tuple[str, str]], host: str, _process: int) -> AzureStore:
    given = dict(properties)
    options: dict[str, Any] = {keyword: given[name] for name, keyword in _KEYWORDS.items() if given.get(name)}
    for name, token in given.items():
        if name.startswith(_SAS_OF_ACCOUNT):
            options.setdefault("account_name", name.removeprefix(_SAS_OF_ACCOUNT).partition(".")[0])
            options.setdefault("sas_token", token)
    if host:
        # The account that an address names is meant, whichever is the usual one.
        options["account_name"] = host.partition(".")[0]
        if not host.endswith(_USUAL_CLOUD):
            options.setdefault("account_host", host.replace(".dfs.", ".blob.", 1))
    if given.get("adls.token"):
        options["credential"] = _Token(given["adls.token"])
    if "adls.anon" in given:
        # A non-empty string, such as "false", is truthy.
        options["anon"] = given["adls.anon"].lower() in ("y", "yes", "t", "true", "on", "1")
    return AzureStore(**options, use_listings_cache=False, skip_instance_cache=True)


class _Token:
    """A token credential that the catalog renews when the table is loaded again."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def get_token(self, *_scopes: str, **_options: Any) -> Any:
        import time

        from azure.core.credentials import AccessToken

        return AccessToken(self._token, int(time.time()) + _TOKEN_SECONDS)

    async def close(self) -> None:
        """Does nothing."""
