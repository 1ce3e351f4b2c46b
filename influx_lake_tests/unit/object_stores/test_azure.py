"""Addresses and properties of Azure's storage; what its server answers is tested with one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.layout.new_table import table_location
from influx_lake.object_stores.azure import AzureStore, azure_path, azure_store

KEY = {"adls.account-key": "a2V5"}
HOST = "abfss://box@named.dfs.core.windows.net/a/b"


@pytest.mark.parametrize("scheme", ["abfs", "abfss", "wasb", "wasbs"])
@pytest.mark.parametrize("place", ["box@named.dfs.core.windows.net", "box@named.blob.core.chinacloudapi.cn", "box"])
def test_an_address_is_a_container_and_a_path(scheme: str, place: str) -> None:
    location = f"{scheme}://{place}/a/b%20c#d"
    assert azure_path(location) == "box/a/b%20c#d"
    store = azure_store({**KEY, "adls.account-name": "usual"}, location)
    assert store._strip_protocol(f"{scheme}://{place}/a/b") == "box/a/b"


@pytest.mark.parametrize(
    ("properties", "location", "url"),
    [
        (KEY, HOST, "https://named.blob.core.windows.net"),
        ({**KEY, "adls.account-name": "usual"}, HOST, "https://named.blob.core.windows.net"),
        ({**KEY, "adls.account-name": "usual"}, "abfss://box/a", "https://usual.blob.core.windows.net"),
        (KEY, "abfss://box@named.dfs.core.chinacloudapi.cn/a", "https://named.blob.core.chinacloudapi.cn"),
        (
            {**KEY, "adls.account-host": "named.blob.core.usgovcloudapi.net"},
            HOST,
            "https://named.blob.core.usgovcloudapi.net",
        ),
        (
            {"adls.sas-token.named.dfs.core.windows.net": "sig=x"},
            "abfss://box/a",
            "https://named.blob.core.windows.net",
        ),
    ],
)
def test_which_account_is_asked(properties: dict[str, str], location: str, url: str) -> None:
    assert azure_store(properties, location).account_url == url


def test_an_address_without_an_account_needs_one() -> None:
    with pytest.raises(ValueError, match="account_name"):
        azure_store(KEY, "abfss://box/a")


@pytest.mark.parametrize(("anonymous", "asks"), [("false", True), ("true", False), ("no", True)])
def test_no_is_no(anonymous: str, asks: bool) -> None:
    """Who is not anonymous asks by what Azure's SDK finds."""
    store = azure_store({"adls.account-name": "usual", "adls.anon": anonymous}, "abfss://box/a")
    assert (store.credential is not None) == asks


def test_threads_share_a_store_that_believes_no_old_listing() -> None:
    found = []
    properties = {**KEY, "adls.account-name": "usual", "s3.region": "eu"}
    threads = [threading.Thread(target=lambda: found.append(azure_store(properties, HOST))) for _ in range(4)]
    for thread in threads:
        thread.start()
        thread.join()
    assert all(store is found[0] for store in found)
    assert not found[0].dircache.use_listings_cache


def test_a_new_table_is_looked_for_in_the_account_of_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def listed(self: AzureStore, path: str, **_: object) -> list[object]:
        asked.append((self.account_url, path))
        return []

    monkeypatch.setattr(AzureStore, "_ls", listed)
    warehouse = "abfss://box@named.dfs.core.windows.net/lake"
    properties = {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": warehouse}
    # No store is open yet that has this key.
    properties["adls.account-key"] = "b3RoZXI="
    catalog = open_catalog("lake", properties)
    catalog.create_namespace("telemetry")
    assert table_location(catalog, ("telemetry", "cpu")) is None
    assert asked == [("https://named.blob.core.windows.net", "box/lake/telemetry/cpu/metadata")]
