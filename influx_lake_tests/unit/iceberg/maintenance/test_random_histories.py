"""Whatever happened to a table, maintenance deletes no file that is needed, and leaves none that is not."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import EqualTo

from influx_lake.config.maintenance.options import CompactOptions, ExpireOptions, MetadataOptions, OrphanOptions
from influx_lake.config.measurements.erased import ErasedRows
from influx_lake.errors import RowsStillThere
from influx_lake.iceberg.erasing.erase import erase_rows
from influx_lake.iceberg.erasing.matching import Matching
from influx_lake.iceberg.maintenance.compact import compact
from influx_lake.iceberg.maintenance.expire_snapshots import expire_snapshots
from influx_lake.iceberg.maintenance.metadata import metadata
from influx_lake.iceberg.maintenance.remove_orphans import remove_orphans
from influx_lake.iceberg.storage import table_folders
from influx_lake.iceberg.table_state import current_state, table_state
from influx_lake.iceberg.table_state.lineage import _read
from influx_lake.iceberg.writer.writer import write_files
from influx_lake_tests.unit.iceberg.maintenance.tasks import age, files_of_table, needed, snapshots, task
from influx_lake_tests.unit.iceberg.tables import SCHEMA, TARGET, day, held, hours, replace, rows, table
from testbed.local_catalog import local_catalog

STEPS = (
    "load",
    "load an hour",
    "delete by others",
    "append by others",
    "branch",
    "commit to a branch",
    "drop a branch",
    "tag",
    "go back",
    "kill a load",
    "expire as others do",
    "compact",
    "compact",
    "expire",
    "expire",
    "remove orphans",
    "metadata",
)
histories = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 3), st.integers(1, 4)), min_size=3, max_size=14)


class History:
    """A table, and what happens to it; all of its files are old but for those of loads that run.

    Attributes:
        running: The files of a load that has not committed yet.
    """

    def __init__(self, catalog: Catalog, folder: Path) -> None:
        self.catalog, self.folder = catalog, folder
        replace(catalog, day(0), rows(day(0), 4))
        self.running = set(self._written(day(9)))

    def _written(self, window: object) -> list[str]:
        files = write_files(table(self.catalog), TARGET, [rows(window, 5)], SCHEMA)  # type: ignore[arg-type]
        return [file.file_path.removeprefix("file://") for file in files]

    def take(self, step: str, place: int, count: int) -> None:
        """Do one thing to the table, where that can be done now."""
        self.place, self.count, self.of = place, count, table(self.catalog)
        known = snapshots(self.catalog)
        self.some, self.branch = known[place % len(known)], f"branch-{place}"
        getattr(self, f"_{step.replace(' ', '_')}")()
        for path in files_of_table(self.folder) - self.running:
            age(path)

    def _load(self) -> None:
        replace(self.catalog, day(self.place), rows(day(self.place), self.count))

    def _load_an_hour(self) -> None:
        window = hours(self.place, self.count, self.count + 1)
        replace(self.catalog, window, rows(window, self.count))

    def _delete_by_others(self) -> None:
        self.of.delete(EqualTo("count", self.count - 1))  # type: ignore[call-arg,arg-type]

    def _append_by_others(self) -> None:
        self.of.append(self.of.scan(limit=2).to_arrow())

    def _branch(self) -> None:
        self.of.manage_snapshots().create_branch(self.some, self.branch).commit()

    def _commit_to_a_branch(self) -> None:
        if self.branch in self.of.refs():
            self.of.append(self.of.scan(limit=1).to_arrow(), branch=self.branch)

    def _drop_a_branch(self) -> None:
        if self.branch in self.of.refs():
            self.of.manage_snapshots().remove_branch(self.branch).commit()

    def _tag(self) -> None:
        if f"tag-{self.place}" not in self.of.refs():
            self.of.manage_snapshots().create_tag(self.some, f"tag-{self.place}").commit()

    def _go_back(self) -> None:
        self.of.manage_snapshots().set_current_snapshot(snapshot_id=self.some).commit()

    def _kill_a_load(self) -> None:
        self._written(day(self.place))
        location = Path(self.of.metadata_location.removeprefix("file://"))
        location.with_name(f"00001-{uuid.uuid4()}.metadata.json").write_bytes(location.read_bytes())

    def _compact(self) -> None:
        compact(task(self.catalog), CompactOptions(min_input_files=2))

    def _expire_as_others_do(self) -> None:
        if self.some not in {ref.snapshot_id for ref in self.of.refs().values()}:
            self.of.maintenance.expire_snapshots().by_id(self.some).commit()

    def maintain(self, step: str, count: int) -> None:
        match step:
            case "expire":
                options = ExpireOptions(older_than=timedelta(0), keep_last=count)
                expire_snapshots(task(self.catalog, ahead=timedelta(days=1)), options)
            case "metadata":
                metadata(task(self.catalog), MetadataOptions(keep_last=20))
            case "remove orphans":
                remove_orphans(task(self.catalog), OrphanOptions())
                assert files_of_table(self.folder) == needed(table(self.catalog)) | self.running

    def readable(self) -> dict[int, pa.Table]:
        """The rows of each snapshot that the table has, and that its branches and tags have."""
        found = table(self.catalog)
        return {each: found.scan(snapshot_id=each).to_arrow() for each in snapshots(self.catalog)}


@contextmanager
def new_history() -> Iterator[History]:
    current_state._known.clear()
    _read.cache_clear()
    table_folders._known.clear()
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(folder) / "lake"
        catalog = local_catalog(lake)
        yield History(catalog, lake)
        catalog.close()


def test_one_history_of_all_steps() -> None:
    each = [*dict.fromkeys(STEPS), "load", "delete by others", "commit to a branch", "expire", "remove orphans"]
    follow([(step, place % 3, place % 2 + 1) for place, step in enumerate(each)])


@pytest.mark.slow
# To make a history of tens of commits shorter takes minutes, and tells little more than the history itself.
@settings(max_examples=25, phases=[Phase.explicit, Phase.generate])
@given(histories)
def test_nothing_that_is_needed_goes(steps: list[tuple[str, int, int]]) -> None:
    follow(steps)


@pytest.mark.slow
@settings(max_examples=15, phases=[Phase.explicit, Phase.generate])
@given(histories)
def test_what_is_erased_is_in_no_file(steps: list[tuple[str, int, int]]) -> None:
    with new_history() as history:
        for step, place, count in steps:
            if step in ("expire", "remove orphans", "metadata"):
                history.maintain(step, count)
            else:
                history.take(step, place, count)
        rest = held(history.catalog).filter(pc.not_equal(held(history.catalog).column("host"), "host-1"))
        coverage = table_state(table(history.catalog)).coverage
        erased = ErasedRows(where="host = 'host-1'")
        matching = Matching(("host",), lambda batch: pc.equal(batch.column("host"), "host-1"))
        # A load is running that has such rows.
        with pytest.raises(RowsStillThere, match="younger than a day"):
            erase_rows(task(history.catalog), erased, matching, include_refs=True)
        for path in history.running:
            age(path)
        erase_rows(task(history.catalog), erased, matching, include_refs=True)
        assert held(history.catalog) == rest
        assert table_state(table(history.catalog)).coverage == coverage
        files = [path for path in files_of_table(history.folder) if path.endswith(".parquet")]
        hosts = {host for path in files for host in pq.read_table(path, columns=["host"])["host"].to_pylist()}
        assert "host-1" not in hosts
        # Whatever else the table has can be read.
        history.readable()


def follow(steps: list[tuple[str, int, int]]) -> None:
    with new_history() as history:
        for step, place, count in [*steps, ("expire", 0, 1), ("remove orphans", 0, 1)]:
            if step in ("expire", "remove orphans", "metadata"):
                before, state = history.readable(), table_state(table(history.catalog))
                rows_before, refs = held(history.catalog), table(history.catalog).refs()
                history.maintain(step, count)
                current_state._known.clear()
                assert held(history.catalog) == rows_before
                assert table(history.catalog).refs() == refs
                assert needed(table(history.catalog)) | history.running <= files_of_table(history.folder)
                assert all(there == before[number] for number, there in history.readable().items())
                after = table_state(table(history.catalog))
                assert after.coverage == state.coverage
                assert (after.owner, after.tags, after.lost) == (state.owner, state.tags, state.lost)
            else:
                history.take(step, place, count)
