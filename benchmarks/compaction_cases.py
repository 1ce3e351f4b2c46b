"""What is timed of maintenance, each in a process of its own: `python -m benchmarks.compaction_cases CASE FOLDER`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyiceberg.io.pyarrow  # noqa: F401 - a process imports it once, whatever it does

from benchmarks.cases import TARGET
from influx_lake.config.maintenance.options import CompactOptions
from influx_lake.iceberg.columns.row_mapping import shape_of
from influx_lake.iceberg.columns.schema import iceberg_schema
from influx_lake.iceberg.commit.commit_plan import FileChange
from influx_lake.iceberg.commit.overwrite_producer import ReplaceCommit
from influx_lake.iceberg.layout.new_table import new_table_properties, spec_of
from influx_lake.iceberg.maintenance.compact import compact
from influx_lake.iceberg.maintenance.task import TableTask
from influx_lake.iceberg.staging.staged_table import StagedTable
from influx_lake.iceberg.writer.writer import write_files
from testbed.dataset import SCHEMA, batches
from testbed.local_catalog import local_catalog
from testbed.measure import measured

ROW_GROUP_ROWS = 262_144
LATER = datetime(2027, 1, 1, tzinfo=UTC)


def prepare(folder: Path, files: int, rows: int) -> None:
    """Make a table of one day whose rows lie in many small files, as tails leave it."""
    catalog = local_catalog(folder)
    shape = shape_of(SCHEMA, TARGET)
    schema = iceberg_schema(shape.schema, TARGET.time_column)
    catalog.create_namespace(TARGET.identifier[:-1])
    table = catalog.create_table(
        TARGET.identifier, schema, partition_spec=spec_of(TARGET, schema), properties=new_table_properties(TARGET)
    )
    written = [
        file
        for part in _parts(rows, rows // files)
        for file in write_files(table, TARGET, map(shape.apply, part.to_batches()), shape.schema)
    ]
    commit = ReplaceCommit(StagedTable.unchanged(table), FileChange(added=tuple(written)), {})
    commit.prepare({})
    commit.commit()
    shutil.copy(folder / "catalog.db", folder / "catalog.db.before")


def _parts(rows: int, size: int) -> Iterator[pa.Table]:
    """The rows, so many at once."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches(rows):
        waiting.append(batch)
        while sum(map(len, waiting)) >= size:
            whole = pa.Table.from_batches(waiting)
            yield whole.slice(0, size)
            waiting = whole.slice(size).to_batches()
    if waiting:
        yield pa.Table.from_batches(waiting)


def small_files(folder: Path) -> list[str]:
    """Where the table's files are."""
    tasks = local_catalog(folder).load_table(TARGET.identifier).scan().plan_files()
    return sorted(task.file.file_path.removeprefix("file://") for task in tasks)


def raw(folder: Path) -> Callable[[], int]:
    """The reference: the files read by pyarrow, one after the other, and written by its writer with zstd."""
    paths, out = small_files(folder), folder / "raw.parquet"

    def run() -> int:
        with pq.ParquetWriter(out, pq.read_schema(paths[0]), compression="zstd") as writer:
            waiting: list[pa.Table] = []
            for path in paths:
                waiting.append(pq.ParquetFile(path).read())
                if sum(map(len, waiting)) >= ROW_GROUP_ROWS:
                    writer.write_table(pa.concat_tables(waiting), ROW_GROUP_ROWS)
                    waiting.clear()
            if waiting:
                writer.write_table(pa.concat_tables(waiting), ROW_GROUP_ROWS)
        return out.stat().st_size

    return run


def ours(folder: Path) -> Callable[[], int]:
    """Our compaction of the table, from the look at its metadata to the commit."""
    catalog = local_catalog(folder)

    def run() -> int:
        done = compact(TableTask(catalog, TARGET, "run", LATER), CompactOptions())
        assert done.before.rows == done.after.rows
        assert done.after.data_files <= done.after.data_bytes // 512_000_000 + 1
        return done.done["bytes_added"]

    return run


CASES: dict[str, Callable[[Path], Callable[[], int]]] = {"raw": raw, "ours": ours}


def main(case: str, folder: str, *arguments: str) -> None:
    if case == "prepare":
        prepare(Path(folder), *map(int, arguments))
        return
    shutil.copy(Path(folder) / "catalog.db.before", Path(folder) / "catalog.db")
    measured(CASES[case](Path(folder))).report()


if __name__ == "__main__":
    main(*sys.argv[1:])
