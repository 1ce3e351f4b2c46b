"""Columns that were asked for a moment ago."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.errors import SourceUnavailable
from influx_lake.replication.recent_schema import RecentSchemas
from influx_lake_tests.unit.replication.fake_source import FakeSource


@dataclass
class Counted(FakeSource):
    """Tells how often it was asked for columns; does not answer at first."""

    asked_for: list[str] = field(default_factory=list)
    silent: int = 0

    def schema(self, measurement: str) -> MeasurementSchema:
        self.asked_for.append(measurement)
        if len(self.asked_for) <= self.silent:
            raise SourceUnavailable("no answer")
        return super().schema(measurement)


def test_many_windows_ask_once_for_each_measurement() -> None:
    source = Counted()
    recent = RecentSchemas(source, seconds=3600)
    for _ in range(5):
        assert recent.schema("cpu") == FakeSource().schema("cpu")
        recent.schema("disk")
    assert source.asked_for == ["cpu", "disk"]


def test_what_is_no_longer_recent_is_requested_again() -> None:
    source = Counted()
    recent = RecentSchemas(source, seconds=0)
    for _ in range(3):
        recent.schema("cpu")
    assert source.asked_for == ["cpu"] * 3


def test_a_failure_is_not_kept() -> None:
    source = Counted(silent=1)
    recent = RecentSchemas(source, seconds=3600)
    with pytest.raises(SourceUnavailable):
        recent.schema("cpu")
    recent.schema("cpu")
    recent.schema("cpu")
    assert source.asked_for == ["cpu"] * 2
