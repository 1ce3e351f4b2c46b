"""Many windows counted in one query by a server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from influx_lake.config import InfluxDB3Config
from influx_lake.config.values.conditions import Compared, Operator
from influx_lake.config.values.read_options import ReadingOptions
from influx_lake.config.values.windows import EPOCH, Every, Scheme, Window
from influx_lake.errors import FileLimitExceeded, MeasurementNotFound, QueryRejected
from influx_lake.sandbox import Sandbox
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake.sources.reliable import ReliableSource
from influx_lake.sources.reliable.limits import ServerLimits
from influx_lake_tests.unit.sources.influxdb3.test_time_bins import some_windows

BERLIN = Scheme(Every.DAY, datetime.fromisoformat("2026-03-20T00:00+01:00"), "Europe/Berlin")
DAYS = list(BERLIN.windows(BERLIN.start, BERLIN.start + timedelta(days=14)))


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as box:
        times = range(DAYS[0].start_us * 1000, DAYS[-1].end_us * 1000, 20 * 60 * 10**9)
        rows = pa.table({"time": pa.array(times, pa.timestamp("ns")), "bin": pa.array(times, pa.int64())})
        box.load("telemetry", 'c"pu', rows)
        yield box


@pytest.fixture
def source(box: Sandbox) -> Iterator[InfluxDB3Source]:
    source = InfluxDB3Source(InfluxDB3Config(host=box.url, database="telemetry", token=box.token))
    yield source
    box.faults.clear()
    source.close()


def test_days_of_a_zone_with_a_change_of_clocks(source: InfluxDB3Source) -> None:
    hours = [(window.end - window.start) // timedelta(hours=1) for window in DAYS]
    assert set(hours) == {23, 24}
    assert source.counts('c"pu', DAYS) == [3 * hour for hour in hours]
    assert source.counts('c"pu', DAYS[2:3] + DAYS[7:]) == [3 * hour for hour in (*hours[2:3], *hours[7:])]
    assert source.counts('c"pu', [Window(EPOCH, EPOCH + timedelta(hours=1)), DAYS[0]]) == [0, 72]


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(windows=some_windows())
def test_it_is_the_same_as_one_by_one(source: InfluxDB3Source, windows: list[Window]) -> None:
    windows = windows[:20]
    assert source.counts('c"pu', windows) == [source.count('c"pu', window) for window in windows]


@pytest.mark.slow
def test_what_is_too_much_for_the_server_is_asked_for_in_parts(box: Sandbox, source: InfluxDB3Source) -> None:
    expected = source.counts('c"pu', DAYS)
    box.faults.update(file_limit=100)
    with pytest.raises(FileLimitExceeded):
        source.counts('c"pu', DAYS)
    options = ReadingOptions()
    assert ReliableSource(source, options, ServerLimits()).counts('c"pu', DAYS) == expected
    box.faults.update(file_limit=30)
    assert ReliableSource(source, options, ServerLimits()).counts('c"pu', DAYS) == expected


@pytest.mark.slow
def test_selected_rows_are_counted_in_parts_too(box: Sandbox, source: InfluxDB3Source) -> None:
    schema = source.schema('c"pu').select(["bin"], Compared("bin", Operator.LESS, DAYS[10].start_us * 1000))
    expected = source.selected_counts(schema, DAYS)
    assert expected[9:11] == [source.count('c"pu', DAYS[9]), 0]
    box.faults.update(file_limit=30)
    with pytest.raises(FileLimitExceeded):
        source.selected_counts(schema, DAYS)
    assert ReliableSource(source, ReadingOptions(), ServerLimits()).selected_counts(schema, DAYS) == expected


def test_a_measurement_that_does_not_exist(source: InfluxDB3Source) -> None:
    with pytest.raises((MeasurementNotFound, QueryRejected)):
        source.counts("nothing", DAYS)
