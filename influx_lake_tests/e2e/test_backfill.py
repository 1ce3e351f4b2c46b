"""Backfills of a week on a real webserver and daemon."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.sandbox import Sandbox
from influx_lake_tests.e2e.dagster_site import DagsterSite
from influx_lake_tests.e2e.telemetry import DATABASE, MEASUREMENTS, days, rows_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DAYS = days()
TABLES = [[DATABASE, name] for name in MEASUREMENTS]
PARTITIONS = """query($keys: [AssetKeyInput!]) { assetNodes(assetKeys: $keys) { assetKey { path }
  partitionStats { numMaterialized numFailed numPartitions }
  latestMaterializationByPartition(partitions: %s) { partition metadataEntries {
    label ... on IntMetadataEntry { intValue } } } } }"""


def counts_by_day(site: DagsterSite, measurement: str) -> dict[str, int]:
    """The rows of each day, read from the table itself."""
    lake = site.folder / ".lake"
    catalog = open_catalog("lake", {"uri": f"sqlite:///{lake}/catalog.db", "warehouse": f"{lake}/warehouse"})
    table = catalog.load_table((DATABASE, measurement))
    return dict(Counter(str(moment.date()) for moment in table.scan().to_arrow()["time"].to_pylist()))


def row_counts_shown(node: dict[str, Any]) -> dict[str, int]:
    """The rows that the UI plots for each partition."""
    return {
        event["partition"]: entry["intValue"]
        for event in node["latestMaterializationByPartition"]
        for entry in event["metadataEntries"]
        if entry["label"] == "dagster/partition_row_count"
    }


def test_a_week_of_four_measurements_arrives_exactly(site: DagsterSite, sandbox: Sandbox) -> None:
    ended = site.ended(site.backfill(*TABLES, partitions=DAYS), seconds=240)

    assert [run["status"] for run in ended["runs"]] == ["SUCCESS", "SUCCESS"], site.failures(ended["runs"])
    assert ended["status"] == "COMPLETED_SUCCESS", ended
    for name in MEASUREMENTS:
        assert counts_by_day(site, name) == {day: rows_of(name, index) for index, day in enumerate(DAYS)}
    query = PARTITIONS % str(DAYS).replace("'", '"')
    for node in site.ask(query, keys=[{"path": key} for key in TABLES])["assetNodes"]:
        name = node["assetKey"]["path"][1]
        assert node["partitionStats"]["numMaterialized"] == len(DAYS)
        assert node["partitionStats"]["numFailed"] == 0
        assert row_counts_shown(node) == {day: rows_of(name, index) for index, day in enumerate(DAYS)}
    assert sandbox.token is not None
    assert sandbox.token not in site.log(ended["runs"][0]["runId"])


def test_runs_that_write_one_table_at_once_lose_nothing(site: DagsterSite) -> None:
    runs = site.ended_runs(site.launch([DATABASE, "mem"], DAYS), seconds=240)

    assert {run["status"] for run in runs} == {"SUCCESS"}, site.failures(runs)
    assert any(later["startTime"] < earlier["endTime"] for earlier, later in pairwise(runs)), runs
    assert counts_by_day(site, "mem") == {day: rows_of("mem", index) for index, day in enumerate(DAYS)}


def test_the_roll_up_follows_its_measurement(site: DagsterSite) -> None:
    runs = site.ended_runs(site.launch([DATABASE, "cpu_hourly"], DAYS[:2]), seconds=240)

    assert [run["status"] for run in runs] == ["SUCCESS", "SUCCESS"], site.failures(runs)
    assert counts_by_day(site, "cpu_hourly").keys() == set(DAYS[:2])


def test_a_refused_token_is_reported_and_not_shown(site: DagsterSite, sandbox: Sandbox) -> None:
    assert sandbox.token is not None
    sandbox.faults.unauthenticated = True
    try:
        [run] = site.ended_runs(site.launch([DATABASE, "disk"], DAYS[:1]), seconds=240)
    finally:
        sandbox.faults.unauthenticated = False

    assert run["status"] == "FAILURE"
    log = site.log(run["runId"])
    assert "measurement disk, window 2026-01-01T00:00:00Z/2026-01-02T00:00:00Z: " in log
    assert "token" in log
    assert sandbox.token not in log
    assert counts_by_day(site, "disk")[DAYS[0]] == rows_of("disk", 0)
