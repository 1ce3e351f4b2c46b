from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from influx_lake.config import load_lake
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake.replication.planning.plan import plan_windows

LAKE = """\
sources:
  default: {{host: h, database: telemetry}}
  exports: {{type: line_protocol, path: ./*.lp, database: telemetry}}
measurements:
  cpu: {{history: {{source: {source}, until: "{until}"}}, partition: {{every: {every}, timezone: {zone}}}}}
"""


def _text(source: str = "exports", until: str = "2026-03-01", every: str = "day", zone: str = "UTC") -> str:
    return LAKE.format(source=source, until=until, every=every, zone=zone)


def _day(day: int, month: int = 3) -> datetime:
    return datetime(2026, month, day, tzinfo=UTC)


def test_windows_before_the_moment_come_from_the_history(write_lake: Callable[[str], Path]) -> None:
    (cpu,) = load_lake(write_lake(_text())).measurements
    assert cpu.sources == ("default", "exports")
    assert cpu.source_of(Window(_day(28, 2), _day(1))) == "exports"
    assert cpu.source_of(Window(_day(1), _day(2))) == "default"


def test_a_moment_without_a_zone_is_one_of_the_partitions_zone(write_lake: Callable[[str], Path]) -> None:
    (cpu,) = load_lake(write_lake(_text(zone="Europe/Berlin"))).measurements
    assert cpu.history is not None
    assert cpu.history.until == datetime(2026, 2, 28, 23, tzinfo=UTC)


def test_windows_of_any_length_are_cut_at_the_moment(write_lake: Callable[[str], Path]) -> None:
    (cpu,) = load_lake(write_lake(_text())).measurements
    start, end = _day(27, 2), _day(3)
    windows = plan_windows(cpu, Coverage(), _day(9), start=start, end=end, every=timedelta(hours=36))
    assert Window(_day(28, 2) + timedelta(hours=12), _day(1)) in windows
    assert Window(_day(1), _day(2)) in windows
    assert [w.start for w in windows[1:]] == [w.end for w in windows[:-1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (_text(source="exprots"), "history.source: 'exprots' is not one of the sources (did you mean exports?)"),
        (_text(source="default"), "history.source: 'default' is the measurement's own source"),
        (_text(until="2026-03-01T06:00"), "history.until: is inside a partition, the one from 2026-03-01T00:00:00Z"),
        (_text(until="soon"), "history.until: 'soon' is not a date or time"),
        (_text(until="2026-03-03", every="week"), "is inside a partition, the one from 2026-03-02T00:00:00Z"),
    ],
)
def test_mistakes_are_reported(text: str, message: str, mistakes_of: Callable[..., list[str]]) -> None:
    found = mistakes_of(text, sources=False)
    assert any(message in line for line in found), found
