"""Restores in Dagster: a run's partitions are the windows that it writes back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.orchestration.tags import partition_tags
from influx_lake.replication.window import replicate_window
from influx_lake.sandbox import Sandbox
from influx_lake.sources import open_reliable_source
from influx_lake_tests.integration.orchestration.automated_lake import DATABASE, DAY, START, AutomatedLake

OP = "influx_lake__restore__day"
JOB = "restore_day"


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[AutomatedLake]:
    with Sandbox() as box, dg.instance_for_test() as instance:
        (tmp_path / "token").write_text(str(box.token))
        source = {"host": box.url, "token": f"${{file:{tmp_path}/token}}", "retry": {"budget": "1s"}}
        found = AutomatedLake(
            box,
            tmp_path,
            instance,
            {
                "sources": {"default": {**source, "database": DATABASE}, "spare": {**source, "database": "spare"}},
                "defaults": {"partition": {"start": "2026-01-01"}},
                "pools": {"influxdb": 1},
            },
        )
        found.write(1, 2, 3)
        load(found, 1, 2, 3)
        yield found


def load(lake: AutomatedLake, *days: int) -> None:
    catalog = open_catalog("lake", lake.lake.catalog.properties())
    with closing(open_reliable_source(lake.lake.source("default"))) as source:
        for day in days:
            start = START + (day - 1) * DAY
            replicate_window(source, catalog, lake.measurement(), Window(start, start + DAY), run_id="test")


def restored(lake: AutomatedLake, first: str, last: str, **config: Any) -> dg.ExecuteInProcessResult:
    return lake.repository.get_job(JOB).execute_in_process(
        instance=lake.instance,
        run_config={"ops": {OP: {"config": {"measurement": "cpu", **config}}}},
        tags=partition_tags(first, last),
        raise_on_error=False,
    )


def values(event: dg.DagsterEvent) -> dict[str, Any]:
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_a_range_of_partitions(lake: AutomatedLake) -> None:
    result = restored(lake, "2026-01-02", "2026-01-03", to="spare", **{"as": "cpu_back"})
    assert result.success
    events = result.get_asset_materialization_events()
    assert [event.partition for event in events] == ["2026-01-02", "2026-01-03"]
    assert [(values(event)["points"], values(event)["equal"], values(event)["as"]) for event in events] == [
        (2, True, "cpu_back")
    ] * 2
    assert lake.box.row_count("spare", "cpu_back") == 4


@pytest.mark.slow
def test_files_below_the_lakes_folder(lake: AutomatedLake) -> None:
    assert restored(lake, "2026-01-01", "2026-01-01", to="exports/", compression="none").success
    assert [path.name for path in (lake.folder / "exports").iterdir()] == ["cpu_20260101T000000Z_20260102T000000Z.lp"]


def test_what_is_refused_fails_the_run_and_is_kept(lake: AutomatedLake) -> None:
    lake.box.write("spare", f"cpu usage=true {int(START.timestamp()) * 10**9 - 1}")
    result = restored(lake, "2026-01-01", "2026-01-03", to="spare")
    assert not result.success
    failure = result.failure_data_for_node(OP)
    assert failure is not None
    assert failure.user_failure_data is not None
    assert "refused 6 points: see" in str(failure.user_failure_data.description)
    letters = Path(str(failure.user_failure_data.metadata["dead_letters"].value))
    assert letters.read_text().count("\ncpu,host=") == 6


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"to": "default"}, "the lake is loaded from this very measurement"),
        pytest.param({"to": "nowhere"}, "has no source nowhere", marks=pytest.mark.slow),
        pytest.param({"to": "spare", "measurement": "gpu"}, "has no measurement gpu", marks=pytest.mark.slow),
    ],
)
def test_what_cannot_be_done_says_why(lake: AutomatedLake, config: dict[str, str], said: str) -> None:
    result = restored(lake, "2026-01-01", "2026-01-03", **config)
    failure = result.failure_data_for_node(OP)
    assert failure is not None
    assert failure.user_failure_data is not None
    assert said in str(failure.user_failure_data.description)


def test_nothing_is_restored_where_all_assets_are_materialised_together(lake: AutomatedLake) -> None:
    job = lake.repository.get_job(JOB)
    ran = job.execute_in_process(instance=lake.instance, tags=partition_tags("2026-01-01", "2026-01-01"))
    assert ran.success
    assert not ran.get_asset_materialization_events()


def test_half_a_configuration_is_refused(lake: AutomatedLake) -> None:
    ran = restored(lake, "2026-01-01", "2026-01-01")
    assert not ran.success
    [failure] = ran.get_step_failure_events()
    assert "has `measurement` or `to`, and not both" in str(failure.event_specific_data)
