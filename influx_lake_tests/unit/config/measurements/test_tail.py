"""How often the open window is loaded, as lake.yaml says it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from influx_lake.config import Lake
from influx_lake.config.measurements.tail import TailOptions

SECONDS = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("entry", "tail"),
    [
        ("{}", None),
        ("{tail: {}}", TailOptions(every=60 * SECONDS, lag=30 * SECONDS)),
        ("{tail: }", TailOptions(every=60 * SECONDS, lag=30 * SECONDS)),
        ("{tail: {every: 15s, lag: 0}}", TailOptions(every=15 * SECONDS, lag=0 * SECONDS)),
        ("{tail: {}, lag: 5s}", TailOptions(lag=5 * SECONDS)),
        ("{tail: {}, write: {mode: append}}", TailOptions(lag=600 * SECONDS)),
        ("{tail: {lag: 10m}, write: {mode: append}}", TailOptions(lag=600 * SECONDS)),
    ],
)
def test_options_reach_the_measurement(entry: str, tail: TailOptions | None, lake_of: Callable[[str], Lake]) -> None:
    assert lake_of(f"measurements: {{cpu: {entry}}}").find("cpu").tail == tail


def test_a_measurement_may_do_without_the_tail_of_all(lake_of: Callable[[str], Lake]) -> None:
    lake = lake_of("""
        defaults: {tail: {every: 30s, lag: 5s}}
        measurements: {cpu: {tail: {lag: 1s}}, mem: {tail: off}, disk: {tail: false}}
    """)
    assert lake.find("cpu").tail == TailOptions(every=30 * SECONDS, lag=SECONDS)
    assert lake.find("mem").tail is lake.find("disk").tail is None


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{tail: {every: 1s}}", "cpu.tail.every: '1s' is too often"),
        ("{tail: {evry: 1m}}", "cpu.tail.evry: unknown option (did you mean every?)"),
        ("{tail: sometimes}", "cpu.tail: 'sometimes' is neither `off` nor options"),
        ("{tail: {lag: 11m}}", "cpu.tail.lag: the tail's lag of 11m is longer than the measurement's lag of 10m"),
        ("{tail: {lag: 1s}, write: {mode: append}}", "cpu.tail.lag: a tail has no lag of its own with `write.mode: a"),
    ],
)
def test_invalid_values_are_refused(entry: str, said: str, mistakes_of: Callable[..., list[str]]) -> None:
    [mistake] = mistakes_of(f"measurements: {{cpu: {entry}}}")
    assert f"measurements.{said}" in mistake
