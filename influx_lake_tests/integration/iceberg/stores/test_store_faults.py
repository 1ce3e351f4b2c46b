"""Crashes and lost answers on each object store: a table is as it was, or done, and a plain re-run makes it right."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config.maintenance.options import CompactOptions, OrphanOptions
from influx_lake.errors import StorageError
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.load.upsert import upsert_window
from influx_lake.iceberg.maintenance.compact import compact
from influx_lake.iceberg.maintenance.remove_orphans import remove_orphans
from influx_lake.iceberg.storage.listing import files_below
from influx_lake_tests.integration.iceberg.lost_answers import outside_proxy
from influx_lake_tests.integration.iceberg.stores.stores import STORES
from influx_lake_tests.unit.iceberg.commit.crashing_writer import COMPACTING, JOINING, STEPS
from influx_lake_tests.unit.iceberg.commit.test_crash import BATCHES, BY_POINT, DONE, kill_at
from influx_lake_tests.unit.iceberg.maintenance.tasks import DAY, needed, task
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, day, held, hours, replace, rows, stream, table
from testbed.loads import load_of

pytestmark = [pytest.mark.servers, pytest.mark.slow]

UPLOADS = {"s3": "PUT /lake/", "gcs": "PUT /upload/storage/", "adls": "PUT /devstoreaccount1/lake/"}
"""What the request has by which a store is given a file."""
CASES = [("replace", step) for step in ("batch 3", "metadata written", "after the catalog")]
OTHERS = [
    (mode, step)
    for mode, steps in (
        ("replace", (*BATCHES, *STEPS)),
        ("upsert", (*BATCHES, *STEPS, *JOINING)),
        ("compact", COMPACTING),
    )
    for step in steps
    if (mode, step) not in CASES
]


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with STORES[request.param](tmp_path_factory.mktemp(request.param)) as properties:
        yield {**properties, "name": request.param}


@pytest.fixture
def properties(store: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Those of a warehouse of the test's own."""
    found = {**store, "warehouse": f"{store['warehouse']}/{tmp_path.name}"}
    del found["name"]
    return found


def catalog_in(folder: Path, properties: dict[str, str]) -> Catalog:
    return open_catalog("lake", {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", **properties})


def killed(mode: str, step: str, properties: dict[str, str], folder: Path) -> None:
    catalog = catalog_in(folder, properties)
    (folder / "store.json").write_text(json.dumps(properties))
    replace(catalog, day(1), rows(day(1), 700))
    for at in range(3):
        replace(catalog, hours(0, at * 8, at * 8 + 8), rows(hours(0, at * 8, at * 8 + 8), 300, value=at))
    before = held(catalog)

    kill_at(step, folder, mode)

    after = held(catalog)
    if step not in DONE or mode == "compact":
        assert after == before
    else:
        assert after.num_rows > before.num_rows
    coming = rows(day(0), 500, value=0.5)
    upsert_window(load_of(catalog, BY_POINT, stream(coming), day(0), PROVENANCE))
    assert replace(catalog, day(0), coming).total_rows == 1_200
    assert held(catalog, [day(1)]).num_rows == 700
    compact(task(catalog), CompactOptions())
    remove_orphans(task(catalog, ahead=4 * DAY), OrphanOptions())
    stored = {file.path for file in files_below(table(catalog).io, table(catalog).location())}
    assert needed(table(catalog)) <= stored
    assert {path for path in stored if path.endswith(".parquet")} == {
        path for path in needed(table(catalog)) if path.endswith(".parquet")
    }
    assert held(catalog).num_rows == 1_200


@pytest.mark.parametrize(("mode", "step"), CASES)
def test_killed(mode: str, step: str, properties: dict[str, str], tmp_path: Path) -> None:
    killed(mode, step, properties, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize(("mode", "step"), OTHERS)
def test_killed_at_any_step(mode: str, step: str, properties: dict[str, str], tmp_path: Path) -> None:
    killed(mode, step, properties, tmp_path)


@pytest.mark.parametrize("losing", [1, pytest.param(5, marks=pytest.mark.long)])
def test_uploads_whose_answers_are_lost(
    losing: int, store: dict[str, str], properties: dict[str, str], tmp_path: Path
) -> None:
    """The store has the file, and nobody says so: it is uploaded again, or the load fails and a plain one follows."""
    addresses = [properties.get(name) for name in ("s3.endpoint", "gcs.service.host")]
    addresses.append(properties.get("adls.connection-string", "").partition("BlobEndpoint=")[2])
    port = next(filter(None, (urlsplit(address or "").port for address in addresses)))
    with outside_proxy(port, UPLOADS[store["name"]]) as proxy:
        other = f"127.0.0.1:{proxy.port}"
        catalog = catalog_in(
            tmp_path, {name: text.replace(f"127.0.0.1:{port}", other) for name, text in properties.items()}
        )
        replace(catalog, day(1), rows(day(1), 70))
        for count in (900, 500):
            before = held(catalog, [day(0)]).num_rows
            lost = proxy.lose(losing)
            try:
                replace(catalog, day(0), rows(day(0), count))
            except StorageError:
                # Google's emulator forgets an upload with its end, so that its client cannot ask for the answer again.
                assert losing > 1 or store["name"] == "gcs"
                assert held(catalog, [day(0)]).num_rows == before
                replace(catalog, day(0), rows(day(0), count))
            assert proxy.lose(0) == lost + losing
            assert held(catalog, [day(0)]).num_rows == count
            assert held(catalog).num_rows == count + 70
        files = [each.file.file_path for each in table(catalog).scan().plan_files()]
        assert len(files) == len(set(files))
        assert len(table(catalog).metadata.snapshots) == 3
