"""Windows deleted at their source while late points come, processes die, counts lie, tables are set back and clocks
differ: each point is in the source or in the table; where others set the table back, in the source or what is tagged.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config import Lake, Measurement, load_lake
from influx_lake.config.maintenance.options import CompactOptions, ExpireOptions
from influx_lake.errors import LakeError
from influx_lake.iceberg.columns.known_columns import as_known
from influx_lake.iceberg.history.snapshot_view import as_of
from influx_lake.iceberg.maintenance.compact import compact
from influx_lake.iceberg.maintenance.expire_snapshots import expire_snapshots
from influx_lake.iceberg.maintenance.task import TableTask
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.target import TableTarget
from influx_lake.offload.offload_run import Offloading, Step
from influx_lake.offload.planning import plan_offload
from influx_lake.replication.comparison.compare_windows import Depth
from influx_lake.replication.comparison.verify import verify
from influx_lake.replication.window import replicate_window
from influx_lake_tests.unit.offload.fired_source import KEY, FiredSource, timed_out
from influx_lake_tests.unit.transforms.memory_source import SCHEME, Row

LAKE = """\
sources: {{default: {{type: influxdb1, host: 'http://127.0.0.1:1', database: telemetry}}}}
catalog: {{type: sql, uri: 'sqlite:///./c.db', warehouse: ./w}}
measurements:
  cpu: {{on_shrink: {on_shrink}, offload: {{after: 1d, keep_tag: 1d}}, write: {{mode: {mode}}}}}
