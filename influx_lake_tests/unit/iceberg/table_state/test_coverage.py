"""The intervals a table holds, against a set of the hours they are made of."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config.values.windows import Window, parse_moment
from influx_lake.iceberg.table_state.coverage import Coverage, windows_text

START = parse_moment("1969-12-30")


def window(first: int, length: int) -> Window:
    begin = START + timedelta(hours=first)
    return Window(begin, begin + timedelta(hours=length))


windows = st.builds(window, st.integers(0, 100), st.integers(1, 30))


@given(st.lists(windows, max_size=30), windows)
def test_it_holds_what_was_added_and_nothing_else(added: list[Window], asked: Window) -> None:
    coverage = Coverage()
    for one in added:
        coverage = coverage.adding(one)
    loaded = {hour for one in added for hour in hours_of(one)}
    assert coverage.holds(asked) == (hours_of(asked) <= loaded)
    assert coverage.missing(added) == []
    assert Coverage.parse(str(coverage)) == coverage
    assert {hour for interval in coverage.intervals for hour in hours_of(interval)} == loaded


@given(st.lists(windows, max_size=30), windows)
def test_gaps_are_what_is_left_of_a_window(added: list[Window], asked: Window) -> None:
    coverage = Coverage()
    for one in added:
        coverage = coverage.adding(one)
    gaps = coverage.gaps(asked)
    loaded = {hour for one in added for hour in hours_of(one)}
    assert {hour for gap in gaps for hour in hours_of(gap)} == hours_of(asked) - loaded
    assert all(left.end < right.start for left, right in pairwise(gaps))
    assert coverage.adding(None) == coverage


@given(st.lists(windows, max_size=30))
def test_intervals_are_sorted_and_do_not_touch(added: list[Window]) -> None:
    coverage = Coverage()
    for one in added:
        coverage = coverage.adding(one)
    pairs = zip(coverage.intervals, coverage.intervals[1:], strict=False)
    assert all(left.end < right.start for left, right in pairs)


def hours_of(asked: Window) -> set[int]:
    first = (asked.start - START) // timedelta(hours=1)
    return set(range(first, first + (asked.end - asked.start) // timedelta(hours=1)))


class Step(NamedTuple):
    """What happened to a table: a window was loaded, replaced with nothing of it complete, or tailed."""

    what: str
    window: Window


steps = st.lists(st.builds(Step, st.sampled_from(["load", "replace", "tail"]), windows), max_size=20)


@given(steps, windows)
def test_tails_are_kept_apart_from_what_was_loaded(taken: list[Step], asked: Window) -> None:
    coverage, loaded, tailed = Coverage(), set[int](), set[int]()
    for step in taken:
        hours = hours_of(step.window)
        match step.what:
            case "load":
                coverage, loaded = coverage.adding(step.window), loaded | hours
                tailed -= hours
            case "replace":
                coverage, tailed = coverage.replacing(step.window, None), tailed - hours
            case "tail":
                coverage, tailed = coverage.tailing(step.window), (tailed | hours) - loaded
    assert {hour for part in coverage.intervals for hour in hours_of(part)} == loaded
    assert {hour for part in coverage.tails for hour in hours_of(part)} == tailed
    assert {hour for part in coverage.not_tailed(asked) for hour in hours_of(part)} == hours_of(asked) - loaded - tailed
    assert coverage.holds(asked) == (hours_of(asked) <= loaded)
    assert Coverage.parse(str(coverage), windows_text(coverage.tails)) == coverage
    ends = [START + timedelta(hours=hour + 1) for hour in loaded | tailed]
    assert coverage.newest == max(ends, default=None)


@given(steps, st.lists(windows, max_size=5))
def test_time_that_lost_rows_is_neither_loaded_nor_tailed(taken: list[Step], lost: list[Window]) -> None:
    coverage = Coverage()
    for step in taken:
        coverage = coverage.tailing(step.window) if step.what == "tail" else coverage.adding(step.window)
    gone = {hour for one in lost for hour in hours_of(one)}

    left, within = coverage.losing(lost), coverage.within(lost)

    for part, kept, inside in (
        (coverage.intervals, left.intervals, within.intervals),
        (coverage.tails, left.tails, within.tails),
    ):
        before = {hour for each in part for hour in hours_of(each)}
        assert {hour for each in kept for hour in hours_of(each)} == before - gone
        assert {hour for each in inside for hour in hours_of(each)} == before & gone
    held = {hour for each in (*coverage.intervals, *coverage.tails) for hour in hours_of(each)}
    assert {hour for each in coverage.without(left) for hour in hours_of(each)} == held & gone
