"""What Spark does to a table is told of, what it took is loaded again, and no aggregate is dropped for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pytest

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.iceberg.changed_lake import DAYS, ROWS, ChangedLake
from influx_lake_tests.integration.iceberg.engines.spark_session import Spark, spark_session

pytestmark = pytest.mark.servers


class Work(NamedTuple):
    """Spark at work on the table of a case."""

    spark: Spark
    lake: ChangedLake
    name: str

    @property
    def table(self) -> str:
        return f"lake.telemetry.{self.name}"

    def run(self, statement: str) -> None:
        self.spark.run(statement.replace("{t}", self.table).replace("{n}", f"telemetry.{self.name}"))

    def snapshot(self, place: int) -> int:
        return self.lake.table(self.name).metadata.snapshots[place].snapshot_id

    def since(self, day: int) -> str:
        return f"time >= timestamp '{self.lake.day(day).start:%Y-%m-%d %H:%M:%S}'"


class Case(NamedTuple):
    """Something that somebody does to a table with Spark.

    Attributes:
        name: The measurement.
        change: What is done.
        operations: What `status` calls it.
        lost: The days that are no longer loaded.
    """

    name: str
    change: Callable[[Work], None]
    operations: Sequence[str]
    lost: Sequence[int] = ()


def truncate(work: Work) -> None:
    work.run("truncate table {t}")


def delete_a_day(work: Work) -> None:
    work.run(f"delete from {{t}} where {work.since(2)}")


def delete_a_host(work: Work) -> None:
    work.run("delete from {t} where host = 'h1'")


def delete_by_position(work: Work) -> None:
    work.spark.merge_on_read(work.table)
    work.run(f"delete from {{t}} where host = 'h1' and {work.since(1)}")


def delete_by_position_and_compact(work: Work) -> None:
    delete_by_position(work)
    compact(work)


def compact(work: Work) -> None:
    work.run("call lake.system.rewrite_data_files(table => '{n}', options => map('rewrite-all', 'true'))")


def compact_and_expire(work: Work) -> None:
    compact(work)
    work.run(
        "call lake.system.expire_snapshots(table => '{n}', retain_last => 1, older_than => timestamp '2100-01-01')"
    )


def rewrite_manifests(work: Work) -> None:
    work.run("call lake.system.rewrite_manifests('{n}')")


def roll_back(work: Work) -> None:
    work.run(f"call lake.system.rollback_to_snapshot('{{n}}', {work.snapshot(0)})")


def roll_back_and_pick(work: Work) -> None:
    roll_back(work)
    work.run(f"call lake.system.cherrypick_snapshot('{{n}}', {work.snapshot(1)})")


def fast_forward(work: Work) -> None:
    work.run("alter table {t} create branch audit")
    work.run(f"delete from lake.telemetry.{work.name}.branch_audit where {work.since(1)}")
    work.run("call lake.system.fast_forward('{n}', 'main', 'audit')")


def overwrite(work: Work) -> None:
    work.run(f"insert overwrite {{t}} select * from {{t}} where not ({work.since(2)})")


def update(work: Work) -> None:
    work.run("update {t} set value = value + 1 where host = 'h1'")


def merge(work: Work) -> None:
    work.run(
        """
        merge into {t} as t using (select explode(sequence(0, 1)) as n) as s on t.value = s.n
        when matched and s.n = 0 then delete when matched then update set value = -1
        """
    )


CASES = [
    Case("truncated", truncate, ["delete"], [0, 1, 2]),
    Case("day", delete_a_day, ["delete"], [2]),
    Case("host", delete_a_host, ["overwrite"], [0, 1, 2]),
    Case("by_position", delete_by_position, ["delete"], [1, 2]),
    Case("by_position_compacted", delete_by_position_and_compact, ["delete", "replace"], [1, 2]),
    Case("compacted", compact, ["replace"]),
    Case("expired", compact_and_expire, ["replace"]),
    Case("manifests", rewrite_manifests, ["replace"]),
    Case("rolled", roll_back, ["set-back"], [1, 2]),
    Case("picked", roll_back_and_pick, ["set-back"], [2]),
    Case("forwarded", fast_forward, ["delete"], [1, 2]),
    Case("overwritten", overwrite, ["overwrite"], [2]),
    Case("updated", update, ["overwrite"]),
    Case("merged", merge, ["overwrite"], [0]),
]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChangedLake]:
    with Sandbox() as box:
        names = [*(case.name for case in CASES), "made_anew", "published"]
        yield ChangedLake.made(tmp_path_factory.mktemp("spark"), box, names, {})


@pytest.fixture(scope="module")
def spark(lake: ChangedLake) -> Iterator[Spark]:
    # The catalog's file has to be there.
    lake.load(CASES[0].name)
    with spark_session(lake.folder) as spark:
        yield spark


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_change_is_reported_and_what_it_took_is_loaded_again(
    lake: ChangedLake, spark: Spark, capsys: pytest.CaptureFixture[str], case: Case
) -> None:
    lake.load(case.name)
    case.change(Work(spark, lake, case.name))
    lake.assert_told(capsys, case.name, case.operations, case.lost)
    if case.name == "updated":
        message = lake.status(capsys, case.name)["changed_by_others"]["message"]
        assert "influx-lake verify updated --start" in message
        assert "--profile" in message
        assert "by spark" in message
        return
    lake.assert_mended(capsys, case.name, case.lost)


def test_a_table_that_was_made_anew_is_refused_until_it_is_adopted(
    lake: ChangedLake, spark: Spark, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "made_anew"
    lake.load(name)
    before = lake.aggregates(name)
    Work(spark, lake, name).run(
        "create or replace table {t} using iceberg as select * from {t} where value < 10 order by time"
    )
    lake.assert_told(capsys, name, ["made-anew", "overwrite"], [0, 1, 2])
    code, told = lake.tell(capsys, "replicate", name, "--missing-only")
    assert code != 0
    assert "adopt: true" in told
    assert lake.rows(name) == 10
    assert lake.aggregates(name) == before

    config = lake.folder / "lake.yaml"
    written = config.read_text()
    config.write_text(written.replace(f"  {name}: {{}}", f"  {name}: {{adopt: true}}"))
    lake.assert_mended(capsys, name, [0, 1, 2])
    config.write_text(written)
    assert lake.status(capsys, name)["windows_missing"] == []


def test_rows_that_were_staged_and_published(
    lake: ChangedLake, spark: Spark, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "published"
    lake.load(name)
    work = Work(spark, lake, name)
    work.run("alter table {t} set tblproperties ('write.wap.enabled' = 'true')")
    spark.run("set spark.wap.id = night-1")
    work.run(f"insert into {{t}} (time, host, value) values (timestamp '{lake.start:%Y-%m-%d} 00:30:00', 'new', 1)")
    spark.run("reset spark.wap.id")
    lake.assert_told(capsys, name, [], [])
    # A commit of ours in between: else publishing only sets the snapshot that was staged.
    lake.load(name)
    work.run("call lake.system.publish_changes('{n}', 'night-1')")
    lake.assert_told(capsys, name, ["append"], [])
    [change] = lake.status(capsys, name)["changed_by_others"]["changes"]
    assert change["source_snapshot_id"]
    assert lake.rows(name) == DAYS * ROWS + 1
    assert lake.tell(capsys, "verify", name)[0] != 0
