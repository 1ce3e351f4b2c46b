"""What is due of many measurements, in looks of bounded length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from influx_lake.config import Measurement
from influx_lake.iceberg.catalogs.opening import ListsMetadataFiles
from influx_lake.replication.planning.planner import LOOKS, Planner
from influx_lake.replication.window import replicate_window
from influx_lake_tests.unit.replication.fake_source import FakeSource
from influx_lake_tests.unit.replication.loading import CPU, day

MANY = tuple(replace(CPU, key=f"m{n}", name=f"m{n}", table=f"m{n}") for n in range(5))
NOW = day(2).start + timedelta(hours=1)


def test_a_look_that_takes_too_long_goes_on_the_next_time(catalog: Catalog) -> None:
    planner, seen = Planner(cpu_seconds=0.0), []
    for _ in range(20):
        seen += [each.measurement.name for each in planner.due(catalog, MANY, NOW)]
        if len(set(seen)) == len(MANY):
            break
    assert set(seen) == {each.name for each in MANY}, "each comes to its turn"


def test_each_comes_to_its_turn_where_each_look_has_a_new_process(catalog: Catalog) -> None:
    seen = set()
    for minute in range(12):
        planner = Planner(cpu_seconds=0.0)
        seen |= {each.measurement.name for each in planner.due(catalog, MANY, NOW + timedelta(minutes=minute))}
        assert planner.left == len(MANY) - 1
    assert seen == {each.name for each in MANY}


def test_without_a_bound_all_are_looked_at(catalog: Catalog) -> None:
    planner = Planner(cpu_seconds=60)
    found = planner.due(catalog, MANY, NOW)
    assert sorted(each.measurement.name for each in found) == [each.name for each in MANY for _ in range(2)]
    assert planner.left == 0


class Counting:
    """A catalog that tells how many tables were loaded from it, and lists nothing: as REST, Glue and Hive do."""

    def __init__(self, catalog: Catalog) -> None:
        self.loaded: list[str] = []
        self._catalog = catalog

    def load_table(self, identifier: tuple[str, ...]) -> Table:
        self.loaded.append(identifier[-1])
        return self._catalog.load_table(identifier)

    def __getattr__(self, name: str) -> Any:
        if name == "metadata_files":
            raise AttributeError(name)
        return getattr(self._catalog, name)


class Listing(Counting):
    """The same, which lists its tables' metadata files in one query."""

    def metadata_files(self) -> dict[tuple[str, str], str]:
        assert isinstance(self._catalog, ListsMetadataFiles)
        return self._catalog.metadata_files()


def loaded_whole(source: FakeSource, catalog: Catalog, *measurements: Measurement) -> None:
    for measurement in measurements:
        for number in range(2):
            replicate_window(source, catalog, measurement, day(number), run_id="test")


@pytest.fixture
def points(source: FakeSource) -> FakeSource:
    for number in range(2):
        source.put(day(number), 5)
    return source


def test_a_table_that_has_everything_is_not_read_again(catalog: Catalog, points: FakeSource) -> None:
    loaded_whole(points, catalog, CPU)
    counting, planner = Listing(catalog), Planner()
    for minute in range(3):
        assert planner.due(cast("Catalog", counting), (CPU,), NOW + timedelta(minutes=minute)) == []
    assert counting.loaded == ["cpu"]


def truncate(catalog: Catalog) -> None:
    catalog.load_table(CPU.identifier).delete()


def roll_back(catalog: Catalog) -> None:
    table = catalog.load_table(CPU.identifier)
    table.manage_snapshots().rollback_to_snapshot(table.metadata.snapshots[0].snapshot_id).commit()


@pytest.mark.parametrize(
    ("change", "lost"), [(truncate, 2), (roll_back, 1), (lambda catalog: catalog.drop_table(CPU.identifier), 2)]
)
def test_what_others_took_is_due_at_the_next_look(
    catalog: Catalog, points: FakeSource, change: Callable[[Catalog], None], lost: int
) -> None:
    loaded_whole(points, catalog, CPU)
    planner = Planner()
    assert planner.due(catalog, (CPU,), NOW) == []
    change(catalog)
    assert len(planner.due(catalog, (CPU,), NOW)) == lost
    loaded_whole(points, catalog, CPU)
    assert planner.due(catalog, (CPU,), NOW) == []


