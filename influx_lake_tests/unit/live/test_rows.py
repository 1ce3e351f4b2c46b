"""Rows as a dataset: which time is read for which conditions, and what engines are given."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config.values.windows import Window
from influx_lake.errors import SourceUnavailable
from influx_lake.live.rows import LiveRows

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SCHEMA = pa.schema({"time": pa.timestamp("us", "UTC"), "n": pa.int64()})
WINDOWS = (Window(START, START + 6 * HOUR), Window(START + 12 * HOUR, START + 36 * HOUR))


def at(hour: float) -> datetime:
    return START + hour * HOUR


def of_hours(asked: list[Window] | None = None) -> LiveRows:
    """A row for each hour of the windows."""

    def read(window: Window) -> Iterator[pa.RecordBatch]:
        if asked is not None:
            asked.append(window)
        hours = [hour for hour in range(36) if window.start <= at(hour) < window.end]
        yield pa.RecordBatch.from_pylist([{"time": at(hour), "n": hour} for hour in hours], schema=SCHEMA)

    return LiveRows(SCHEMA, "time", WINDOWS, read)


@given(
    first=st.floats(-2, 40, allow_nan=False),
    last=st.floats(-2, 40, allow_nan=False),
    more=st.integers(-1, 36),
    kind=st.sampled_from(["and", "or", "not"]),
)
def test_all_rows_of_a_condition_are_found_and_no_time_is_read_that_it_excludes(
    first: float, last: float, more: int, kind: str
) -> None:
    time = pc.field("time")
    inside = (time >= pa.scalar(at(first))) & (time < pa.scalar(at(last)))
    condition = {
        "and": inside & (pc.field("n") > more),
        "or": inside | (pc.field("n") == more),
        "not": ~inside & (pc.field("n") > more),
    }[kind]
    asked: list[Window] = []
    found = pa.Table.from_batches(of_hours(asked).to_batches(filter=condition), SCHEMA)
    everything = pa.Table.from_batches(of_hours().to_batches(), SCHEMA)
    assert found.sort_by("n") == everything.filter(condition).combine_chunks()
    if kind == "and":
        slack = timedelta(minutes=2)
        assert all(at(first) - slack <= each.start and each.end <= at(last) + slack for each in asked)


def test_columns_have_the_names_that_are_requested() -> None:
    rows = of_hours().named(["c0", "c1"])
    assert rows.schema.names == ["c0", "c1"]
    found = list(rows.to_batches(columns=["c1"], filter=pc.field("c0") >= pa.scalar(at(35))))
    assert [batch.to_pydict() for batch in found if len(batch)] == [{"c1": [35]}]


def test_a_failure_is_kept_as_it_was_for_whoever_asks_by_another_name() -> None:
    def read(window: Window) -> Iterator[pa.RecordBatch]:
        raise SourceUnavailable("it is away")
        yield

    rows = LiveRows(SCHEMA, "time", WINDOWS, read)
    with pytest.raises(Exception, match="it is away"):
        list(rows.named(["a", "b"]).to_batches())
    assert [type(each) for each in rows.failures] == [SourceUnavailable]


def test_values_at_odd_addresses_are_taken_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    """As Flight hands them over."""

    def odd(values: list[int], kind: pa.DataType) -> pa.Array:
        plain = pa.array(values, pa.int64()).buffers()[1].to_pybytes()
        return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(b"\0" + plain).slice(1)])

    def read(window: Window) -> Iterator[Any]:
        times = [window.start_us, window.start_us + 1]
        yield pa.RecordBatch.from_arrays(
            [odd(times, SCHEMA.field("time").type), odd([1, 2], pa.int64())], schema=SCHEMA
        )

    rows = LiveRows(SCHEMA, "time", WINDOWS[:1], read)
    assert sum(len(batch) for batch in rows.to_batches(filter=pc.field("n") > 1)) == 1
    assert capfd.readouterr().err == ""