"""
DAYS = 3
WINDOWS = [*SCHEME.windows(SCHEME.start, SCHEME.start + timedelta(days=DAYS))]


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Fire:
    """What goes wrong in one case, drawn by its seed."""

    seed: int
    lake: Lake
    catalog: Catalog
    source: FiredSource = field(default_factory=FiredSource)
    did: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.now = datetime.now(UTC) + timedelta(days=self.draw.choice([0, 0, -30, 400, 4000]))

    @property
    def cpu(self) -> Measurement:
        [found] = self.lake.measurements
        return found

    def point(self) -> Row:
        """A point of any day, new or one that is there."""
        draw = self.draw
        second = draw.randrange(DAYS * 86_400 // 3_600) * 3_600
        moment = WINDOWS[0].start_us * 1000 + second * 10**9 + draw.choice([0, 0, 0, 1, 999])
        point: Row = {"time": moment, "host": draw.choice("ab"), "region": draw.choice([None, "eu"])}
        values: Row = {"busy": draw.choice([0.0, -0.0, 0.5]), "count": draw.randrange(9), "text": draw.choice("xé")}
        some = draw.sample(sorted(values), draw.randint(1, 3))
        return point | {name: values[name] for name in some}

    def mischief(self, step: Step, late: bool) -> None:
        """Something happens, or nothing does."""
        deeds: list[tuple[str, Callable[[], Any]]] = [("nothing", lambda: None)] * 4
        if late:
            deeds += [("late point", lambda: self.source.write(self.point()))] * 3
        deeds += [
            ("kill", self.kill),
            ("load", self.load),
            ("set back", self.set_back),
            ("maintenance", self.maintain),
            ("erring count", self.lie),
        ]
        name, deed = self.draw.choice(deeds)
        if name != "nothing":
            self.did.append(f"{step}: {name}")
        deed()

    def kill(self) -> None:
        raise Killed

    def load(self) -> None:
        window = self.draw.choice(WINDOWS)
        try:
            replicate_window(self.source, self.catalog, self.cpu, window, run_id="beside")
        except LakeError as error:
            self.did.append(f"  refused: {type(error).__name__}")

    def set_back(self) -> None:
        table = self.catalog.load_table(self.cpu.identifier)
        line = [entry.snapshot_id for entry in table.metadata.snapshot_log]
        there = [each for each in line if table.metadata.snapshot_by_id(each)]
        table.manage_snapshots().set_current_snapshot(snapshot_id=self.draw.choice(there)).commit()

    def maintain(self) -> None:
        task = TableTask(self.catalog, TableTarget(self.cpu.identifier), "test", datetime.now(UTC))
        compact(task, CompactOptions(after=timedelta(0)))
        expire_snapshots(task, ExpireOptions(older_than=timedelta(0), keep_last=1))

    def lie(self) -> None:
        error = self.draw.choice([-1, 1, -1000])
        self.source.on_count = lambda count: max(0, count + error)

    def on_step(self, step: Step, window: Any) -> None:
        # No server can be asked to delete only if nothing came since it was looked at.
        self.mischief(step, late=step is not Step.PROVED)

    def on_delete(self, delete: Callable[[float], None]) -> None:
        share = self.draw.choice([1.0, 1.0, 1.0, 0.5, 0.0])
        fails = self.draw.choice([None, None, Killed(), timed_out()]) if share == 1.0 else timed_out()
        delete(share)
        if fails is not None:
            self.did.append(f"delete of {share}: {type(fails).__name__}")
            raise fails

    def run(self) -> None:
        """One process: it proves what it can, plans and deletes, and may die."""
        self.source.on_count = lambda count: count
        self.source.on_delete = self.on_delete
        try:
            for window in WINDOWS:
                try:
                    verify(self.source, self.catalog, self.cpu, [window], depth=Depth.VALUES)
                except LakeError:
                    continue
            plan = plan_offload(self.lake, self.catalog, self.source, self.cpu, self.now)
            offloading = Offloading(
                self.lake, self.catalog, self.source, self.source, self.cpu, "test", self.now, on_step=self.on_step
            )
            for result in offloading.run(plan):
                self.did.append(f"{result.window.start:%d}: {result.outcome} {result.remark}")
                if self.draw.random() < 0.3:
                    self.source.write(self.point())
        except LakeError as error:
            self.did.append(f"failed: {type(error).__name__}: {error.message[:80]}")
        except Killed:
            self.did.append("killed")

    def lost(self) -> list[tuple[Any, ...]]:
        """The values that are nowhere. What is tagged counts only where others set the table back."""
        table = find_table(self.catalog, self.cpu.identifier)
        assert table is not None
        was_set_back = any("set back" in each for each in self.did)
        refs = {name: ref.snapshot_id for name, ref in table.metadata.refs.items()}
        heads = set(refs.values()) if was_set_back else {refs["main"]}
        places = [{self.key_of(row): row for row in self.source.rows}]
        for head in heads:
            snapshot = table.metadata.snapshot_by_id(head)
            assert snapshot is not None
            rows = as_known(as_of(table, snapshot)).scan().to_arrow().to_pylist()
            places.append({self.key_of(self.as_point(row)): row for row in rows})
        return [
            (*key, name, value)
            for key, point in self.source.accepted.items()
            for name, value in point.items()
            if name not in KEY and not any(repr(place.get(key, {}).get(name)) == repr(value) for place in places)
        ]

    @staticmethod
    def key_of(row: Row) -> tuple[Any, ...]:
        return tuple(row.get(name) for name in KEY)

    @staticmethod
    def as_point(row: Row) -> Row:
        whole = row.get("time_ns")
        moment = row["time"]
        micros = int(moment.timestamp()) * 1_000_000 + moment.microsecond
        return {**row, "time": micros * 1000 if whole is None else whole}


def fired(seed: int, catalog: Catalog, folder: Path) -> Fire:
    draw = random.Random(seed)
    path = folder / "lake.yaml"
    path.write_text(
        LAKE.format(on_shrink=draw.choice(["replace", "fail", "merge"]), mode=draw.choice(["replace"] * 2 + ["upsert"]))
    )
    fire = Fire(seed, load_lake(path), catalog)
    for _ in range(60):
        fire.source.write(fire.point())
    for window in WINDOWS:
        replicate_window(fire.source, catalog, fire.cpu, window, run_id="first")
    for _ in range(4):
        fire.run()
        fire.did.append("--")
    return fire


def check(seed: int, catalog: Catalog, folder: Path) -> Fire:
    fire = fired(seed, catalog, folder)
    assert fire.lost() == [], (seed, fire.did)
    return fire


@pytest.mark.parametrize(
    "seeds",
    [
        range(4),
        pytest.param(range(4, 40), marks=pytest.mark.slow),
        pytest.param(range(300), marks=[pytest.mark.long, pytest.mark.timeout(3_000)]),
    ],
)
def test_no_point_is_lost(seeds: range, catalog: Catalog, tmp_path: Path) -> None:
    deleted = 0
    for seed in seeds:
        fire = check(seed, catalog, tmp_path)
        deleted += sum("deleted" in each for each in fire.did)
        catalog.drop_table(fire.cpu.identifier)
    assert deleted, "nothing was off-loaded at all"
