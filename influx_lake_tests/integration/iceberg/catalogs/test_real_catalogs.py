"""Commits to catalogs as other projects make them: Iceberg's own REST catalog, and a Hive Metastore."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace as changed
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config import WriteOptions
from influx_lake.config.tables.sort_order import SortTerm
from influx_lake.config.tables.table_layout import PartitionTerm
from influx_lake.errors import AuditFailed, CatalogRefused, DataRefused
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.history.refs import create_ref, drop_ref
from influx_lake.iceberg.history.rollback import roll_back, snapshot_at
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.table_state import table_state
from influx_lake_tests.integration.iceberg.catalogs.java_server import apache_rest_catalog, hive_metastore
from influx_lake_tests.integration.iceberg.lost_answers import LosingProxy, losing_proxy
from influx_lake_tests.unit.iceberg.history.test_audited_load import failed, load, names
from influx_lake_tests.unit.iceberg.staging.test_staged import failing, with_level
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, TARGET, day, held, replace, rows, table
from testbed.loads import load_of

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(300)]

HIVE_2 = {"hive.hive2-compatible": "true"}


@pytest.fixture(scope="module", params=["rest (Apache Iceberg's own)", "hive metastore"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("catalog")
    # A commit whose answer is lost leaves Hive's lock behind.
    hive = request.param.startswith("hive")
    with hive_metastore(folder, lock_seconds=5) if hive else apache_rest_catalog(folder) as address:
        yield address


@pytest.fixture
def proxy(address: str) -> Iterator[LosingProxy]:
    commit = b"alter_table" if address.startswith("thrift") else b"POST /v1/namespaces/telemetry/tables/cpu"
    with losing_proxy(urlsplit(address).port or 0, commit) as proxy:
        yield proxy


@pytest.fixture
def catalog(address: str, proxy: LosingProxy) -> Iterator[Catalog]:
    uri = f"{urlsplit(address).scheme}://127.0.0.1:{proxy.port}"
    options = {"type": "hive", **HIVE_2} if uri.startswith("thrift") else {"type": "rest"}
    catalog = open_catalog("lake", {**options, "uri": uri})
    yield catalog
    with ExitStack() as stack:
        stack.callback(catalog.drop_namespace, ("telemetry",))
        stack.callback(catalog.drop_table, TARGET.identifier)


def test_windows_are_replaced(catalog: Catalog) -> None:
    for number in (0, 1):
        replace(catalog, day(number), rows(day(number), 50))

    commit = replace(catalog, day(0), rows(day(0), 20))

    assert (commit.previous_rows, commit.rows, commit.total_rows) == (50, 20, 70)
    assert held(catalog).num_rows == 70
    assert len(table(catalog).metadata.snapshots) == 3


def test_columns_and_layout_change_with_their_rows_or_not_at_all(catalog: Catalog) -> None:
    wrong = rows(day(0), 5).set_column(2, "value", pa.array(["x"] * 5)).append_column("typo", pa.array([1] * 5))
    with pytest.raises(DataRefused, match="the last row"):
        replace_window(load_of(catalog, TARGET, failing(wrong), day(0), PROVENANCE))
    replace(catalog, day(0), rows(day(0), 50))
    assert table(catalog).schema().column_names == ["time", "host", "value", "count"]

    before = table(catalog).metadata_location
    target = changed(
        TARGET,
        partition=(PartitionTerm("bucket", "host", 4),),
        properties={"team": "platform"},
        write=WriteOptions(sort_by=(SortTerm("level"),)),
    )
    more = with_level(rows(day(1), 20))
    with pytest.raises(DataRefused, match="the last row"):
        replace_window(load_of(catalog, target, failing(more), day(1), PROVENANCE))
    assert table(catalog).metadata_location == before
    with table(catalog).update_schema() as update:
        update.rename_column("time", "ts")
    replace(catalog, day(1), more, target=target)
    replace(catalog, day(0), rows(day(0), 30), target=target)

    after = table(catalog)
    assert ([str(field.transform) for field in after.spec().fields], after.properties["team"]) == (
        ["bucket[4]"],
        "platform",
    )
    assert after.schema().column_names == ["ts", "host", "value", "count", "level"]
    assert held(catalog).column("level").to_pylist() == [None] * 30 + more.column("level").to_pylist()


@pytest.mark.parametrize("losing", [1, 2])
def test_a_commit_whose_answer_is_lost_is_found_in_the_table(catalog: Catalog, proxy: LosingProxy, losing: int) -> None:
    for number in (0, 1):
        replace(catalog, day(number), rows(day(number), 50))
    proxy.losing = losing

    for number in range(losing):
        replace(catalog, day(number), rows(day(number), 20 + number))

    assert proxy.lost == losing
    assert [held(catalog, [day(number)]).num_rows for number in range(losing)] == [20, 21][:losing]
    found = table(catalog)
    assert len(found.metadata.snapshots) == 2 + losing
    files = [task.file.file_path for task in found.scan().plan_files()]
    assert sorted(files) == sorted(set(files))


def test_hive_2_says_what_it_needs(address: str) -> None:
    if not address.startswith("thrift"):
        pytest.skip("only Hive 2 does not know times with a zone")
    catalog = open_catalog("lake", {"type": "hive", "uri": address})

    with pytest.raises(CatalogRefused, match=r"Hive 2 has no type for times with a zone.*hive\.hive2-compatible: true"):
        replace(catalog, day(0), rows(day(0), 5))

    catalog.drop_table(TARGET.identifier)
    catalog.drop_namespace(("telemetry",))


def test_windows_wait_for_their_checks_on_branches(catalog: Catalog) -> None:
    """Also the first of a table, whose main branch is not there yet."""
    with pytest.raises(AuditFailed):
        load(catalog, day(0), rows(day(0), 50), failed)
    assert held(catalog).num_rows == 0
    load(catalog, day(1), rows(day(1), 20))
    load(catalog, day(0), rows(day(0), 30))
    assert held(catalog).num_rows == 50
    assert table_state(table(catalog)).coverage.holds(day(0, 2))
    assert names(catalog) == set()
    before, now = (entry.snapshot_id for entry in table(catalog).metadata.snapshot_log[-2:])
    create_ref(catalog, TARGET.identifier, "whole", tag=True)
    roll_back(catalog, TARGET.identifier, snapshot_at(table(catalog), before), now)
    assert held(catalog).num_rows == 20
    assert not table_state(table(catalog)).coverage.holds(day(0))
    roll_back(catalog, TARGET.identifier, snapshot_at(table(catalog), "whole"), before)
    assert held(catalog).num_rows == 50
    assert table_state(table(catalog)).changes == ()
    drop_ref(catalog, TARGET.identifier, "whole", tag=True)


def test_windows_are_audited_at_once(catalog: Catalog) -> None:
    """Snapshots are numbered over all branches: two branches are never given the same number."""
    replace(catalog, day(0), rows(day(0), 50))
    properties = dict(catalog.properties)

    def load_some(first: int) -> None:
        own = open_catalog("lake", properties)
        for number in range(first, 9, 4):
            load(own, day(number), rows(day(number), number))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(load_some, range(1, 5)))

    assert held(catalog).num_rows == 86
    assert table_state(table(catalog)).coverage.holds(day(0, 9))
    assert names(catalog) == set()


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_publication_whose_answer_is_lost(catalog: Catalog, proxy: LosingProxy, number: int) -> None:
    replace(catalog, day(0), rows(day(0), 50))

    def audit(_: Catalog) -> list[str]:
        if number > 1:
            proxy.losing = proxy.lost + number - 1
        if number > 2:
            replace(open_catalog("lake", dict(catalog.properties)), day(1), rows(day(1), 7))
        return []

    if number == 1:
        proxy.losing = proxy.lost + 1
    load(catalog, day(0), rows(day(0), 20), audit)
    assert held(catalog, [day(0)]).num_rows == 20
    assert names(catalog) == set()
