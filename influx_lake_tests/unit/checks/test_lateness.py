"""A measurement that is loaded whenever it is due is late for nobody, and one that is not for everybody at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from influx_lake.checks.lateness import longest_pause, next_due
from influx_lake.config import FreshnessOptions
from influx_lake.config.values.windows import Every, Scheme, window_of
from influx_lake.orchestration.assets.freshness_policy import freshness_policy
from influx_lake_tests.unit.orchestration.fakes import cpu

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("every", Every)
def test_the_policy_waits_for_the_longest_time_between_two_windows_that_are_due(every: Every) -> None:
    zone = "UTC" if every is Every.HOUR else "Europe/Berlin"
    scheme = Scheme(every, window_of(every, zone, NEW_YEAR).start, zone)
    measurement = replace(cpu(), scheme=scheme, lag=timedelta(minutes=10))
    loaded, pauses = scheme.start, set[timedelta]()
    while loaded < NEW_YEAR + timedelta(days=366):
        end = measurement.scheme.window_at(loaded).end
        pauses.add(next_due(measurement, end) - next_due(measurement, loaded))
        loaded = end

    assert max(pauses) == longest_pause(measurement)


def test_the_policy_allows_what_the_check_allows() -> None:
    measurement = replace(cpu(), freshness=FreshnessOptions(warn=timedelta(minutes=30), fail=timedelta(hours=2)))

    policy = freshness_policy(measurement)

    assert policy is not None
    assert policy.fail_window.to_timedelta() == timedelta(hours=25 + 2)  # type: ignore[attr-defined]
    assert policy.warn_window.to_timedelta() == timedelta(hours=25, minutes=30)  # type: ignore[attr-defined]
