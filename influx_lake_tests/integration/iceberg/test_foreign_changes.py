"""What other tools do to a table is told of, what it took is loaded again, and no aggregate is dropped for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pyarrow.compute as pc
import pytest
from pyiceberg.table import Table

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.iceberg.changed_lake import DAYS, ROWS, ChangedLake


class Case(NamedTuple):
    """Something that somebody does to a table.

    Attributes:
        name: The measurement.
        change: What is done.
        operations: What `status` calls it.
        lost: The days that are no longer loaded.
    """

    name: str
    change: Callable[[ChangedLake, Table], None]
    operations: Sequence[str]
    lost: Sequence[int] = ()


def rollback(lake: ChangedLake, table: Table) -> None:
    table.manage_snapshots().rollback_to_snapshot(table.metadata.snapshots[0].snapshot_id).commit()


def set_to_a_tag(lake: ChangedLake, table: Table) -> None:
    manage = table.manage_snapshots()
    manage.create_tag(table.metadata.snapshots[1].snapshot_id, "good").commit()
    table.manage_snapshots().set_current_snapshot(ref_name="good").commit()


def delete_a_day(lake: ChangedLake, table: Table) -> None:
    table.delete(f"time >= '{lake.hour(1, 0)}' and time < '{lake.hour(2, 0)}'")


def delete_some_hours(lake: ChangedLake, table: Table) -> None:
    table.delete(f"time >= '{lake.hour(0, 20)}' and time < '{lake.hour(1, 4)}'")


def delete_a_host(lake: ChangedLake, table: Table) -> None:
    table.delete("host = 'h1'")


def delete_everything(lake: ChangedLake, table: Table) -> None:
    table.delete()


def overwrite_with_less(lake: ChangedLake, table: Table) -> None:
    rows = table.scan().to_arrow()
    table.overwrite(rows.filter(pc.less(rows["value"], 2.0 * ROWS)))


def overwrite_a_day_with_less(lake: ChangedLake, table: Table) -> None:
    rows = table.scan(row_filter=f"time >= '{lake.hour(2, 0)}'").to_arrow()
    table.overwrite(rows.slice(0, 5), overwrite_filter=f"time >= '{lake.hour(2, 0)}'")


def rewrite(lake: ChangedLake, table: Table) -> None:
    table.overwrite(table.scan().to_arrow())


def commit_to_a_branch(lake: ChangedLake, table: Table) -> None:
    head = table.metadata.current_snapshot_id
    assert head
    table.manage_snapshots().create_branch(head, "audit").commit()
    table.delete("host = 'h1'", branch="audit")


def publish_a_branch(lake: ChangedLake, table: Table) -> None:
    commit_to_a_branch(lake, table)
    table.manage_snapshots().set_current_snapshot(ref_name="audit").commit()


def delete_and_expire(lake: ChangedLake, table: Table) -> None:
    delete_a_day(lake, table)
    head = table.metadata.current_snapshot_id
    others = [each.snapshot_id for each in table.metadata.snapshots if each.snapshot_id != head]
    table.maintenance.expire_snapshots().by_ids(others).commit()


def roll_back_and_delete(lake: ChangedLake, table: Table) -> None:
    table.manage_snapshots().rollback_to_snapshot(table.metadata.snapshots[1].snapshot_id).commit()
    table.delete(f"time < '{lake.hour(1, 0)}'")


def delete_from_daily_files_of_another_spec(lake: ChangedLake, table: Table) -> None:
    with table.update_spec() as update:
        update.add_identity("host")
    table.delete(f"time >= '{lake.hour(1, 10)}' and time < '{lake.hour(1, 11)}'")


CASES = [
    Case("rolled", rollback, ["set-back"], [1, 2]),
    Case("tagged", set_to_a_tag, ["set-back"], [2]),
    Case("day", delete_a_day, ["delete"], [1]),
    Case("hours", delete_some_hours, ["overwrite"], [0, 1]),
    Case("host", delete_a_host, ["overwrite"], [0, 1, 2]),
    Case("everything", delete_everything, ["delete"], [0, 1, 2]),
    Case("less", overwrite_with_less, ["delete", "append"], [2]),
    Case("less_of_a_day", overwrite_a_day_with_less, ["delete", "append"], [2]),
    Case("rewritten", rewrite, ["delete", "append"]),
    Case("branched", commit_to_a_branch, ["branch"]),
    Case("published", publish_a_branch, ["overwrite"], [0, 1, 2]),
    Case("expired", delete_and_expire, ["delete"], [1]),
    Case("both", roll_back_and_delete, ["set-back", "delete"], [0, 2]),
    Case("respecified", delete_from_daily_files_of_another_spec, ["overwrite"], [1]),
]
QUICK = {"rolled", "rewritten"}
NAMES = [*(case.name for case in CASES), "appended", "appending", "kept", "swapped"]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChangedLake]:
    with Sandbox() as box:
        folder = tmp_path_factory.mktemp("changed")
        yield ChangedLake.made(folder, box, NAMES, {"appending": "{write: {mode: append}}"})


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.name, marks=[pytest.mark.slow] * (case.name not in QUICK)) for case in CASES],
)
def test_a_change_is_reported_and_what_it_took_is_loaded_again(
    lake: ChangedLake, capsys: pytest.CaptureFixture[str], case: Case
) -> None:
    lake.load(case.name)
    lake.assert_told(capsys, case.name, [], [])
    case.change(lake, lake.table(case.name))
    lake.assert_told(capsys, case.name, case.operations, case.lost)
    lake.assert_mended(capsys, case.name, case.lost)


def test_rows_that_somebody_adds_are_reported(lake: ChangedLake, capsys: pytest.CaptureFixture[str]) -> None:
    lake.load("appended")
    table = lake.table("appended")
    table.append(table.scan().to_arrow().slice(0, 2))
    lake.assert_told(capsys, "appended", ["append"], [])
    assert lake.tell(capsys, "verify", "appended")[0] != 0
    assert "influx-lake verify appended" in str(lake.status(capsys, "appended")["changed_by_others"]["message"])


@pytest.mark.parametrize("again", [1, 2])
def test_appending_loads_again_what_was_taken(
    lake: ChangedLake, capsys: pytest.CaptureFixture[str], again: int
) -> None:
    if again == 1:
        lake.load("appending")
    delete_a_day(lake, lake.table("appending"))
    code, told = lake.tell(capsys, "replicate", "appending", "--missing-only")
    assert code == 0, told
    assert lake.rows("appending") == DAYS * ROWS
    assert lake.tell(capsys, "verify", "appending")[0] == 0


@pytest.mark.slow
def test_why_windows_are_missing_is_reported_until_they_are_loaded_again(
    lake: ChangedLake, capsys: pytest.CaptureFixture[str]
) -> None:
    lake.load("kept")
    rollback(lake, lake.table("kept"))
    for number, left in ((2, [1]), (1, [])):
        window = lake.day(number)
        bounds = ("--start", window.start.isoformat(), "--end", window.end.isoformat())
        code, told = lake.tell(capsys, "replicate", "kept", *bounds)
        assert code == 0, told
        lake.assert_told(capsys, "kept", ["set-back"] if left else [], left)
    assert lake.status(capsys, "kept")["changed_by_others"]["message"] is None


@pytest.mark.slow
def test_rows_swapped_for_as_many_are_reported_until_their_window_is_loaded_again(
    lake: ChangedLake, capsys: pytest.CaptureFixture[str]
) -> None:
    lake.load("swapped")
    table, where = lake.table("swapped"), f"time >= '{lake.hour(1, 0)}' and time < '{lake.hour(2, 0)}'"
    rows = table.scan(row_filter=where).to_arrow()
    place = rows.column_names.index("value")
    table.overwrite(rows.set_column(place, "value", pc.negate(rows["value"])), overwrite_filter=where)
    window = lake.day(1)
    for _ in range(2):
        told = lake.status(capsys, "swapped")["changed_by_others"]
        assert (told["windows_lost"], told["windows_altered"]) == ([], [str(window)])
        assert "influx-lake replicate swapped --start" in told["message"]
        assert "influx-lake replicate swapped --start" in lake.gaps("swapped").message
        # A load of another window changes nothing in that.
        assert lake.tell(capsys, "replicate", "swapped", "--start", lake.hour(2, 0))[0] == 0
    assert lake.tell(capsys, "verify", "swapped", "--profile")[0] == 1
    command = told["message"].rpartition("influx-lake ")[2].split()
    assert lake.tell(capsys, *command)[0] == 0
    assert lake.status(capsys, "swapped")["changed_by_others"]["message"] is None
    assert lake.tell(capsys, "verify", "swapped", "--profile")[0] == 0
