"""The made-up week."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from influx_lake.cli.demo.history import HOSTS, history, late_points, week_before
from influx_lake.sandbox.storage.columns import Kind
from influx_lake.sandbox.storage.line_protocol import Point, parse_line

START = datetime(2026, 5, 1, 22, tzinfo=UTC)
END = START + timedelta(hours=1)


@pytest.fixture(scope="module")
def points() -> list[Point]:
    return [parse_line(line) for line in history(START, END)]


@pytest.mark.parametrize(
    "now", [datetime(2026, 5, 8, 0, 0, tzinfo=UTC), datetime(2026, 5, 8, 23, 59, 59, 999999, tzinfo=UTC)]
)
def test_the_week_ends_before_the_current_hour(now: datetime) -> None:
    start, end = week_before(now)
    assert start == datetime(2026, 5, 1, tzinfo=UTC)
    assert end <= now < end + timedelta(hours=1)


def test_no_point_outside_the_range(points: list[Point]) -> None:
    times = [int(point.timestamp or 0) for point in points]
    assert min(times) == int(START.timestamp()) * 10**9
    assert max(times) == int(END.timestamp()) * 10**9 - 60 * 10**9


def test_every_series_has_every_minute(points: list[Point]) -> None:
    counts = Counter((point.measurement, *point.tags) for point in points)
    assert set(counts.values()) == {60}
    measurements = Counter(name for name, *_ in counts)
    assert measurements == {"cpu": 5 * len(HOSTS), "mem": len(HOSTS), "disk": 2 * len(HOSTS), "net": 2 * len(HOSTS)}


def test_telegrafs_tags_and_types(points: list[Point]) -> None:
    shapes = {
        point.measurement: ([key for key, _ in point.tags], {kind for _, kind, _ in point.fields}) for point in points
    }
    assert shapes == {
        "cpu": (["cpu", "host"], {Kind.FLOAT}),
        "mem": (["host"], {Kind.INTEGER, Kind.FLOAT}),
        "disk": (["device", "fstype", "host", "mode", "path"], {Kind.INTEGER, Kind.FLOAT}),
        "net": (["host", "interface"], {Kind.UINTEGER, Kind.INTEGER}),
    }


def test_the_same_moment_has_the_same_values() -> None:
    longer = history(START - timedelta(minutes=30), END + timedelta(hours=1))
    assert set(history(START, END)) <= set(longer)


def test_shares_make_a_whole_and_counters_grow(points: list[Point]) -> None:
    received: dict[tuple[tuple[str, str], ...], list[int]] = defaultdict(list)
    for point in points:
        values = {name: float(value) for name, _, value in point.fields}
        if point.measurement == "cpu":
            assert sum(values.values()) == pytest.approx(100, abs=0.01)
            assert min(values.values()) >= 0
        elif point.measurement == "net":
            received[tuple(point.tags)].append(int(values["bytes_recv"]))
        elif point.measurement == "mem":
            assert values["free"] + values["cached"] + values["buffered"] + values["used"] == values["total"]
    assert all(counters == sorted(counters) for counters in received.values())


def test_late_points_are_a_new_host_with_a_new_field() -> None:
    late = [parse_line(line) for line in late_points(datetime(2026, 5, 1, tzinfo=UTC))]
    assert len(late) == 120
    assert {dict(point.tags)["host"] for point in late} == {"edge-1"}
    assert all(("frequency_mhz", Kind.UINTEGER) in [(name, kind) for name, kind, _ in point.fields] for point in late)
