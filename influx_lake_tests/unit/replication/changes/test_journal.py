"""Changes are kept until a load that began after them, and no others go with them."""

from __future__ import annotations

import os
import sqlite3
import stat
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config.values.windows import Window, from_nanoseconds
from influx_lake.errors import StorageError
from influx_lake.replication.changes.change import BUCKET, MOST_RANGES, Change, merged_changes
from influx_lake.replication.changes.journal import ChangeJournal, Loaded, SeenRow

DAY = datetime(2025, 1, 2, tzinfo=UTC)
NOON = int((DAY + timedelta(hours=12)).timestamp()) * 10**9
WINDOW = Window(DAY, DAY + timedelta(days=1))


def change(first: int = NOON, last: int | None = None, noted: int = 100, table: str = "t.cpu") -> Change:
    return Change(table, first, first if last is None else last, noted, 1)


def test_changes_of_an_hour_are_one_and_stay_where_they_were_noted(tmp_path: Path) -> None:
    journal = ChangeJournal.of(tmp_path)
    assert (journal.pending(), journal.heard(), journal.read_until("default")) == ([], {}, None)
    assert not journal.path.exists()
    journal.note([change(), change(NOON + 5, noted=200), change(NOON + 2 * BUCKET)], source="default")
    journal.note([change(table="t.mem")])
    assert ChangeJournal.of(tmp_path).pending() == [
        Change("t.cpu", NOON, NOON + 5, 200, 2),
        Change("t.cpu", NOON + 2 * BUCKET, NOON + 2 * BUCKET, 100, 1),
        change(table="t.mem"),
    ]
    assert journal.heard().keys() == {"default"}
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(journal.path.parent.stat().st_mode) == 0o700


def test_more_points_than_an_integer_has_are_as_many_as_it_has(tmp_path: Path) -> None:
    journal = ChangeJournal.of(tmp_path)
    journal.note([Change("t.cpu", NOON, NOON, 1, 2**63 - 1), Change("t.cpu", NOON, NOON + 1, 1, 2**63 - 1)])
    assert [each.points for each in journal.pending()] == [2**63 - 1]


def test_a_load_takes_what_was_noted_before_it_began(tmp_path: Path) -> None:
    journal = ChangeJournal.of(tmp_path)
    journal.note([change(), change(NOON - BUCKET, noted=300), change(table="t.mem")])
    journal.acknowledge([Loaded("t.cpu", WINDOW, 100)])
    assert len(journal.pending()) == 3, "it began as the change was noted, so it may have read before"
    journal.acknowledge([Loaded("t.cpu", WINDOW, 200)])
    assert journal.pending() == [change(NOON - BUCKET, noted=300), change(table="t.mem")]


def test_a_load_of_a_part_leaves_the_rest(tmp_path: Path) -> None:
    journal = ChangeJournal.of(tmp_path)
    year = Change("t.cpu", NOON - 10 * 24 * BUCKET, NOON + 10 * 24 * BUCKET, 100, 7)
    journal.note([year])
    journal.acknowledge([Loaded("t.cpu", WINDOW, 200)])
    assert [(each.first, each.last) for each in journal.pending()] == [
        (year.first, WINDOW.start_us * 1_000 - 1),
        (WINDOW.end_us * 1_000, year.last),
    ]
    journal.forget({"t.cpu"})
    assert journal.pending() == []


def test_rows_of_a_table_are_reported_once(tmp_path: Path) -> None:
    journal = ChangeJournal.of(tmp_path)
    first, second = SeenRow(10, "cpu", 1, 1), SeenRow(20, "cpu", 1, 1)
    assert journal.unseen("default", [first]) == {first}
    journal.note_read("default", [change()], [first], 10, 0)
    assert (journal.unseen("default", [first, second]), journal.read_until("default")) == ({second}, 10)
    assert journal.unseen("other", [first]) == {first}
    journal.note_read("default", [], [second], 20, 15)
    assert journal.unseen("default", [second]) == set()
    assert journal.pending() == [change()]


def test_a_file_that_is_no_journal_is_reported(tmp_path: Path) -> None:
    journal = ChangeJournal.of(tmp_path)
    journal.path.parent.mkdir()
    journal.path.write_bytes(b"no database at all, and longer than a header of one, which is a hundred bytes long" * 20)
    with pytest.raises(StorageError, match="which keeps changes, cannot be used"):
        journal.note([change()])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError):
        ChangeJournal.of(tmp_path).note([change()])


def test_what_is_half_written_is_not_there(tmp_path: Path) -> None:
    journal = ChangeJournal.of(tmp_path)
    journal.note([change()])
    with pytest.raises(StorageError):
        journal.note([change(NOON + BUCKET * 5), Change("t.cpu", 5, 5, 5, None)])  # type: ignore[arg-type]
    assert journal.pending() == [change()]
    with sqlite3.connect(journal.path) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**5)), max_size=60))
def test_merging_forgets_no_time(spans: list[tuple[int, int]]) -> None:
    changes = [change(first * 10**9, (first + length) * 10**9, noted) for noted, (first, length) in enumerate(spans)]
    merged = merged_changes(changes)
    assert all(any(one.first <= each.first and each.last <= one.last for one in merged) for each in changes)
    assert all(one.noted >= each.noted for each in changes for one in merged if one.first <= each.first <= one.last)
    assert all(before.last // BUCKET < after.first // BUCKET for before, after in pairwise(merged))
    assert merged_changes(merged) == merged


def test_there_are_never_more_than_can_be_kept() -> None:
    merged = merged_changes(change(place * 3 * BUCKET) for place in range(MOST_RANGES + 500))
    assert len(merged) == MOST_RANGES
    assert sum(each.points for each in merged) == MOST_RANGES + 500
    assert merged[0].window.start == from_nanoseconds(0)
