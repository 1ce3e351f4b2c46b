"""The object stores that tables are tested on, each a server of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from influx_lake_tests.integration.iceberg.stores.azurite import azurite
from influx_lake_tests.integration.iceberg.stores.gcs_server import gcs_server
from influx_lake_tests.integration.iceberg.stores.versitygw import versitygw


@contextmanager
def local_folder(folder: Path) -> Iterator[dict[str, str]]:
    """This disk, by an address."""
    yield {"warehouse": f"file://{folder}/lake/warehouse"}


STORES: dict[str, Callable[[Path], AbstractContextManager[dict[str, str]]]] = {
    "s3": versitygw,
    "gcs": gcs_server,
    "adls": azurite,
}
"""Each starts a server over a folder, and gives pyiceberg's properties of a warehouse in it."""
PLACES = {**STORES, "file": local_folder}
"""The same, and the disk."""
