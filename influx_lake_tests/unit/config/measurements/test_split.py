"""How long the parts of a large window are, as lake.yaml says it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from influx_lake.config import Lake


@pytest.mark.parametrize(
    ("partition", "split"),
    [("{}", None), ("{split: 1h}", timedelta(hours=1)), ("{every: month, split: 1d}", timedelta(1))],
)
def test_options_reach_the_measurement(partition: str, split: timedelta | None, lake_of: Callable[[str], Lake]) -> None:
    assert lake_of(f"measurements: {{cpu: {{partition: {partition}}}}}").find("cpu").split == split


@pytest.mark.parametrize(
    ("partition", "said"),
    [
        ("{split: 1d}", "cpu.partition.split: 1d is no part of a partition of one day"),
        ("{split: 0}", "cpu.partition.split: '0' is no time at all"),
        ("{every: hour, split: 2h}", "cpu.partition.split: 2h is no part of a partition of one hour"),
        ("{split: 10s}", "cpu.partition.split: 10s makes more than 1,000 parts of one day"),
        ("{split: some}", "cpu.partition.split: 'some'"),
    ],
)
def test_mistakes_are_reported(partition: str, said: str, mistakes_of: Callable[..., list[str]]) -> None:
    [mistake] = mistakes_of(f"measurements: {{cpu: {{partition: {partition}}}}}")
    assert f"measurements.{said}" in mistake
