"""Small files that could be few: only those of time that is over count, as compaction counts them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pyiceberg.catalog import Catalog

from influx_lake.checks.small_files import small_files
from influx_lake.checks.subject import Subject
from influx_lake_tests.unit.checks.subjects import subject
from influx_lake_tests.unit.replication.fake_source import FakeSource
from influx_lake_tests.unit.replication.loading import SCHEME, day, hours, load


def loaded(catalog: Catalog, **checks: object) -> Subject:
    """A day in six files and another one in one."""
    source = FakeSource()
    source.put(day(0, 2), 96)
    for hour in range(0, 24, 4):
        load(source, catalog, hours(hour, hour + 4))
    load(source, catalog, day(1))
    return subject(catalog, source, **checks)


def test_nothing_is_loaded_yet(catalog: Catalog) -> None:
    assert small_files(subject(catalog, FakeSource())).passed


def test_more_than_may_wait(catalog: Catalog) -> None:
    found = small_files(loaded(catalog, small_files={"most": 5}))
    assert not found.passed
    assert found.figures == {"waiting": 6, "partitions": 1, "young": 0}
    assert found.message == (
        "6 small files can be merged in time_day=2026-01-01, and 5 may wait. Compact them: "
        "influx-lake maintain cpu --only compact"
    )


def test_as_many_as_may_wait(catalog: Catalog) -> None:
    found = small_files(loaded(catalog, small_files={"most": 6}))
    assert (found.passed, found.message) == (True, "6 small files can be merged")


def test_those_of_time_that_is_still_loaded_do_not_count(catalog: Catalog) -> None:
    of = loaded(catalog, small_files={"most": 0})
    # The day is over for two hours, and the measurement's lag.
    midnight = SCHEME.start + timedelta(days=1)
    young = small_files(replace(of, now=midnight + timedelta(hours=2, minutes=9)))
    assert (young.passed, young.figures["waiting"], young.figures["young"]) == (True, 0, 7)
    assert not small_files(replace(of, now=midnight + timedelta(hours=2, minutes=10))).passed


def test_where_compaction_is_off_nobody_is_told_to_run_it(catalog: Catalog) -> None:
    of = loaded(catalog, small_files={"most": 0})
    found = small_files(replace(of, measurement=replace(of.measurement, maintenance=None)))
    assert not found.passed
    assert found.message.endswith("`compact` is off for it: switch it on, or have another engine do it")