def test_where_a_catalog_lists_nothing_each_table_is_read_again_within_ten_looks(
    catalog: Catalog, points: FakeSource
) -> None:
    several = MANY[:2]
    loaded_whole(points, catalog, *several)
    counting, planner = Counting(catalog), Planner()
    asked = cast("Catalog", counting)
    assert planner.due(asked, several, NOW) == []
    catalog.load_table(several[1].identifier).delete()
    found = [planner.due(asked, several, NOW) for _ in range(LOOKS)]
    assert sum(map(bool, found)) > 0
    assert len(counting.loaded) <= 2 + LOOKS + sum(map(bool, found)), "one of two at a time"


def test_tables_that_change_do_not_keep_others_waiting(catalog: Catalog, points: FakeSource) -> None:
    loaded_whole(points, catalog, *MANY[:3])
    planner = Planner()
    assert planner.due(catalog, MANY[:3], NOW) == []
    for each in MANY[:3]:
        catalog.load_table(each.identifier).delete()
    planner.cpu_seconds = 0.0
    seen = set()
    for _ in range(3):
        seen |= {each.measurement.name for each in planner.due(catalog, MANY[:3], NOW)}
    assert seen == {each.name for each in MANY[:3]}


def test_a_table_that_lacks_something_is_not_read_again_before_it_changes(catalog: Catalog, points: FakeSource) -> None:
    loaded_whole(points, catalog, CPU)
    points.put(day(2), 5)
    later = day(3).start + timedelta(hours=1)
    counting, planner = Listing(catalog), Planner()
    asked = cast("Catalog", counting)
    for minute in range(3):
        [due] = planner.due(asked, (CPU,), later + timedelta(minutes=minute))
        assert due.window == day(2)
    assert counting.loaded == ["cpu"]
    replicate_window(points, catalog, CPU, day(2), run_id="test")
    assert planner.due(asked, (CPU,), later) == []
    assert counting.loaded == ["cpu"] * 2


def test_what_had_everything_is_due_when_its_next_window_closed(catalog: Catalog, points: FakeSource) -> None:
    loaded_whole(points, catalog, CPU)
    planner = Planner()
    assert planner.due(catalog, (CPU,), NOW) == []
    closes = day(2).end + CPU.lag
    assert planner.due(catalog, (CPU,), closes - timedelta(seconds=1)) == []
    assert [due.window for due in planner.due(catalog, (CPU,), closes)] == [day(2)]


def test_where_runs_have_no_room_the_newest_windows_are_enough(catalog: Catalog, points: FakeSource) -> None:
    loaded_whole(points, catalog, MANY[0])
    later = day(40).start + timedelta(hours=1)
    per_run = CPU.windows_per_run
    assert per_run > 2

    def found(room: int | None) -> dict[str, int]:
        due = Planner(cpu_seconds=60).due(catalog, MANY, later, room=room)
        return dict(sorted(Counter(each.measurement.name for each in due).items()))

    assert found(0) == dict.fromkeys(("m0", "m1", "m2", "m3", "m4"), 2)
    assert sorted(found(2).values()) == [2, 2, 2, per_run, per_run]
    assert found(None) == {"m0": 38, **dict.fromkeys(("m1", "m2", "m3", "m4"), 40)}, "all of them"


def test_room_is_for_what_was_missed_last(catalog: Catalog, points: FakeSource) -> None:
    later = day(40).start + timedelta(hours=1)
    for each in MANY[:3]:
        for number in range(20, 39):
            points.put(day(number), 1)
            replicate_window(points, catalog, each, day(number), run_id="test")

    due = Planner(cpu_seconds=60).due(catalog, MANY, later, room=2)

    number_of = Counter(each.measurement.name for each in due)
    assert {name for name, number in number_of.items() if number > 2} == {"m3", "m4"}
    assert len(number_of) == len(MANY), "what just closed is found of all"
