"""How long rows are kept, and which are never loaded, as lake.yaml says it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from influx_lake.config import ConfigurationProblems, Measurement, load_lake
from influx_lake.config.values.windows import parse_moment
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake.replication.comparison.verify import closed_windows
from influx_lake.replication.planning.due import due_windows
from influx_lake.replication.planning.plan import plan_windows

NOW = parse_moment("2026-01-20T12:00:00Z")


def read(tmp_path: Path, text: str) -> Measurement:
    path = tmp_path / "lake.yaml"
    sources = 'sources: {default: {host: "http://127.0.0.1:1", database: telemetry}}\n'
    path.write_text(f"{sources}measurements: {{cpu: {{partition: {{every: day, start: 2026-01-01}}, {text}}}}}\n")
    return load_lake(path).measurements[0]


def test_windows_that_are_not_kept_are_not_due(tmp_path: Path) -> None:
    measurement = read(tmp_path, "retention: {keep: 3d}")
    assert measurement.kept_since(NOW) == parse_moment("2026-01-17")
    for windows in (
        [due.window for due in due_windows(measurement, Coverage(), NOW, newest_first=False)],
        plan_windows(measurement, Coverage(), NOW),
        closed_windows(measurement, NOW, None, None),
    ):
        assert [window.start.day for window in windows] == [17, 18, 19]
    assert closed_windows(measurement, NOW, parse_moment("2026-01-02"), None)[0].start.day == 17
    # What somebody asks for by name is loaded all the same.
    asked = plan_windows(measurement, Coverage(), NOW, start=parse_moment("2026-01-02"))
    assert len(asked) == 18


@pytest.mark.parametrize(("text", "days"), [("3y", 1095), ("90d", 90), ("2w", 14)])
def test_lengths_in_years(tmp_path: Path, text: str, days: int) -> None:
    kept = read(tmp_path, f"retention: {{keep: {text}}}").retention
    assert kept is not None
    assert (kept.keep, kept.most_per_run) == (timedelta(days=days), timedelta(days=31))


def test_for_ever(tmp_path: Path) -> None:
    measurement = read(tmp_path, "retention: off")
    assert (measurement.retention, measurement.oldest_kept(NOW)) == (None, None)
    assert measurement.kept_since(NOW) == measurement.scheme.start


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("retention: {keep: 12h}", "12h is over before a partition of one day is due"),
        ("retention: {keep: 3 years}", "keep"),
        ("retention: {}", "keep"),
        ("retention: {keep: 3d, most_per_run: 0}", "most_per_run"),
        ("erased: [{}]", "names no rows"),
        ('erased: [{where: "host = "}]', "is not a SQL condition"),
        ('erased: [{where: "random() > 0.5"}]', "erased"),
        ("erased: [{start: 2026-01-02, end: 2026-01-01}]", "is not before"),
        ("rename: {host: server}, erased: [{where: \"host = 'a'\"}]", "names host, which is called server"),
    ],
)
def test_invalid_values(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationProblems, match=message):
        read(tmp_path, text)
