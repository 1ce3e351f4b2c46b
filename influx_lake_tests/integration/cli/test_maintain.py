"""`influx-lake maintain`: small files become few, old things go, and the rows stay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import duckdb
import pytest

from influx_lake.config.maintenance.options import Kind
from influx_lake.iceberg.maintenance.task import Maintained
from influx_lake.maintenance.kinds import KINDS
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import CliLake

LAKE = """\
sources:
  default: {{host: {host}, database: telemetry, token: "${{file:token}}", retry: {{budget: 1s}}}}
catalog: {catalog}
defaults:
  maintenance: {{expire_snapshots: {{older_than: 0s, keep_last: 1}}, metadata: {{keep_last: 20}}}}
measurements:
  cpu: {{on_type_conflict: quarantine, rollups: {{hourly: {{every: 1h}}}}}}
  mem: {{maintenance: off}}
"""


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        lake = CliLake(tmp_path, box, capsys)
        lake.write_config(LAKE)
        for name in ("cpu", "mem"):
            lake.fill(name, range(2), 48)
        # Four small files for each of two days, as tails and shorter windows leave them.
        result = lake.tell("replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-03", "--every", "6h")
        assert result.code == 0, result.err
        assert lake.tell("replicate", "mem", "--start", "2026-01-01", "--end", "2026-01-03").code == 0
        yield lake


def content(lake: CliLake) -> list[tuple[object, ...]]:
    """The rows of cpu as DuckDB reads its files, those that the table has now."""
    files = [task.file.file_path for task in lake.catalog.load_table("telemetry.cpu").scan().plan_files()]
    return duckdb.sql(f"select time, host, value from read_parquet({files!r}) order by all").fetchall()


def test_a_dry_run_tells_what_would_be_done_and_does_nothing(lake: CliLake) -> None:
    before = lake.metadata(), lake.data_files()

    result = lake.tell("maintain", "--dry-run", "--json")

    assert result.code == 0, result.err
    assert result.object["dry_run"] is True
    done = {each["kind"]: each for each in result.object["maintained"]}
    # Nothing of mem, which is `off`; roll-up and quarantine have no table yet.
    assert {each["table"] for each in result.object["maintained"]} == {"telemetry.cpu"}
    assert done["compact"]["before"]["data_files"] == 8
    assert done["compact"]["after"] == done["compact"]["before"]
    assert done["expire_snapshots"]["done"]["snapshots_expired"] == 7
    [*examples] = done["expire_snapshots"]["files"]
    assert examples
    assert "would delete " + examples[0] in lake.tell("maintain", "--dry-run", "--only", "expire_snapshots").out
    assert (lake.metadata(), lake.data_files()) == before


def test_small_files_become_few_old_snapshots_go_and_the_rows_stay(lake: CliLake) -> None:
    rows = content(lake)

    result = lake.tell("maintain", "cpu")

    assert result.code == 0, result.err
    [compact] = [line.split() for line in result.out.splitlines() if " compact " in line]
    assert compact[:5] == ["telemetry.cpu", "compact", "8", "→", "2"]
    assert content(lake) == rows
    assert sum("/cpu/" in str(path) for path in lake.data_files()) == 2
    table = lake.catalog.load_table("telemetry.cpu")
    assert len(table.metadata.snapshots) == 1
    # What is loaded is known all the same, and nothing is loaded again for it.
    status = lake.tell("status", "cpu", "--json").object["measurements"][0]
    assert (status["windows_loaded"], status["rows"]) == (2, 96)
    assert status["changed_by_others"]["message"] is None
    assert lake.tell("verify", "cpu", "--start", "2026-01-01", "--end", "2026-01-03", "--profile").code == 0
    # And there is nothing to do any more.
    again = lake.tell("maintain", "cpu", "--only", "compact", "--only", "expire_snapshots", "--json").object
    assert [each["done"] for each in again["maintained"] if any(each["done"].values())] == []


def test_one_kind_of_one_measurement(lake: CliLake) -> None:
    result = lake.tell("maintain", "cpu", "--only", "compact", "--json")
    assert [(each["table"], each["kind"]) for each in result.object["maintained"]] == [("telemetry.cpu", "compact")]
    assert len(lake.catalog.load_table("telemetry.cpu").metadata.snapshots) > 1
    assert lake.tell("maintain", "mem").out == "Nothing to do: no table is there yet, or its maintenance is off.\n"
    assert lake.tell("maintain", "--only", "vacuum").code == 2


def test_what_fails_of_one_table_is_reported_and_the_others_are_done(lake: CliLake) -> None:
    lake.catalog.create_table("telemetry.cpu_hourly", lake.catalog.load_table("telemetry.cpu").schema())

    result = lake.tell("maintain", "--only", "compact", "--json")

    assert result.code == 1
    assert [each["table"] for each in result.object["maintained"]] == ["telemetry.cpu"]
    [failure] = result.object["failures"]
    assert (failure["table"], failure["kind"]) == ("telemetry.cpu_hourly", "compact")
    assert "was not loaded by influx-lake; nothing was done to it" in failure["message"]
    assert "✗ telemetry.cpu_hourly, compact: measurement cpu" in result.err


def test_a_command_that_is_stopped_says_what_is_done(lake: CliLake, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> Maintained:
        raise KeyboardInterrupt

    monkeypatch.setitem(cast("dict[Kind, object]", KINDS), Kind.REWRITE_MANIFESTS, stop)
    result = lake.tell("maintain", "cpu")
    assert result.code == 130
    assert "✓ telemetry.cpu, compact: partitions: 2, files removed: 8, files added: 2" in result.err
    assert "Stopped. What is told above is done, and stays; the next time goes on with the rest." in result.err
    assert len(list(lake.catalog.load_table("telemetry.cpu").scan().plan_files())) == 2
