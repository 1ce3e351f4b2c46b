"""What was ever written to a table, in the table."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException

from influx_lake import recorder
from influx_lake.iceberg.table_state.totals import BATCH_BOUNDS, PROPERTY, Totals, totals_of
from influx_lake_tests.unit.iceberg.interfering import Interfering
from influx_lake_tests.unit.iceberg.tables import day, replace, rows, table


def file(rows: int, size: int) -> Any:
    return SimpleNamespace(record_count=rows, file_size_in_bytes=size)


def metadata(properties: dict[str, str]) -> Any:
    return SimpleNamespace(properties=properties, table_uuid="a")


files = st.builds(file, st.integers(0, 10**10), st.integers(0, 10**12))


@given(st.lists(st.lists(files, max_size=4), max_size=20))
def test_they_add_up_and_are_read_as_they_are_written(commits: list[list[Any]]) -> None:
    totals = Totals()
    for added in commits:
        totals = totals.adding(added)
        assert totals_of(metadata({PROPERTY: str(totals)})) == totals
    every = [each for added in commits for each in added]
    assert totals.rows == sum(each.record_count for each in every)
    assert (totals.commits, totals.files) == (len(commits), len(every))
    for number, bound in enumerate(BATCH_BOUNDS):
        at_most = sum(sum(each.record_count for each in added) <= bound for added in commits)
        assert sum(totals.batches[: number + 1]) == at_most


@pytest.mark.parametrize("text", ["", "7", "{}", "[1,2]", "[1,2,3,4,[1]]", "[1,0,0,0,[0,0,0,0,0,0,0,0,0,2]]", "["])
def test_what_others_wrote_there_counts_as_nothing(text: str) -> None:
    assert totals_of(metadata({PROPERTY: text})) == Totals()


def test_those_of_the_table_that_this_one_is_a_copy_of_are_not_its_own() -> None:
    written = str(Totals().adding([file(1, 1)]))
    assert totals_of(metadata({PROPERTY: written, "influx-lake.table-uuid": "b"})) == Totals()


def test_a_commit_that_is_tried_again_counts_once_and_its_conflict_too(catalog: Catalog) -> None:
    counted: list[str] = []

    class Counts:
        def count(self, name: str, by: float, labels: dict[str, str]) -> None:
            counted.append(name)

        def compared(self, *told: Any) -> None: ...

        def loaded(self, *told: Any) -> None: ...

    replace(catalog, day(0), rows(day(0), 3))
    Interfering(catalog).before = [CommitFailedException("another was first")]
    with recorder.recorded_by(Counts()):
        replace(catalog, day(0), rows(day(0), 4))
    Interfering(catalog).after = [CommitStateUnknownException("no answer, though it took place")]
    replace(catalog, day(1), rows(day(1), 5))
    totals = totals_of(table(catalog).metadata)
    assert (totals.commits, totals.rows) == (3, 12)
    assert counted.count("commit_conflicts") == 1
