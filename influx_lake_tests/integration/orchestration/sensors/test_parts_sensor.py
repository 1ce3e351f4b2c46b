"""The run of a large window shares its parts with other runs, and waits for none that has not begun."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.parts.records import PartRecords
from influx_lake.iceberg.parts.written_part import WrittenPart
from influx_lake.orchestration.splitting.part_requests import PART, SPLIT, wanted_of
from influx_lake.orchestration.splitting.part_runs import part_jobs, parts_sensor
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.orchestration.automated_lake import START
from influx_lake_tests.integration.orchestration.sensors.sensed_lake import CPU, SensedLake

DAY = "2026-01-01"
PARTS = [Window(START + timedelta(hours=3 * n), START + timedelta(hours=3 * n + 3)) for n in range(8)]


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[SensedLake]:
    with Sandbox() as box, dg.instance_for_test() as instance:
        found = SensedLake(box, tmp_path, instance, {"measurements": {"cpu": {"partition": {"split": "3h"}}}})
        found.write_at(*(START + timedelta(hours=hour) for hour in range(24)))
        yield found


def requests(lake: SensedLake) -> Sequence[dg.RunRequest]:
    return lake.evaluate(parts_sensor(lake.lake, part_jobs(lake.lake))).run_requests or []


def part_runs(lake: SensedLake, *statuses: dg.DagsterRunStatus) -> Sequence[dg.DagsterRun]:
    return lake.instance.get_runs(dg.RunsFilter(job_name="write_parts_default", statuses=list(statuses) or None))


@contextmanager
def meanwhile(work: object, lake: SensedLake) -> Iterator[None]:
    """Do something, again and again, as long as the context lasts."""
    over, failures = threading.Event(), list[BaseException]()

    def loop() -> None:
        while not over.is_set():
            try:
                work(lake)  # type: ignore[operator]
            except BaseException as error:
                failures.append(error)
                return
            over.wait(0.2)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert not failures, failures


def test_a_run_without_help_writes_all_parts_itself(lake: SensedLake) -> None:
    lake.load(DAY)
    assert lake.rows() == 24
    assert lake.instance.get_materialized_partitions(CPU) == {DAY}
    assert part_runs(lake) == []
    assert requests(lake) == []


@pytest.mark.slow
def test_runs_help_with_parts(lake: SensedLake) -> None:
    lake.box.faults.batch_delay = 0.7
    with meanwhile(lambda lake: [lake.run_job(each) for each in requests(lake)[:1]], lake):
        lake.load(DAY)
    helped = part_runs(lake, dg.DagsterRunStatus.SUCCESS)
    assert 1 <= len(helped) == len({run.tags[PART] for run in helped}) < len(PARTS)
    assert len(part_runs(lake)) == len(helped)
    assert lake.rows() == 24
    assert lake.instance.get_materialized_partitions(CPU) == {DAY}


def queue(lake: SensedLake) -> None:
    """Make the runs that are asked for, which nobody starts: there is no place for them."""
    for request in requests(lake):
        assert request.job_name is not None
        lake.instance.create_run_for_job(
            lake.repository.get_job(request.job_name),
            run_config=request.run_config,
            tags=request.tags,
            status=dg.DagsterRunStatus.NOT_STARTED,
        )


@pytest.mark.slow
def test_runs_that_find_no_place_are_not_waited_for(lake: SensedLake) -> None:
    lake.box.faults.batch_delay = 0.7
    with meanwhile(queue, lake):
        lake.load(DAY)
    assert lake.rows() == 24
    assert {run.status for run in part_runs(lake)} == {dg.DagsterRunStatus.CANCELED}


@pytest.mark.slow
def test_a_run_that_is_cancelled_ends_the_others(lake: SensedLake) -> None:
    def cancel(lake: SensedLake) -> None:
        queue(lake)
        for run in lake.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED], tags={SPLIT: "true"})):
            if part_runs(lake):
                lake.instance.report_run_canceling(run)

    lake.box.faults.batch_delay = 0.7
    request = dg.RunRequest(partition_key=DAY, asset_selection=[CPU], tags={"dagster/partition": DAY})
    with meanwhile(cancel, lake):
        assert not lake.run(request).success
    assert {run.status for run in part_runs(lake)} == {dg.DagsterRunStatus.CANCELED}
    assert lake.instance.get_materialized_partitions(CPU) == set()
    [asking] = lake.instance.get_runs(dg.RunsFilter(tags={SPLIT: "true"}))
    assert [wanted.left for wanted in wanted_of(asking)] == [()]


def test_a_value_that_was_corrected_since_a_run_died_is_loaded(
    lake: SensedLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run takes up what the dead one wrote, where the source has the same rows still."""
    put, left = PartRecords.put, [None] * 4

    def dying(records: PartRecords, part: WrittenPart) -> None:
        if not left:
            raise dg.DagsterExecutionInterruptedError
        left.pop()
        put(records, part)

    request = dg.RunRequest(partition_key=DAY, asset_selection=[CPU], tags={"dagster/partition": DAY})
    with monkeypatch.context() as patched:
        patched.setattr(PartRecords, "put", dying)
        assert not lake.run(request).success
    assert len(list(lake.folder.rglob("*.part.json"))) == 4
    written = {path.name for path in lake.folder.rglob("*.parquet")}
    # In the first part and the last: a run begins with one of these.
    lake.write_at(START, START + timedelta(hours=23), usage=7.0)
    lake.load(DAY)
    catalog = open_catalog("lake", lake.lake.catalog.properties())
    scan = catalog.load_table(("telemetry", "cpu")).scan()
    values = scan.to_arrow().sort_by("time")["usage"].to_pylist()
    assert values == [7.0, *[1.0] * 22, 7.0]
    assert len({task.file.file_path.rsplit("/")[-1] for task in scan.plan_files()} & written) == 3


def test_a_run_whose_part_is_not_wanted_any_more_does_nothing(lake: SensedLake) -> None:
    config = {
        "measurement": lake.lake.find("cpu").full_name,
        "window": str(Window(PARTS[0].start, PARTS[-1].end)),
        "part": str(PARTS[0]),
        "asked_by": "somebody",
        "with_nanoseconds": False,
    }
    job = lake.repository.get_job("write_parts_default")
    assert job.execute_in_process(
        instance=lake.instance, run_config={"ops": {"write_parts_default_rows": {"config": config}}}
    ).success
    assert not list(lake.folder.rglob("*.parquet"))
