"""A warehouse on an object store gives what the local disk gives."""

from __future__ import annotations

from dataclasses import replace as changed
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config import WriteOptions
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.load.upsert import upsert_window
from influx_lake_tests.integration.iceberg.stores.stores import PLACES
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, TARGET, day, held, hours, replace, rows, stream, table
from testbed.loads import load_of

SMALL_FILES = changed(TARGET, key=("host", "count"), write=WriteOptions(target_file_size=50_000))


def history(catalog: Catalog) -> list[pa.Table]:
    """What a table holds after each of several loads of every kind."""
    found = []
    for load in (
        lambda: replace(catalog, day(0, 3), rows(day(0, 3), 30_000), target=SMALL_FILES),
        lambda: replace(catalog, day(1), rows(day(1), 20_000, value=0.5), target=SMALL_FILES),
        lambda: replace(catalog, hours(2, 5, 7), rows(hours(2, 5, 7), 10), target=SMALL_FILES),
        lambda: replace(catalog, day(0), target=SMALL_FILES),
        lambda: upsert_window(load_of(catalog, SMALL_FILES, stream(rows(day(1), 9_000, value=-1)), day(1), PROVENANCE)),
    ):
        load()
        found.append(held(catalog).sort_by([("time", "ascending"), ("count", "ascending")]))
    return found


@pytest.mark.servers
@pytest.mark.parametrize("store", PLACES)
def test_a_warehouse_on_a_store_holds_what_the_local_disk_does(store: str, tmp_path: Path) -> None:
    local = {"type": "sql", "uri": f"sqlite:///{tmp_path}/local.db", "warehouse": str(tmp_path / "warehouse")}
    with PLACES[store](tmp_path) as properties:
        remote = open_catalog("lake", {**local, "uri": f"sqlite:///{tmp_path}/store.db", **properties})
        assert history(remote) == history(open_catalog("lake", local))
        files = [task.file.file_path for task in table(remote).scan().plan_files()]
        assert files
        # What is renamed keeps its folder, and a new table of its name gets another.
        kept = held(remote).num_rows
        remote.rename_table(TARGET.identifier, ("telemetry", "former"))
        replace(remote, day(0), rows(day(0), 70))
        former = remote.load_table(("telemetry", "former"))
        assert table(remote).location().startswith(f"{former.location()}-")
        assert (held(remote).num_rows, former.scan().to_arrow().num_rows) == (70, kept)
        assert all(file.startswith(properties["warehouse"]) for file in files)
