"""Batches of events in SQLite: what stands in the databases is what Dagster's own storage would have written."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from influx_lake.errors import ConfigurationError
from influx_lake.orchestration.event_log.sqlite_storage import BatchedEventLog, BatchedSqliteStorage

OURS = {"custom": {"module": BatchedSqliteStorage.__module__, "class": BatchedSqliteStorage.__name__}}
DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-31")
RUN = {"dagster/asset_partition_range_start": "2026-01-02", "dagster/asset_partition_range_end": "2026-01-13"}


def as_asked(name: str, deps: Sequence[dg.AssetsDefinition] = ()) -> dg.AssetsDefinition:
    @dg.asset(
        name=name,
        deps=deps,
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[dg.AssetCheckSpec("fine", asset=name)],
    )
    def it(context: dg.AssetExecutionContext) -> Iterator[Any]:
        for key in context.partition_keys:
            context.add_asset_metadata({"day": key, "rows": len(key)}, partition_key=key)
        context.log_event(dg.AssetObservation(name, metadata={"seen": 1}))
        yield dg.MaterializeResult(tags={"kind": "test"})
        yield dg.AssetCheckResult(passed=True, check_name="fine")

    return it


@pytest.fixture
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "5")
    homes = tmp_path / "dagster", tmp_path / "ours"
    for home in homes:
        home.mkdir()
    return homes


def run_in(home: Path, storage: dict[str, Any] | None) -> list[str]:
    """The ids of two runs of two assets over some days."""
    first = as_asked("first")
    assets = [first, as_asked("second", [first])]
    overrides = {"storage": storage} if storage else {}
    with dg.instance_for_test(overrides, temp_dir=str(home), set_dagster_home=True) as instance:
        assert isinstance(instance.event_log_storage, BatchedEventLog) == bool(storage)
        return [dg.materialize(assets, instance=instance, tags=RUN).run_id for _ in range(2)]


def shown(home: Path, run_ids: Sequence[str], database: str, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(home / "history" / "runs" / f"{database}.db")) as opened:
        rows = opened.execute(query).fetchall()
    known = {run_id: f"run {number}" for number, run_id in enumerate(run_ids)}
    return [tuple(known.get(value, value) for value in row) for row in rows]


def test_the_databases_hold_what_dagsters_own_storage_writes(homes: tuple[Path, Path]) -> None:
    ids = [run_in(home, storage) for home, storage in zip(homes, (None, OURS), strict=True)]
    events = "SELECT run_id, dagster_event_type, step_key, asset_key, partition FROM event_logs ORDER BY id"
    for query in (
        events,
        "SELECT asset_key, last_run_id, last_materialization LIKE '%2026-01-13%' FROM asset_keys ORDER BY asset_key",
        "SELECT asset_key, key, event_id FROM asset_event_tags ORDER BY id",
        "SELECT asset_key, check_name, run_id, execution_status FROM asset_check_executions ORDER BY id",
    ):
        own, ours = (shown(home, each, "index", query) for home, each in zip(homes, ids, strict=True))
        assert own == ours
        assert own
    for place in range(2):
        own, ours = (shown(home, each, each[place], events) for home, each in zip(homes, ids, strict=True))
        assert own == ours
        assert sum(row[1] == "ASSET_MATERIALIZATION" for row in ours) == 24


def test_events_are_found_by_their_place_in_the_index(homes: tuple[Path, Path]) -> None:
    run_in(homes[1], OURS)
    with dg.instance_for_test({"storage": OURS}, temp_dir=str(homes[1]), set_dagster_home=True) as instance:
        newest = instance.get_latest_materialization_event(dg.AssetKey("first"))
        assert newest is not None
        assert newest.asset_materialization is not None
        assert newest.asset_materialization.partition == "2026-01-13"
        assert newest.asset_materialization.metadata["day"].value == "2026-01-13"
        assert len(instance.get_materialized_partitions(dg.AssetKey("second"))) == 12


def test_a_batch_that_fails_leaves_nothing_and_its_events_are_written_one_by_one(
    homes: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: BatchedEventLog, run_id: str, events: Sequence[dg.EventLogEntry]) -> None:
        stored(self, run_id, events)
        raise OSError("the disk is full")

    stored = BatchedEventLog._store_asset_events
    monkeypatch.setattr(BatchedEventLog, "_store_asset_events", failing)
    [run_id, _] = run_in(homes[1], OURS)
    materialized = "SELECT count(*) FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION'"
    assert shown(homes[1], [], run_id, materialized) == [(24,)]
    assert shown(homes[1], [], "index", materialized) == [(48,)]


def test_without_a_home_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with pytest.raises(ConfigurationError, match="DAGSTER_HOME is not set"):
        BatchedSqliteStorage.from_config_value(None, {})  # type: ignore[arg-type]
