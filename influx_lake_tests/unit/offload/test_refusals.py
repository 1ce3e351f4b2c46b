"""What keeps windows at their source, and what loads and rollbacks may do where windows are deleted there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import GreaterThanOrEqual

from influx_lake.config import Lake, Measurement, load_lake
from influx_lake.config.connections import InfluxDB3Config
from influx_lake.config.values.windows import Window
from influx_lake.errors import AuthenticationFailed, CatalogRefused, ConfigurationError, OffloadedRowsMissing
from influx_lake.iceberg.proofs.offloaded import PROPERTY, offloaded_from
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.offload.conditions import measurement_objection
from influx_lake.offload.offload_run import Offloading, Outcome, Result
from influx_lake.offload.planning import OffloadPlan, plan_offload
from influx_lake.replication.comparison.compare_windows import Depth
from influx_lake.replication.comparison.verify import verify
from influx_lake.replication.history.rollback import planned_rollback
from influx_lake.replication.proof.certificate import certified, failed_checks
from influx_lake.replication.removed.offloaded import check_held, is_offloaded
from influx_lake.replication.window import replicate_window
from influx_lake.sources.deleting import open_deletion
from influx_lake.sources.deleting.influxdb2 import content
from influx_lake_tests.unit.offload.fired_source import FiredSource, timed_out
from influx_lake_tests.unit.transforms.memory_source import DAY, at

HEAD = """\
sources: {default: {type: influxdb1, host: 'http://127.0.0.1:1', database: telemetry}}
catalog: {type: sql, uri: 'sqlite:///./c.db', warehouse: ./w}
"""
NEXT = Window(DAY.end, DAY.end + timedelta(days=1))


def declared(folder: Path, measurements: str) -> Lake:
    (folder / "lake.yaml").write_text(f"{HEAD}measurements: {measurements}\n")
    return load_lake(folder / "lake.yaml")


@pytest.mark.parametrize(
    ("measurements", "why"),
    [
        ("{cpu: {}}", "lake.yaml does not say so"),
        ("{cpu: {offload: {}}, again: {measurement: cpu, table: b}}", "again loads the same measurement"),
        ("{cpu: {offload: {}, where: \"host <> 'x'\"}}", "where"),
        ("{cpu: {offload: {}, fields: {exclude: [busy]}}}", "fields"),
        ("{cpu: {offload: {}, tags: {exclude: [host]}, duplicates: last}}", "tags, duplicates"),
        ("{cpu: {offload: {}, map: {text: {a: b}}}}", "map"),
        ("{cpu: {offload: {}, nanoseconds: truncate}}", "nanoseconds: truncate"),
        ("{cpu: {offload: {}, erased: [{where: \"host = 'x'\"}]}}", "erased"),
        ("{cpu: {offload: {}, layout: long}}", "layout: long"),
        ("{cpu: {offload: {}, rename: {host: node}, computed: {double: busy * 2}}}", None),
        ("{cpu: {offload: {lossy: true}, where: \"host <> 'x'\"}}", None),
    ],
)
def test_what_lake_yaml_says_against_it(tmp_path: Path, measurements: str, why: str | None) -> None:
    lake = declared(tmp_path, measurements)
    said = measurement_objection(lake, lake.measurements[0])
    assert (said is None) if why is None else (said is not None and why in said)


def test_a_retention_that_is_shorter_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="would be nowhere"):
        declared(tmp_path, "{cpu: {offload: {after: 90d}, retention: {keep: 60d}}}")


def test_influxdb_3_says_what_can_be_done_instead() -> None:
    config = InfluxDB3Config(host="http://127.0.0.1:1", database="telemetry")
    said = open_deletion(config).objection("cpu", DAY)
    assert said is not None
    assert "--retention-period" in said


def test_influxdb_2_is_asked_for_the_last_nanosecond_of_the_window_and_no_more() -> None:
    assert content('c"p', DAY) == {
        "start": "2026-01-01T00:00:00.000000Z",
        "stop": "2026-01-01T23:59:59.999999999Z",
        "predicate": '_measurement="c\\"p"',
    }


@dataclass
class Offloaded:
    """A measurement of two days, the first of which is deleted at its source."""

    lake: Lake
    catalog: Catalog
    source: FiredSource

    @property
    def cpu(self) -> Measurement:
        return self.lake.measurements[0]

    def load(self, window: Window) -> None:
        replicate_window(self.source, self.catalog, self.cpu, window, run_id="1")

    def plan(self) -> OffloadPlan:
        return plan_offload(self.lake, self.catalog, self.source, self.cpu, datetime.now(UTC))

    def run(self) -> list[Result]:
        offloading = Offloading(self.lake, self.catalog, self.source, self.source, self.cpu, "1")
        return [*offloading.run(self.plan())]

    @property
    def table(self) -> Any:
        return find_table(self.catalog, self.cpu.identifier)

    def rows(self) -> int:
        return len(self.table.scan().to_arrow())

    def check(self) -> Any:
        """What an auditor is told of the day that is deleted at its source."""
        entry = certified(self.catalog, self.cpu, [DAY], check=True)
        [gone] = entry["offloaded"]
        assert failed_checks({"measurements": [entry]}) == (
            [] if gone["check"]["holds"] else [f"cpu {gone['start']}/{gone['end']}: {gone['check']['message']}"]
        )
        return gone["check"]


@pytest.fixture
def lake(catalog: Catalog, tmp_path: Path) -> Offloaded:
    made = Offloaded(declared(tmp_path, "{cpu: {offload: {after: 1d}, on_shrink: replace}}"), catalog, FiredSource())
    for second in range(10):
        made.source.write({"time": at(second), "host": "a", "busy": 1.0})
        made.source.write({"time": at(second) + 86_400 * 10**9, "host": "a", "busy": 1.0})
    for window in (DAY, NEXT):
        made.load(window)
    verify(made.source, catalog, made.cpu, [DAY], depth=Depth.VALUES)
    return made


def test_only_what_is_proved_is_deleted_and_loads_take_nothing(lake: Offloaded) -> None:
    [refused] = lake.plan().refused
    assert (refused.window, "not proved" in refused.why) == (NEXT, True)
    assert [(each.window, each.outcome) for each in lake.run()] == [(DAY, Outcome.DELETED)]
    assert len(lake.source.rows) == 10
    lake.load(DAY)
    replicate_window(lake.source, lake.catalog, lake.cpu.replacing_all(), DAY, run_id="1")
    assert lake.rows() == 20
    assert (is_offloaded(lake.table, DAY), is_offloaded(lake.table, NEXT)) == (True, False)
    assert lake.plan().is_empty
    found = verify(lake.source, lake.catalog, lake.cpu, [DAY, NEXT])
    assert (found.is_equal, found.keeping, [each.window for each in found.offloaded]) == (True, [], [DAY])


def test_points_that_came_since_the_proof_keep_the_window_where_it_is(lake: Offloaded) -> None:
    plan = lake.plan()
    lake.source.write({"time": at(3), "host": "b", "busy": 1.0})
    offloading = Offloading(lake.lake, lake.catalog, lake.source, lake.source, lake.cpu, "1")
    [result] = offloading.run(plan)
    assert (result.outcome, len(lake.source.rows)) == (Outcome.REFUSED, 21)
    assert "lacks 1 row" in result.remark
    assert offloaded_from(lake.table) == ()


def test_a_source_that_refuses_to_delete_leaves_all_as_it_was(lake: Offloaded) -> None:
    def refuse(delete: Any) -> None:
        raise AuthenticationFailed("the user may not delete", remedy="Grant it the right to write")

    lake.source.on_delete = refuse
    with pytest.raises(AuthenticationFailed):
        lake.run()
    assert (offloaded_from(lake.table), len(lake.source.rows)) == ((), 20)
    lake.source.on_delete = lambda delete: delete(1.0)
    assert [each.outcome for each in lake.run()] == [Outcome.DELETED]


def test_a_deletion_without_an_answer_is_gone_on_with(lake: Offloaded) -> None:
    def half(delete: Any) -> None:
        delete(0.5)
        raise timed_out()

    lake.source.on_delete = half
    assert [each.outcome for each in lake.run()] == [Outcome.UNFINISHED]
    lake.source.on_delete = lambda delete: delete(1.0)
    # A late point, and a load that would replace rows by what the source has left.
    lake.source.write({"time": at(1), "host": "late", "busy": 1.0})
    lake.load(DAY)
    assert lake.rows() == 21
    assert [each.outcome for each in lake.run()] == [Outcome.DELETED]
    assert (lake.rows(), len(lake.source.rows)) == (21, 10)


def test_one_run_deletes_no_more_than_its_limits(catalog: Catalog, tmp_path: Path) -> None:
    lake = Offloaded(declared(tmp_path, "{cpu: {offload: {after: 1d, most_rows: 25}}}"), catalog, FiredSource())
    windows = [Window(DAY.start + timedelta(days=each), DAY.end + timedelta(days=each)) for each in range(4)]
    for number, window in enumerate(windows):
        for second in range(10):
            lake.source.write({"time": at(second) + number * 86_400 * 10**9, "host": "a", "busy": 1.0})
        lake.load(window)
    verify(lake.source, catalog, lake.cpu, windows, depth=Depth.VALUES)
    plan = lake.plan()
    assert ([window for window, _ in plan.windows], plan.rows, plan.waiting) == (windows[:2], 20, 2)


def test_a_table_that_others_set_back_is_not_loaded_from_an_empty_source(lake: Offloaded) -> None:
    lake.run()
    first = lake.table.metadata.snapshots[0].snapshot_id
    lake.catalog.load_table(lake.cpu.identifier).manage_snapshots().set_current_snapshot(snapshot_id=first).commit()
    with pytest.raises(OffloadedRowsMissing, match="influx_lake_offload_"):
        lake.load(DAY)
    with pytest.raises(OffloadedRowsMissing, match="no longer holds it"):
        verify(lake.source, lake.catalog, lake.cpu, [DAY])
    assert any("no longer holds it" in each.why for each in lake.plan().refused)


def test_a_rollback_that_would_take_such_rows_is_refused(lake: Offloaded) -> None:
    first = lake.table.metadata.snapshots[0].snapshot_id
    lake.run()
    with pytest.raises(OffloadedRowsMissing, match="nothing was done"):
        planned_rollback(lake.catalog, [lake.cpu], first, datetime.now(UTC))


def test_a_property_that_others_spoiled_stops_loads(lake: Offloaded) -> None:
    lake.run()
    with lake.catalog.load_table(lake.cpu.identifier).transaction() as change:
        change.set_properties({PROPERTY: "{"})
    with pytest.raises(CatalogRefused, match="is damaged: which of its rows were deleted at their source is unknown"):
        lake.load(NEXT)


@pytest.mark.parametrize("expires", [False, True])
def test_what_was_deleted_at_the_source_is_digested_again(lake: Offloaded, *, expires: bool) -> None:
    lake.run()
    assert (lake.check()["holds"], lake.check()["message"]) == (True, "the digest is the same")
    lake.source.write({"time": at(11), "host": "a", "busy": 2.0})
    lake.load(DAY)
    if expires:
        expire(lake)
    assert lake.check()["holds"]
    lake.table.delete(GreaterThanOrEqual("time", "2026-01-01T00:00:05+00:00"))
    if expires:
        # Else the snapshot that was proved has them still.
        assert (lake.check()["holds"], lake.check()["rows"]) == (False, 5)
        with pytest.raises(OffloadedRowsMissing):
            check_held(lake.cpu, lake.table)
    else:
        assert lake.check()["holds"]


def expire(lake: Offloaded) -> None:
    [entry] = offloaded_from(lake.table)
    with lake.table.manage_snapshots() as change:
        change.remove_tag(entry.tag)
    with lake.table.maintenance.expire_snapshots() as change:
        change.by_id(entry.snapshot_id)
