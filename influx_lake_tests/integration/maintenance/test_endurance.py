"""Loads, tails and maintenance of one table, from eight processes at once, some of which are killed all the time."""

from __future__ import annotations

import json
import multiprocessing
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import duckdb
import pytest

from influx_lake.config.maintenance.options import OrphanOptions
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.maintenance.remove_orphans import remove_orphans
from influx_lake.iceberg.maintenance.task import TableTask
from influx_lake.iceberg.table_state import table_state
from influx_lake_tests.integration.maintenance.working import (
    DAYS,
    HOUR_ROWS,
    OPEN_DAY,
    SEALED_DAY,
    SEALED_ROWS,
    Worker,
    properties,
    work,
)
from influx_lake_tests.unit.iceberg.tables import TARGET, day, hours
from testbed.waiting import wait_until

ROLES = ("loads", "loads", "loads", "tails", "tails", "compacts", "compacts", "clears")
OF_LOADS = ("loads", "tails")


@dataclass
class WorkerThreads:
    """The processes of a run.

    Attributes:
        folder: What they share.
        killed: How many were killed, by role.
    """

    folder: Path
    began: float = field(default_factory=time.time)
    killed: Counter[str] = field(default_factory=Counter)
    _processes: list[tuple[str, BaseProcess]] = field(default_factory=list)

    def start(self, role: str) -> None:
        # One that is started in the place of a killed one has imported everything already.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([work.__module__])
        process = context.Process(target=work, args=(str(self.folder), role, self.began))
        process.start()
        self._processes.append((role, process))

    @property
    def at_work(self) -> list[int]:
        """The places of the processes that have done something."""
        return [place for place, (_, process) in enumerate(self._processes) if self._has_told(process)]

    def _has_told(self, process: BaseProcess) -> bool:
        assert process.exitcode is None, "a process ended by itself"
        told = self.folder / f"done-{process.pid}.jsonl"
        return told.exists() and told.stat().st_size > 0

    def kill_one(self, chance: random.Random) -> None:
        """Kill a process that is at work, and start another one in its place."""
        role, process = self._processes.pop(chance.choice(self.at_work))
        process.kill()
        process.join()
        self.killed[role] += 1
        self.start(role)

    def end(self) -> None:
        """Let all end what they do."""
        (self.folder / "stop").touch()
        for role, process in self._processes:
            process.join(timeout=120)
            assert process.exitcode == 0, f"{role} ended with {process.exitcode}"

    def kill_all(self) -> None:
        for _, process in self._processes:
            process.kill()
            process.join()

    def done(self) -> list[dict[str, Any]]:
        """What was done, as far as it was told: a process may be killed between the two."""
        return [
            json.loads(line)
            for path in self.folder.glob("done-*.jsonl")
            for line in path.read_text().splitlines(keepends=True)
            if line.endswith("\n")
        ]


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(30, marks=pytest.mark.slow),
        pytest.param(600, marks=[pytest.mark.long, pytest.mark.timeout(1500)]),
    ],
)
def test_nothing_is_lost_nothing_is_there_twice_and_no_load_fails(
    seconds: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(seconds)
    Worker(tmp_path, time.time()).loads()
    workers = WorkerThreads(tmp_path)
    with ExitStack() as stack:
        stack.callback(workers.kill_all)
        for role in ROLES:
            workers.start(role)
        wait_until(lambda: len(workers.at_work) == len(ROLES), "all of them are at work", seconds=120)
        for looked in every(3.0, seconds):
            if looked and len(workers.at_work) > len(ROLES) // 2:
                workers.kill_one(chance)
                check_counts(tmp_path)
        workers.end()

    done = workers.done()
    failed = [each for each in done if "error" in each]
    assert [each for each in failed if each["role"] in OF_LOADS] == []
    counts = Counter(each["role"] for each in done if "error" not in each)
    with capsys.disabled():
        print(f"\n{seconds} s: done {dict(counts)}, failed {len(failed)}, killed {dict(workers.killed)}")
    assert all(counts[role] for role in ROLES), counts
    # Each load found the hour, or the day, as another load had left it.
    sizes = {HOUR_ROWS, SEALED_ROWS}
    assert {(each["before"], each["rows"]) for each in done if each["role"] == "loads" and "error" not in each} <= {
        (before, size) for size in sizes for before in (0, size)
    }
    check_rows(tmp_path, done)
    check_no_orphans(tmp_path)
    check_rows(tmp_path, done)


def every(pause: float, seconds: float) -> Iterator[int]:
    """Count, at such a pace, for so long."""
    began, number, never = time.monotonic(), 0, threading.Event()
    while (left := began + seconds - time.monotonic()) > 0:
        yield number
        number += 1
        never.wait(min(left, max(0.0, began + number * pause - time.monotonic())))


def loaded(folder: Path) -> dict[str, int]:
    """How many rows each hour has, as DuckDB reads the files."""
    table = open_catalog("lake", properties(folder)).load_table(TARGET.identifier)
    files = [task.file.file_path for task in table.scan().plan_files()]
    assert len(files) == len(set(files))
    counted = "select date_trunc('hour', time), count(*), count(distinct time) from read_parquet($1) group by 1"
    with duckdb.connect() as database:
        database.execute("set timezone = 'UTC'")
        found = database.execute(counted, [files]).fetchall()
    # The same moment twice in an hour is a row twice.
    assert [row for row in found if row[1] != row[2]] == []
    return {f"{hour:%Y-%m-%d %H}": number for hour, number, _ in found}


def check_counts(folder: Path) -> None:
    """A reader sees each hour whole, or not at all, whatever happens."""
    try:
        found = loaded(folder)
    except (FileNotFoundError, duckdb.IOException):
        # Its snapshot was expired while it was read: two seconds are no time.
        return
    of_hours = {hour: found.get(hour, 0) for number in range(DAYS) for hour in hours_of(number)}
    assert set(of_hours.values()) <= {0, HOUR_ROWS}, of_hours
    assert sum(found.get(hour, 0) for hour in hours_of(SEALED_DAY)) in (0, SEALED_ROWS)


def hours_of(number: int) -> list[str]:
    return [f"{day(number).start + timedelta(hours=hour):%Y-%m-%d %H}" for hour in range(24)]


def check_rows(folder: Path, done: list[dict[str, Any]]) -> None:
    """What was loaded is there, once, and known to be."""
    found = loaded(folder)
    check_counts(folder)
    coverage = table_state(open_catalog("lake", properties(folder)).load_table(TARGET.identifier)).coverage
    told = {each["window"] for each in done if each["role"] == "loads" and "error" not in each}
    for number in range(DAYS):
        for hour, name in enumerate(hours_of(number)):
            window = hours(number, hour, hour + 1)
            assert not (str(window) in told and found.get(name) != HOUR_ROWS), f"{name} is lost"
            assert coverage.holds(window) == (name in found), f"what is known of {name} is not what is there"
    assert coverage.holds(day(SEALED_DAY)) == (f"{day(SEALED_DAY).start:%Y-%m-%d %H}" in found)
    # The open window from its beginning to where a tail told it was, one row in every second.
    until = max((each["until"] for each in done if each["role"] == "tails" and "error" not in each), default=0)
    there = sum(found.get(hour, 0) for hour in hours_of(OPEN_DAY))
    assert there >= (until - day(OPEN_DAY).start_us) // 10**6, "rows of the open window are lost"
    full = [found.get(hour, 0) for hour in hours_of(OPEN_DAY)]
    whole, rest = divmod(there, 3600)
    assert full == [3600] * whole + ([rest] if rest else []) + [0] * (24 - whole - bool(rest))


def check_no_orphans(folder: Path) -> None:
    """What the killed processes left is removed, and nothing else."""
    catalog = open_catalog("lake", properties(folder))
    later = datetime.now(UTC) + timedelta(days=10)
    done = remove_orphans(TableTask(catalog, TARGET, "last", later), OrphanOptions())
    assert done.left == ()
    table = catalog.load_table(TARGET.identifier)
    needed = {
        entry.data_file.file_path
        for snapshot in table.snapshots()
        for manifest in snapshot.manifests(table.io)
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    }
    there = {str(path) for path in (folder / "warehouse").rglob("*.parquet")}
    assert there == {path.removeprefix("file://") for path in needed}
