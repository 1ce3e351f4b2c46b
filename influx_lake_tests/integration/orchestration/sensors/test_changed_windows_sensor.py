"""A late point is told by the plugin inside the database, and its window is loaded: without looking for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from influx_lake.engine import influx_lake_changes
from influx_lake.orchestration.automation.changed_windows import PACE, changed_windows_sensor
from influx_lake.replication.changes.change import Told
from influx_lake.replication.changes.change_intake import ARRIVING, note_changes
from influx_lake.replication.changes.journal import ChangeJournal
from influx_lake.sandbox import Sandbox
from influx_lake.sources import open_source
from influx_lake_tests.integration.orchestration.automated_lake import DATABASE, DAY, START, asked
from influx_lake_tests.integration.orchestration.sensors.sensed_lake import SensedLake
from testbed.processing_engine import ProcessingEngine

pytestmark = pytest.mark.slow


@dataclass
class ToldLake(SensedLake):
    """The lake, with the plugin inside its source."""

    engine: ProcessingEngine = field(init=False)

    def tick(self, later: timedelta = timedelta()) -> SensorExecutionData:  # type: ignore[override]
        """Tick, as if it was later than it is."""
        return self.evaluate(changed_windows_sensor(self.lake, clock=lambda: datetime.now(UTC) + later))

    def write_late(self, *moments: datetime, measurement: str = "cpu") -> None:
        """Write late points, which the database gives the plugin at its next WAL flush."""
        self.write_at(*moments, measurement=measurement)
        rows = [{"host": "late", "usage": 1.0, "time": int(moment.timestamp() * 10**6) * 1_000} for moment in moments]
        self.engine.flush(**{measurement: rows})

    @property
    def journal(self) -> ChangeJournal:
        return ChangeJournal.of(self.lake.root)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[], ToldLake]]:
    """A lake with five days of cpu loaded, which nothing compares with its source."""
    with Sandbox() as box, dg.DagsterInstance.ephemeral() as instance:

        def made() -> ToldLake:
            (tmp_path / "token").write_text(str(box.token))
            source = {
                "host": box.url,
                "database": DATABASE,
                "token": f"${{file:{tmp_path}/token}}",
                "changes": {},
                "retry": {"budget": "1s"},
            }
            options = {"sources": {"default": source}, "measurements": {"cpu": {"reconcile": "off"}}}
            lake = ToldLake(box, tmp_path, instance, options)
            lake.engine = ProcessingEngine(
                Path(influx_lake_changes.__file__),
                {"database": DATABASE, "source": "default"},
                lambda lines: box.write(DATABASE, lines),
            )
            lake.write(1, 2, 3, 4, 5, measurements=["cpu"])
            lake.load("2026-01-01", "2026-01-05")
            return lake

        yield made


def test_a_late_point_is_loaded_as_the_plugin_tells_it(make: Callable[[], ToldLake]) -> None:
    lake = make()
    assert "no source reported" in str(lake.tick().skip_message)
    lake.write_late(START + 1.2 * DAY)
    data = lake.tick()
    assert asked(data.run_requests or []) == [("changed", "cpu", "01-02/01-03")]
    # A daemon that dies before the run: the change is kept.
    assert len(lake.journal.pending()) == 1
    assert asked(lake.tick().run_requests or []) == [("changed", "cpu", "01-02/01-03")]
    lake.run_all(data.run_requests)
    assert lake.rows() == 11
    assert (lake.tick().run_requests, lake.journal.pending()) == ([], [])
    # The plugin's table is not a measurement, and its rows are read again and not told again.
    assert lake.tick().run_requests == []
    with closing(open_source(lake.lake.source("default"))) as source:
        assert source.measurements() == ["cpu"]


def test_points_that_come_while_a_window_is_loaded_are_loaded_after_it(make: Callable[[], ToldLake]) -> None:
    lake = make()
    lake.write_late(START + 1.2 * DAY)
    requests = lake.tick().run_requests
    # This one may come too late for the run that is asked for: it began before.
    lake.run_all(requests)
    lake.write_late(START + 1.4 * DAY)
    assert lake.tick().run_requests == [], "it was loaded just now"
    assert asked(lake.tick(PACE).run_requests or []) == [("changed", "cpu", "01-02/01-03")]
    lake.run_all(lake.tick(PACE).run_requests)
    assert (lake.rows(), lake.tick().run_requests, lake.journal.pending()) == (12, [], [])


def test_a_run_of_anybody_else_acknowledges_what_it_loads(make: Callable[[], ToldLake]) -> None:
    lake = make()
    lake.write_late(START + 1.2 * DAY, START + 3.2 * DAY)
    assert len(asked(lake.tick().run_requests or [])) == 2
    # A schedule's run, or one that somebody started: the sensor does not have to see it.
    lake.load("2026-01-02", "2026-01-03")
    assert [each.window.start.day for each in lake.journal.pending()] == [4]
    assert asked(lake.tick().run_requests or []) == [("changed", "cpu", "01-04/01-05")]


def test_windows_that_are_not_due_are_left_to_the_schedules(make: Callable[[], ToldLake]) -> None:
    lake = make()
    now = datetime.now(UTC)
    lake.write_late(now, now + timedelta(days=400))
    lake.write_late(START - 3 * DAY)
    lake.write_late(START + 0.5 * DAY, measurement="of_nobody")
    assert lake.tick().run_requests == []
    assert (lake.journal.pending(), lake.journal.heard().keys()) == ([], {"default"})


def test_a_run_that_fails_is_tried_again_and_its_change_kept(make: Callable[[], ToldLake]) -> None:
    lake = make()
    lake.write_late(START + 2.5 * DAY)
    [request] = lake.tick().run_requests or ()
    lake.box.faults.update(unavailable=100)
    assert not lake.run(request).success
    lake.box.faults.clear()
    assert lake.tick().run_requests == [], "what failed waits"
    assert len(lake.journal.pending()) == 1
    lake.run_all(lake.tick(timedelta(minutes=2)).run_requests)
    assert (lake.rows(), lake.tick().run_requests, lake.journal.pending()) == (11, [], [])


def test_a_source_that_is_away_keeps_nothing_from_what_was_told_otherwise(make: Callable[[], ToldLake]) -> None:
    lake = make()
    day = int((START + 3.5 * DAY).timestamp()) * 10**9
    note_changes(lake.lake, lake.journal, "default", [Told("cpu", day, day, 1)], datetime.now(UTC))
    lake.box.faults.update(unavailable=100)
    assert lake.tick().run_requests == [], "the source may not have it yet"
    assert asked(lake.tick(ARRIVING).run_requests or []) == [("changed", "cpu", "01-04/01-05")]
