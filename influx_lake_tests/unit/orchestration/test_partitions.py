from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influx_lake.config.values.windows import Every, Scheme
from influx_lake.errors import ConfigurationError
from influx_lake.orchestration.partitions import partitions_for, time_partitions, window_of

# Zones that change at midnight, by half an hour, in the other hemisphere, with no midnight on some days, or never.
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Havana",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Tehran",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
]


@st.composite
def schemes(draw: st.DrawFn) -> Scheme:
    every = draw(st.sampled_from(Every))
    zone = "UTC" if every is Every.HOUR else draw(st.sampled_from(ZONES))
    day = draw(st.dates(date(2005, 1, 1), date(2026, 6, 1)))
    whole = Scheme(every, datetime(1970, 1, 5 if every is Every.WEEK else 1, tzinfo=ZoneInfo(zone)), zone)
    return Scheme(every, whole.window_at(datetime(day.year, day.month, day.day, 12, tzinfo=UTC)).start, zone)


@settings(max_examples=25)
@given(scheme=schemes())
def test_dagster_cuts_time_exactly_as_the_scheme_does(scheme: Scheme) -> None:
    windows = list(islice(scheme.windows(scheme.start, datetime(2030, 1, 1, tzinfo=UTC)), 400))

    partitions = partitions_for(scheme)

    keys = partitions.get_partition_keys(current_time=windows[-1].end)
    assert list(keys) == [scheme.key(window) for window in windows]
    assert [window_of(partitions, key) for key in keys] == windows


def test_days_of_a_changing_clock_have_23_and_25_hours() -> None:
    partitions = partitions_for(
        Scheme(Every.DAY, datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")), "Europe/Berlin")
    )

    spring, autumn = window_of(partitions, "2026-03-29"), window_of(partitions, "2026-10-25")

    assert spring.end - spring.start == timedelta(hours=23)
    assert autumn.end - autumn.start == timedelta(hours=25)


def test_equal_schemes_share_one_definition() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)

    assert partitions_for(Scheme(Every.DAY, start)) is partitions_for(Scheme(Every.DAY, start))
    assert partitions_for(Scheme(Every.DAY, start)) != partitions_for(Scheme(Every.HOUR, start))


def test_a_window_is_a_partition_as_soon_as_it_is_closed() -> None:
    scheme = Scheme(Every.DAY, datetime(2026, 1, 1, tzinfo=UTC))

    keys = partitions_for(scheme).get_partition_keys(current_time=datetime(2026, 1, 3, 12, tzinfo=UTC))

    assert list(keys) == ["2026-01-01", "2026-01-02"]


def test_only_time_can_partition_a_table() -> None:
    with pytest.raises(ConfigurationError, match=r"asset a/b has StaticPartitionsDefinition.*hourly, daily"):
        time_partitions(dg.StaticPartitionsDefinition(["x"]), dg.AssetKey(["a", "b"]))
    with pytest.raises(ConfigurationError, match="asset a/b has no partitions"):
        time_partitions(None, dg.AssetKey(["a", "b"]))
