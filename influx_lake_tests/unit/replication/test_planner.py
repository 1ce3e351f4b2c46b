"""What is due of many measurements, in looks of bounded length."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pyiceberg.catalog import Catalog

from influx_lake.replication.planner import Planner
from influx_lake_tests.unit.replication.fake_source import FakeSource
from influx_lake_tests.unit.replication.loading import CPU, day, load

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


def test_a_table_that_has_everything_is_not_asked_about_again(catalog: Catalog, source: FakeSource) -> None:
    source.put(day(0), 5)
    for number in range(2):
        load(source, catalog, day(number))
    planner = Planner(cpu_seconds=60)
    assert planner.due(catalog, (CPU,), NOW) == []
    catalog.drop_table(CPU.identifier)
    assert planner.due(catalog, (CPU,), NOW + timedelta(minutes=5)) == [], "it is remembered"
    assert len(planner.due(catalog, (CPU,), NOW + timedelta(hours=2))) == 2, "for an hour"
