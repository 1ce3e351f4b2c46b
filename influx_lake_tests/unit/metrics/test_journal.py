"""The journal of what loads do."""

from __future__ import annotations

import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from influx_lake import recorder
from influx_lake.config.values.windows import Window, parse_moment
from influx_lake.errors import SourceTimeout, StorageError
from influx_lake.metrics import journal
from influx_lake.metrics.journal import FILE, Journal, read_journal, recording

LABELS = (("measurement", "cpu"),)


def day(number: int) -> Window:
    return Window(parse_moment(f"2026-01-0{number}"), parse_moment(f"2026-01-0{number + 1}"))


def test_counters_of_processes_add_up(tmp_path: Path) -> None:
    journals = [Journal(tmp_path) for _ in range(4)]
    for each in journals:
        for _ in range(3):
            each.count("loads", 2.0, {"measurement": "cpu"})
    threads = [threading.Thread(target=each.flush, args=(30.0,)) for each in journals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_journal(tmp_path).counters == {("loads", LABELS): 24.0}
    journals[0].flush()
    assert read_journal(tmp_path).counters == {("loads", LABELS): 24.0}


def test_nothing_is_written_where_nothing_happened(tmp_path: Path) -> None:
    with recording(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
    assert read_journal(tmp_path).counters == {}


def test_it_is_its_users_alone(tmp_path: Path) -> None:
    with recording(tmp_path):
        recorder.count("loads", measurement="cpu")
    assert stat.S_IMODE((tmp_path / FILE).parent.stat().st_mode) == 0o700


def test_what_is_counted_waits_while_another_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recording(tmp_path):
        recorder.count("loads", measurement="cpu")
    monkeypatch.setattr(journal, "_LOCK_SECONDS", 0.01)
    mine, other = Journal(tmp_path), sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("begin immediate")
    mine.count("loads", 1.0, {"measurement": "cpu"})
    mine.flush(0.01)
    other.execute("rollback")
    other.close()
    mine.flush()
    assert read_journal(tmp_path).counters == {("loads", LABELS): 2.0}


def test_a_folder_that_takes_no_file_fails_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / ".lake").write_text("no folder")
    with recording(tmp_path):
        recorder.count("loads", measurement="cpu")
    assert "could not be counted" in caplog.text


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / ".lake").mkdir()
    (tmp_path / FILE).write_text("no database, and long enough to be looked at as one" * 20)
    with pytest.raises(StorageError, match=r"metrics\.db cannot be read"):
        read_journal(tmp_path)


def test_comparisons_stay_until_their_window_is_loaded(tmp_path: Path) -> None:
    with recording(tmp_path):
        told = recorder.recorder()
        assert told is not None
        for number, verdict in enumerate(["equal", "behind", "equal", "equal"], 1):
            told.compared("telemetry.cpu", day(number), verdict, 10 + number, 10)
    found = read_journal(tmp_path).comparisons["telemetry.cpu"]
    # Of those that are equal, the newest says how many rows there are.
    assert [(each.window, each.verdict) for each in found] == [(day(2), "behind"), (day(4), "equal")]
    with recording(tmp_path):
        told = recorder.recorder()
        assert told is not None
        told.loaded("telemetry.cpu", Window(day(1).start, day(3).end))
    assert [each.window for each in read_journal(tmp_path).comparisons["telemetry.cpu"]] == [day(4)]


def test_values_are_counted_by_classes(tmp_path: Path) -> None:
    with recording(tmp_path):
        for value in (0.1, 0.5, 0.6, 2.0):
            recorder.count_in_class("seconds", value, (0.5, 1.0), table="t")
    found = {
        (name, dict(labels).get("le", "")): value for (name, labels), value in read_journal(tmp_path).counters.items()
    }
    assert found == {
        ("seconds_bucket", "0.5"): 2.0,
        ("seconds_bucket", "1"): 1.0,
        ("seconds_bucket", "+Inf"): 1.0,
        ("seconds_sum", ""): 3.2,
    }


def test_retries_of_sources_are_counted(tmp_path: Path) -> None:
    from influx_lake.config.values.read_options import RetryOptions
    from influx_lake.sources.reliable.backoff import Backoff

    with recording(tmp_path):
        Backoff(RetryOptions(), sleep=lambda seconds: None).wait(SourceTimeout("too slow"))
    assert read_journal(tmp_path).counters == {("source_retries", (("reason", "SourceTimeout"),)): 1.0}
