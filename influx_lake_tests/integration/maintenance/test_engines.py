"""Tables that Spark and Trino maintain: the same figures, and what is known of the tables outlives each of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from influx_lake.iceberg.table_state.lineage import last_commit
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.iceberg.catalogs.java_server import apache_rest_catalog, iceberg_jar, spark_jars
from influx_lake_tests.integration.maintenance.engine_lake import DAYS, HOURS, ROWS, EngineLake
from testbed.spark_jvm import end_spark_jvm
from testbed.trino_server import trino_server
from testbed.waiting import wait_until

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(600)]

NAMES = {"compacted": {}, "sorted": {"write": {"sort_by": ["host", "time"]}}, "expired": {}, "orphaned": {}, "dry": {}}


@pytest.fixture(scope="module", params=["spark", "trino"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineLake]:
    folder = tmp_path_factory.mktemp(request.param)
    with Sandbox() as box, apache_rest_catalog(folder, "file://") as catalog:
        if request.param == "trino":
            with trino_server(folder, catalog) as address:
                yield EngineLake.made(folder, box, catalog, "trino", {"trino": {"host": address}}, NAMES)
        else:
            spark_jars()
            conf = {
                "spark.master": "local[2]",
                "spark.jars": str(iceberg_jar()),
                "spark.driver.memory": "1g",
                "spark.driver.host": "127.0.0.1",
                "spark.driver.bindAddress": "127.0.0.1",
                "spark.ui.enabled": "false",
                "spark.ui.showConsoleProgress": "false",
                "spark.log.level": "OFF",
                "spark.sql.shuffle.partitions": "2",
                "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
                "spark.sql.catalog.main": "org.apache.iceberg.spark.SparkCatalog",
                "spark.sql.catalog.main.type": "rest",
                "spark.sql.catalog.main.uri": catalog,
                "spark.sql.catalog.main.cache-enabled": "false",
            }
            yield EngineLake.made(folder, box, catalog, "spark", {"spark": {"conf": conf, "catalog": "main"}}, NAMES)
            end_spark_jvm()


@pytest.fixture
def lake(made: EngineLake, capsys: pytest.CaptureFixture[str]) -> EngineLake:
    made.capsys = capsys
    return made


def test_small_files_become_one_for_each_day(lake: EngineLake) -> None:
    lake.fill("compacted")
    before = lake.rows("compacted")

    done = lake.maintain("compacted", "--only", "compact")

    assert (done["before"]["data_files"], done["after"]["data_files"]) == (DAYS * HOURS, DAYS)
    assert done["before"]["rows"] == done["after"]["rows"] == DAYS * HOURS * ROWS
    assert (done["done"]["files_removed"], done["done"]["files_added"]) == (DAYS * HOURS, DAYS)
    assert lake.rows("compacted") == before
    table = lake.table("compacted")
    assert str(table.metadata.current_snapshot_id) == done["snapshot_id"]
    # Ours, so that the fast path holds.
    assert last_commit(table.metadata) == table.metadata.current_snapshot_id
    lake.assert_known("compacted")
    # Nothing is left to do, so that the engine is not asked.
    assert lake.maintain("compacted", "--only", "compact")["statements"] == []
    # An hour of a compacted day is loaded again as ever.
    hour = lake.start + timedelta(hours=1)
    lake.load("compacted", hour.isoformat(), (hour + timedelta(hours=1)).isoformat())
    assert lake.rows("compacted") == before
    lake.assert_known("compacted")


def test_the_order_of_the_table_is_kept(lake: EngineLake) -> None:
    lake.fill("sorted")

    lake.maintain("sorted", "--only", "compact")

    assert len(lake.files("sorted")) == DAYS
    for path in lake.files("sorted"):
        rows = pq.read_table(path.removeprefix("file://"), columns=["host", "time"]).to_pylist()
        assert rows == sorted(rows, key=lambda row: (row["host"], row["time"]))


def test_what_is_known_outlives_the_snapshots_of_the_loads(lake: EngineLake) -> None:
    lake.fill("expired")
    loaded = lake.files("expired")
    manifests = lake.maintain("expired", "--only", "rewrite_manifests")
    assert manifests["after"]["manifests"] < manifests["before"]["manifests"] == DAYS * HOURS
    lake.assert_known("expired")
    lake.maintain("expired", "--only", "compact")
    # Snapshots are older than a second when it is asked.
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        lake.assert_known("expired")

    done = lake.maintain("expired", "--only", "expire_snapshots")

    assert done["after"]["snapshots"] == 1
    assert done["done"]["snapshots_expired"] == done["before"]["snapshots"] - 1
    assert not [path for path in loaded if Path(path.removeprefix("file://")).exists()]
    lake.assert_known("expired")
    assert lake.maintain("expired", "--only", "expire_snapshots")["statements"] == []


def test_orphans_go_and_nothing_else(lake: EngineLake) -> None:
    lake.fill("orphaned")
    needed = lake.on_disk("orphaned")
    data = Path(lake.files("orphaned")[0].removeprefix("file://")).parent
    old, young = data / "old.parquet", data / "young.parquet"
    for orphan in (old, young):
        orphan.write_bytes(b"PAR1")
    past = time.time() - 3 * 86400
    os.utime(old, (past, past))

    done = lake.maintain("orphaned", "--only", "remove_orphans")

    assert not old.exists()
    assert young.exists()
    assert needed <= lake.on_disk("orphaned")
    assert done["statements"]
    lake.assert_known("orphaned")


def test_a_dry_run_tells_the_statement_and_changes_nothing(lake: EngineLake) -> None:
    lake.fill("dry")
    snapshots = lake.table("dry").metadata.snapshots
    wait_until(lambda: time.time() * 1_000 > snapshots[-1].timestamp_ms + 1_000, "snapshots of over a second ago")
    before = lake.table("dry").metadata_location

    _, told = lake.tell("maintain", "dry", "--dry-run")

    said = {each["kind"]: " ".join(each["statements"]) for each in told["maintained"]}
    name = {"trino": '"warehouse"."telemetry"."dry"', "spark": "`telemetry`.`dry`"}[lake.engine]
    for kind in ("compact", "rewrite_manifests", "expire_snapshots", "remove_orphans"):
        assert name in said[kind], kind
    assert said["metadata"] == ""
    assert lake.table("dry").metadata_location == before
