"""Which windows are loaded again, out of what was told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from influx_lake.config import Lake, lake_of
from influx_lake.replication.changes.change import Change, Told
from influx_lake.replication.changes.change_intake import HEARD_EVERY, nanoseconds, note_changes, what_to_note
from influx_lake.replication.changes.due import changed_windows
from influx_lake.replication.changes.journal import ChangeJournal, Loaded

NOW = datetime(2026, 6, 10, 0, 5, tzinfo=UTC)
DAY = timedelta(days=1)


def lake(**measurements: Any) -> Lake:
    source = {"host": "http://127.0.0.1:9", "database": "telemetry", "changes": {}}
    sections = {
        "sources": {"default": source, "other": {**source, "database": "past"}},
        "catalog": {"type": "sql", "uri": "sqlite:///c.db", "warehouse": "w"},
        "defaults": {"partition": {"start": "2026-01-01"}},
        "measurements": measurements or {"cpu": {}},
    }
    return lake_of(sections, Path("/nowhere/lake.yaml"))


def at(moment: str) -> int:
    return nanoseconds(datetime.fromisoformat(moment).replace(tzinfo=UTC))


def change(first: str, last: str, table: str = "telemetry.cpu") -> Change:
    return Change(table, at(first), at(last), 5)


def keys(made: Lake, *changes: Change, **options: Any) -> list[str]:
    return [f"{each.measurement.table} {each.key}" for each in changed_windows(made, changes, NOW, **options).due]


def test_windows_of_a_change_come_the_newest_first() -> None:
    assert keys(lake(), change("2026-01-30T23:00", "2026-02-01T00:00")) == [
        "cpu 2026-02-01",
        "cpu 2026-01-31",
        "cpu 2026-01-30",
    ]
    # A point on a bound is of the window that begins there.
    assert keys(lake(), change("2026-02-01T00:00", "2026-02-01T00:00")) == ["cpu 2026-02-01"]
    assert len(keys(lake(), change("2026-01-01", "2026-06-01"), limit=3)) == 3
    assert keys(lake(), change("2026-01-30", "2026-01-31"), skip=lambda due: due.key.endswith("31")) == [
        "cpu 2026-01-30"
    ]


def test_those_that_wait_longest_come_first() -> None:
    made = lake(cpu={}, mem={}, disk={})
    waiting = {"cpu": 3, "mem": 1, "disk": 2}
    changes = [
        Change(f"telemetry.{name}", at("2026-02-01"), at("2026-02-02"), 5, since=since)
        for name, since in waiting.items()
    ]
    assert [key[:4] for key in keys(made, *changes)] == ["mem ", "mem ", "disk", "disk", "cpu ", "cpu "]
    assert [key[:4] for key in keys(made, *changes, most=3)] == ["mem ", "mem ", "disk", "disk"]


def test_each_measurement_has_windows_of_its_own() -> None:
    made = lake(cpu={}, cpu_hours={"measurement": "cpu", "partition": {"every": "hour"}})
    told = [Told("cpu", at("2026-02-01T05:30"), at("2026-02-01T06:10"), 2)]
    changes = what_to_note(made, "default", told, NOW).changes
    assert keys(made, *changes) == ["cpu 2026-02-01", "cpu_hours 2026-02-01-06:00", "cpu_hours 2026-02-01-05:00"]
    assert what_to_note(made, "other", told, NOW).unknown == {"cpu"}


def test_what_is_not_due_too_old_or_not_loaded_is_left() -> None:
    made = lake(cpu={"retention": {"keep": "30d"}}, mem={"lag": "2h"})
    told = [
        Told("cpu", at("2026-03-01"), at("2026-03-02")),
        Told("cpu", at("2026-06-09T12:00"), at("2026-06-09T12:00")),
        Told("mem", at("2026-06-09T12:00"), at("2026-06-09T12:00")),
        Told("mem", at("2025-12-31"), at("2026-01-01")),
        Told("influx_lake_changes", 0, 0),
        Told("nobody", 0, 0),
    ]
    noted = what_to_note(made, "default", told, NOW)
    # Its lag has not passed: it is loaded when it has.
    assert [(each.table, each.first) for each in noted.changes] == [("telemetry.mem", at("2026-01-01"))]
    assert (noted.open, noted.too_old, noted.unknown) == (2, 1, {"nobody"})
    later = what_to_note(made, "default", told, NOW + timedelta(minutes=10))
    assert ("telemetry.cpu", at("2026-06-09T12:00")) in [(each.table, each.first) for each in later.changes]


def test_points_told_just_before_their_window_is_due_are_kept(tmp_path: Path) -> None:
    journal, made, last = ChangeJournal.of(tmp_path), lake(), at("2026-06-09T23:59")
    due = datetime(2026, 6, 10, tzinfo=UTC) + made.measurements[0].lag
    for seconds, kept in ((6, 0), (2, 1)):
        now = due - timedelta(seconds=seconds)
        noted = note_changes(made, journal, "default", [Told("cpu", last, last)], now)
        assert (len(noted.changes), noted.open) == (kept, 1 - kept)
    # A load that begins with the window's being due may come before the points.
    [change] = journal.pending()
    assert change.noted == nanoseconds(due + timedelta(seconds=3))
    assert changed_windows(made, [change], due).due == []
    assert [each.key for each in changed_windows(made, [change], due + timedelta(seconds=3)).due] == ["2026-06-09"]


def test_changes_of_a_measurement_that_is_not_there_any_more_are_forgotten() -> None:
    found = changed_windows(lake(), [change("2026-02-01", "2026-02-02", "telemetry.gone")], NOW)
    assert (found.due, found.forgotten) == ([], {"telemetry.gone"})


def test_a_teller_that_tells_of_open_windows_alone_costs_no_write_each_time(tmp_path: Path) -> None:
    journal, made = ChangeJournal.of(tmp_path), lake()
    now = datetime.now(UTC)
    note_changes(made, journal, "default", [], now)
    first = journal.heard()["default"]
    note_changes(made, journal, "default", [Told("cpu", nanoseconds(now), nanoseconds(now))], now)
    assert journal.heard()["default"] == first
    note_changes(made, journal, "default", [], now + timedelta(microseconds=2 * HEARD_EVERY / 1_000))
    assert journal.heard()["default"] > first


def test_points_that_trickle_in_do_not_keep_those_before_them_waiting(tmp_path: Path) -> None:
    journal, made, late = ChangeJournal.of(tmp_path), lake(), at("2026-02-01T05:00")
    for second in range(10):
        now = NOW + timedelta(seconds=second)
        note_changes(made, journal, "default", [Told("cpu", late + second, late + second, 1)], now)
        found = changed_windows(made, journal.pending(), now).due
        # The source may not have the first one yet.
        assert [each.key for each in found] == ([] if second < 5 else ["2026-02-01"])
    [only] = journal.pending()
    assert (only.points, only.noted - only.since) == (10, 9 * 10**9)
    # A load that began before the last one was there is not enough.
    window = made.measurements[0].scheme.window_at(datetime(2026, 2, 1, tzinfo=UTC))
    journal.acknowledge([Loaded("telemetry.cpu", window, only.noted)])
    assert journal.pending() == [only]
    journal.acknowledge([Loaded("telemetry.cpu", window, only.noted + 1)])
    assert journal.pending() == []
