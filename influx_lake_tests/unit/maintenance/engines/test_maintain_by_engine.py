"""What is known of a table outlives what an engine does to it, and an engine is asked only for what is due."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as changed
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation

from influx_lake.config.maintenance.engines import AthenaConfig, Engine
from influx_lake.config.maintenance.options import (
    CompactOptions,
    ExpireOptions,
    Kind,
    MaintenanceOptions,
    ManifestOptions,
)
from influx_lake.errors import TableUnsupported
from influx_lake.iceberg.commit.commit_plan import FileChange
from influx_lake.iceberg.commit.overwrite_producer import ReplaceCommit
from influx_lake.iceberg.staging.staged_table import StagedTable
from influx_lake.iceberg.table_state import current_state, lineage, table_state
from influx_lake.iceberg.table_state.lineage import last_commit
from influx_lake.maintenance.engines.athena import Athena
from influx_lake.maintenance.engines.engine import QueryEngine, Work
from influx_lake.maintenance.engines.maintain_by_engine import ENGINE, maintained_by
from influx_lake_tests.unit.iceberg.maintenance.tasks import task
from influx_lake_tests.unit.iceberg.tables import TARGET, day, held, hours, replace, rows, table

OPTIONS = MaintenanceOptions(
    compact=CompactOptions(after=timedelta(0), min_input_files=2),
    rewrite_manifests=ManifestOptions(min_manifests=2),
    expire_snapshots=ExpireOptions(older_than=timedelta(0), keep_last=1),
)


@dataclass
class Stranger(QueryEngine):
    """An engine that knows nothing of ours: its statements are the kinds, and it does them as engines do."""

    catalog: Catalog
    asked: list[str] = field(default_factory=list)
    does_it: Callable[[Table], None] = lambda table: None
    work: Work | None = None

    engine: ClassVar[Engine] = Engine.SPARK
    kinds: ClassVar[frozenset[Kind]] = frozenset(Kind)
    compacts_whole_partitions: ClassVar[bool] = True

    def statements(self, work: Work) -> tuple[str, ...]:
        self.work = work
        return (str(work.kind),)

    def run(self, statement: str) -> Mapping[str, int]:
        self.asked.append(statement)
        self.does_it(table(self.catalog))
        return {}

    def close(self) -> None:
        pass


def rewritten(of: Table) -> None:
    """Put the table's files in the place of themselves, in a snapshot that says nothing of ours."""
    files = tuple(task.file for task in of.scan().plan_files())
    commit = ReplaceCommit(
        StagedTable.unchanged(of),
        FileChange(removed=files[:1], added=files[:1]),
        {"engine-name": "x"},
        Operation.REPLACE,
    )
    commit.prepare({})
    commit.commit()


def dropped(of: Table) -> None:
    """Expire every snapshot but the newest."""
    old = [each.snapshot_id for each in of.metadata.snapshots if each.snapshot_id != of.metadata.current_snapshot_id]
    of.maintenance.expire_snapshots().by_ids(old).commit()


@pytest.fixture
def loaded(catalog: Catalog) -> Catalog:
    """Two days, four hours of each, each a commit."""
    for number in (0, 1):
        for hour in range(4):
            replace(catalog, hours(number, hour, hour + 1), rows(hours(number, hour, hour + 1), 3))
    return catalog


def test_what_an_engine_rewrote_is_ours_again(loaded: Catalog) -> None:
    known, before = table_state(table(loaded)), held(loaded)
    engine = Stranger(loaded, does_it=rewritten)

    done = maintained_by(engine, task(loaded), Kind.COMPACT, OPTIONS)

    head = table(loaded)
    assert head.metadata.current_snapshot_id == done.snapshot_id == last_commit(head.metadata)
    summary = head.current_snapshot().summary  # type: ignore[union-attr]
    assert summary is not None
    assert (summary.operation, summary[ENGINE]) == (Operation.REPLACE, "spark")
    assert changed(table_state(head), earlier=()) == known
    assert held(loaded) == before
    assert done.statements == ("compact",)
    assert (done.done["files_removed"], done.done["files_added"]) == (1, 1)
    # No load came in between: a second look makes no snapshot.
    assert maintained_by(Stranger(loaded), task(loaded), Kind.COMPACT, OPTIONS).snapshot_id is None


def test_the_time_of_what_is_due_is_whole_partitions(loaded: Catalog) -> None:
    engine = Stranger(loaded)
    maintained_by(engine, task(loaded), Kind.COMPACT, OPTIONS)
    assert engine.work is not None
    assert engine.work.during == day(0, 2)
    assert engine.work.time_column == "time"


def test_an_engine_is_not_asked_for_nothing(loaded: Catalog) -> None:
    engine = Stranger(loaded)
    none = MaintenanceOptions(
        compact=CompactOptions(min_input_files=5),
        rewrite_manifests=ManifestOptions(min_manifests=100),
        expire_snapshots=ExpireOptions(older_than=timedelta(days=1)),
    )
    for kind in (Kind.COMPACT, Kind.REWRITE_MANIFESTS, Kind.EXPIRE_SNAPSHOTS):
        assert maintained_by(engine, task(loaded), kind, none).statements == ()
    assert engine.asked == []


def test_what_is_known_outlives_the_snapshots_that_say_it(loaded: Catalog) -> None:
    known = table_state(table(loaded))
    # Others did something since, and nobody carried anything on.
    rewritten(table(loaded))

    done = maintained_by(Stranger(loaded, does_it=dropped), task(loaded), Kind.EXPIRE_SNAPSHOTS, OPTIONS)

    assert (done.before.snapshots, done.after.snapshots, done.done["snapshots_expired"]) == (9, 1, 8)
    # Nor is it found in what processes remember, or in metadata files of earlier states.
    current_state._known.clear()
    lineage._read.cache_clear()
    for entry in table(loaded).metadata.metadata_log:
        Path(entry.metadata_file.removeprefix("file://")).unlink()
    assert table_state(table(loaded)).coverage == known.coverage
    assert table_state(table(loaded)).owner == known.owner


def test_a_dry_run_asks_for_nothing(loaded: Catalog) -> None:
    engine, before = Stranger(loaded), table(loaded).metadata_location
    for kind in (Kind.COMPACT, Kind.REWRITE_MANIFESTS, Kind.EXPIRE_SNAPSHOTS, Kind.REMOVE_ORPHANS):
        assert maintained_by(engine, task(loaded, dry_run=True), kind, OPTIONS).statements == (str(kind),)
    assert engine.asked == []
    assert table(loaded).metadata_location == before


def test_orphans_are_left_where_files_of_another_table_are(loaded: Catalog) -> None:
    inner = table(loaded).location() + "/data/inner"
    loaded.create_table(("telemetry", "inner"), table(loaded).schema(), location=inner)
    engine = Stranger(loaded)
    with pytest.raises(TableUnsupported):
        maintained_by(engine, task(loaded), Kind.REMOVE_ORPHANS, OPTIONS)
    assert engine.asked == []


@pytest.mark.parametrize("off", [Kind.EXPIRE_SNAPSHOTS, Kind.REMOVE_ORPHANS])
def test_vacuum_does_nothing_that_is_off(loaded: Catalog, off: Kind) -> None:
    options = OPTIONS.model_copy(update={off: None})
    other = ({Kind.EXPIRE_SNAPSHOTS, Kind.REMOVE_ORPHANS} - {off}).pop()
    done = maintained_by(Athena(AthenaConfig()), task(loaded), other, options)
    assert done.statements == ()
    assert done.left == (f"athena does {off} with it, which is off here: switch it on",)
    assert TARGET.name == done.table
