from __future__ import annotations

from datetime import timedelta
from unittest.mock import Mock

import pytest

from influx_lake.config import Secret
from influx_lake.config.values.windows import Every, Window
from influx_lake.errors import AuthenticationFailed, SourceUnavailable
from influx_lake.replication import recent_schema
from influx_lake_tests.unit.orchestration.fakes import START, Lake, hourly_points

DAY = timedelta(days=1)
FIRST_DAYS = ("2026-01-01", "2026-01-03")


def second_day(window: Window) -> bool:
    return window.start == START + DAY


def test_a_partition_is_its_window_and_no_more(lake: Lake) -> None:
    lake.source.points = hourly_points(days=3)

    run = lake.run(lake.cpu(), key="2026-01-02")

    assert run.success
    assert [(row["time"], row["host"], row["usage"]) for row in lake.rows("telemetry", "cpu")] == [
        point for point in lake.source.points if START + DAY <= point[0] < START + 2 * DAY
    ]


def test_doing_it_again_leaves_the_same_rows(lake: Lake) -> None:
    lake.source.points = hourly_points(days=3)

    for _ in range(2):
        assert lake.run(lake.cpu(), keys=FIRST_DAYS).success

    assert len(lake.rows("telemetry", "cpu")) == len(lake.source.points)


def test_the_windows_of_a_run_ask_for_columns_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.source.points = hourly_points(days=3)
    monkeypatch.setattr(recent_schema, "monotonic", lambda: 0.0)
    ask = Mock(wraps=lake.source.schema)
    monkeypatch.setattr(lake.source, "schema", ask)

    for runs in (1, 2):
        assert lake.run(lake.cpu(), keys=FIRST_DAYS).success
        assert ask.call_count == runs


def test_each_partition_of_a_range_shows_its_own_figures(lake: Lake) -> None:
    lake.source.points = hourly_points(days=3)[: 24 * 2 * 2 + 5]

    run = lake.run(lake.cpu(), keys=("2026-01-01", "2026-01-04"))

    shown = run.partitions
    assert {key: facts["dagster/partition_row_count"] for key, facts in shown.items()} == {
        "2026-01-01": 48,
        "2026-01-02": 48,
        "2026-01-03": 5,
        "2026-01-04": 0,
    }
    # Windows are loaded side by side; the last event has what the table holds at the end.
    assert shown["2026-01-04"]["dagster/row_count"] == 101
    assert shown["2026-01-03"]["window"] == "2026-01-03T00:00:00Z/2026-01-04T00:00:00Z"
    assert shown["2026-01-04"]["preview"] == "No rows in this window."
    assert len({facts["snapshot_id"] for facts in shown.values()}) == 4


def test_a_materialisation_shows_what_people_look_for(lake: Lake) -> None:
    lake.source.points = hourly_points(days=1)

    facts = lake.run(lake.cpu(), key="2026-01-01").partitions["2026-01-01"]

    assert facts.keys() >= {"bytes", "files", "seconds", "rows_per_second", "read_seconds", "write_seconds"}
    assert facts["files"] == 1
    assert facts["previous_rows"] == 0
    assert (facts["first_time"], facts["last_time"]) == (START.timestamp(), lake.source.points[-1][0].timestamp())
    assert isinstance(facts["snapshot_id"], str)
    assert str(facts["dagster/uri"]).endswith("/warehouse/telemetry/cpu")
    assert str(facts["preview"]).count("\n") == 11
    columns = facts["dagster/column_schema"].columns
    assert [(column.name, column.type, list(column.tags)) for column in columns] == [
        ("time", "timestamptz", ["time"]),
        ("host", "string", ["tag"]),
        ("usage", "double", ["field"]),
    ]
    assert [column.constraints.nullable for column in columns] == [False, True, True]


def test_a_backfill_by_the_hour_commits_each_hour(lake: Lake) -> None:
    lake.source.points = hourly_points(days=1)

    run = lake.run(lake.cpu(Every.HOUR), keys=("2026-01-01-05:00", "2026-01-01-07:00"))

    assert {key: facts["dagster/partition_row_count"] for key, facts in run.partitions.items()} == {
        "2026-01-01-05:00": 2,
        "2026-01-01-06:00": 2,
        "2026-01-01-07:00": 2,
    }


def test_what_was_committed_before_a_failure_is_recorded(lake: Lake) -> None:
    lake.source.points = hourly_points(days=3)
    lake.source.failing = lambda window: SourceUnavailable("the server is away") if second_day(window) else None

    run = lake.run(lake.cpu(), keys=FIRST_DAYS)

    assert not run.success
    assert list(run.partitions) == ["2026-01-01"]
    assert len(lake.rows("telemetry", "cpu")) == 48


def test_a_failure_says_what_where_why_and_what_to_do(lake: Lake) -> None:
    lake.source.failing = lambda window: AuthenticationFailed("the token was refused", remedy="Write another one")

    failure = lake.run(lake.cpu(), key="2026-01-02").failure

    assert failure.description == (
        "measurement cpu, window 2026-01-02T00:00:00Z/2026-01-03T00:00:00Z: the token was refused. Write another one"
    )
    assert failure.metadata["measurement"].value == "cpu"
    assert failure.metadata["window"].value == "2026-01-02T00:00:00Z/2026-01-03T00:00:00Z"
    assert failure.metadata["error"].value == "AuthenticationFailed"
    assert failure.metadata["remedy"].value == "Write another one"


def test_a_source_that_forgot_a_window_fails_the_run(lake: Lake) -> None:
    lake.source.points = hourly_points(days=1)
    assert lake.run(lake.cpu(), key="2026-01-01").success
    lake.source.points = []

    run = lake.run(lake.cpu(), key="2026-01-01")

    assert "holds 48" in str(run.failure.description)
    assert len(lake.rows("telemetry", "cpu")) == 48


@pytest.mark.parametrize("kind", [SourceUnavailable, RuntimeError])
def test_no_token_is_stored_whatever_an_error_says(
    lake: Lake, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_TOKEN", "apiv3_very-secret-token")
    token = Secret("${A_TOKEN}").reveal()

    def failing(window: Window) -> Exception:
        error = kind(f"refused {token}")
        error.__cause__ = ValueError(f"header Bearer {token}")
        return error

    lake.source.failing = failing

    run = lake.run(lake.cpu(), key="2026-01-01")

    assert not run.success
    assert "refused **********" in run.event_log
    assert token not in run.event_log


def test_the_source_is_closed_also_after_a_failure(lake: Lake) -> None:
    lake.source.failing = lambda window: SourceUnavailable("the server is away")

    lake.run(lake.cpu(), key="2026-01-01")

    assert lake.source.closed == 1


def test_a_long_window_logs_its_progress(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("influx_lake.iceberg.window_load.PROGRESS_SECONDS", 0)
    lake.source.points = hourly_points(days=1)

    run = lake.run(lake.cpu(), key="2026-01-01")

    assert "cpu: 48 rows so far" in run.event_log
