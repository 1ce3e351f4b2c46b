"""What databases told of a window is forgotten when a command has loaded it: no sensor loads it once more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from influx_lake.replication.changes.change import Change
from influx_lake.replication.changes.journal import ChangeJournal
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import DAY_NS, FIRST_DAY_NS, CliLake

pytestmark = pytest.mark.slow
HOUR_NS = DAY_NS // 24
RANGE = ("--start", "2026-01-01", "--end", "2026-01-03")


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        lake = CliLake(tmp_path, box, capsys)
        lake.write_config()
        lake.config.write_text(
            lake.config.read_text().replace("retry: {budget: 1s}", "retry: {budget: 1s}, changes: {}")
        )
        lake.fill("cpu", range(3))
        yield lake


def note(lake: CliLake, *moments: int, later: int = 0) -> ChangeJournal:
    journal = ChangeJournal.of(lake.folder)
    noted = time.time_ns() + later
    journal.note([Change("telemetry.cpu", moment, moment, noted, 1, noted) for moment in moments])
    return journal


def test_a_load_acknowledges_what_it_covers(lake: CliLake) -> None:
    journal = note(lake, FIRST_DAY_NS + 5, FIRST_DAY_NS + DAY_NS + 5, FIRST_DAY_NS + 2 * DAY_NS + 5)
    assert lake.tell("replicate", "cpu", *RANGE, "--dry-run").code == 0
    assert len(journal.pending()) == 3
    assert lake.tell("replicate", "cpu", *RANGE).code == 0
    assert [each.first for each in journal.pending()] == [FIRST_DAY_NS + 2 * DAY_NS + 5]


def test_a_load_of_a_part_of_a_window_acknowledges_that_part(lake: CliLake) -> None:
    assert lake.tell("replicate", "cpu", *RANGE).code == 0
    journal = note(lake, FIRST_DAY_NS + HOUR_NS + 5, FIRST_DAY_NS + 5 * HOUR_NS)
    part = ("--start", "2026-01-01T01:00Z", "--end", "2026-01-01T02:00Z", "--every", "1h")
    assert lake.tell("replicate", "cpu", *part).code == 0
    assert [each.first for each in journal.pending()] == [FIRST_DAY_NS + 5 * HOUR_NS]


def test_what_may_not_have_been_read_is_kept(lake: CliLake) -> None:
    journal = note(lake, FIRST_DAY_NS + 5, later=60 * 10**9)
    assert lake.tell("replicate", "cpu", *RANGE).code == 0
    assert len(journal.pending()) == 1, "the source may have got it after the load"


def test_a_load_to_a_branch_or_one_that_fails_acknowledges_nothing(lake: CliLake) -> None:
    assert lake.tell("replicate", "cpu", *RANGE).code == 0
    journal = note(lake, FIRST_DAY_NS + 5)
    assert lake.tell("replicate", "cpu", *RANGE, "--branch", "trial").code == 0
    assert len(journal.pending()) == 1
    lake.box.faults.update(unavailable=100)
    assert lake.tell("replicate", "cpu", *RANGE).code != 0
    assert len(journal.pending()) == 1
    lake.box.faults.clear()
    assert lake.tell("replicate", "cpu", *RANGE).code == 0
    assert journal.pending() == []


def test_no_load_fails_for_want_of_the_journal(lake: CliLake, caplog: pytest.LogCaptureFixture) -> None:
    note(lake, FIRST_DAY_NS + 5).path.write_bytes(b"no database, " * 100)
    assert lake.tell("replicate", "cpu", *RANGE).code == 0
    assert (lake.rows(), "a change that was loaded is not forgotten" in caplog.text) == (200, True)
