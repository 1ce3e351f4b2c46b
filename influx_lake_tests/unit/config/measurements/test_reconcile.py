"""How often the lake is compared with its sources, as lake.yaml says it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from influx_lake.config import Lake
from influx_lake.config.measurements.reconcile import ReconcileOptions


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("{}", ReconcileOptions(within=timedelta(days=7), every=timedelta(minutes=15))),
        ("{reconcile: {within: 2d, every: 1h}}", ReconcileOptions(within=timedelta(days=2), every=timedelta(hours=1))),
        ("{reconcile: {profile: true}}", ReconcileOptions(profile=True)),
        ("{reconcile: off}", None),
    ],
)
def test_options_reach_the_measurement(entry: str, expected: object, lake_of: Callable[[str], Lake]) -> None:
    assert lake_of(f"measurements: {{cpu: {entry}}}").find("cpu").reconcile == expected


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{reconcile: {every: 10s}}", "cpu.reconcile.every: '10s' is too often"),
        ("{reconcile: {within: 0}}", "cpu.reconcile.within: '0' is no time at all"),
        ("{reconcile: never}", "cpu.reconcile: 'never' is neither `off` nor options"),
    ],
)
def test_invalid_values_are_refused(entry: str, said: str, mistakes_of: Callable[..., list[str]]) -> None:
    [mistake] = mistakes_of(f"measurements: {{cpu: {entry}}}")
    assert f"measurements.{said}" in mistake
