"""Histories of loads, deletes and rewrites of a shared table: its rows are always those of a model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from influx_lake.config.values.windows import Window
from influx_lake_tests.unit.iceberg.load.shared_model import LAYOUTS, Model, step_of, window_of
from influx_lake_tests.unit.iceberg.load.shared_rows import (
    FIELDS,
)
from influx_lake_tests.unit.iceberg.tables import day
from testbed.local_catalog import local_catalog

NAMES = st.sampled_from(list(FIELDS))
WINDOWS = st.builds(window_of, st.integers(0, 95), st.integers(1, 60)).map(
    lambda window: window if window.end <= day(1).end else Window(window.start, day(1).end)
)
LOADS = st.tuples(
    st.sampled_from(["replace", "replace", "upsert", "append", "tail"]),
    NAMES,
    WINDOWS,
    st.dictionaries(
        st.tuples(st.integers(0, 95), st.sampled_from(["a", "b", None])), st.floats(-9, 9).map(float), max_size=8
    ),
)
DEEDS = st.one_of(LOADS, LOADS, LOADS, st.tuples(st.just("delete"), st.none() | NAMES, WINDOWS), st.just(("rewrite",)))


def follow(layout: str, deeds: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = Model(local_catalog(Path(folder)), LAYOUTS[layout])
        for deed in deeds:
            match deed:
                case ("rewrite",):
                    model.rewrite()
                case ("delete", measurement, window):
                    model.delete(measurement, window)
                case (way, measurement, window, points):
                    first, last = step_of(window.start_us), step_of(window.end_us)
                    inside = {key: value for key, value in points.items() if first <= key[0] < last}
                    model.load(way, measurement, window, inside)
            model.check()


@settings(max_examples=8)
@given(layout=st.sampled_from(list(LAYOUTS)), deeds=st.lists(DEEDS, min_size=2, max_size=6))
def test_the_table_holds_what_a_model_of_it_holds(layout: str, deeds: list[Any]) -> None:
    follow(layout, deeds)


@pytest.mark.slow
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(layout=st.sampled_from(list(LAYOUTS)), deeds=st.lists(DEEDS, min_size=3, max_size=10))
def test_the_table_holds_what_a_model_of_it_holds_in_long_histories(layout: str, deeds: list[Any]) -> None:
    follow(layout, deeds)
