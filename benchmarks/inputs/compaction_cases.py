"""What is timed of maintenance, each in a process of its own:
`python -m benchmarks.inputs.compaction_cases CASE FOLDER`.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyiceberg.io.pyarrow  # noqa: F401 - a process imports it once, whatever it does

from benchmarks.inputs.cases import TARGET
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
from testbed.measure import Cost, measured

ROW_GROUP_ROWS = 262_144
SQLITE_DRIVER = Path("/usr/share/java/sqlite-jdbc.jar")
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


def spark(folder: Path) -> Cost:
    """Spark's `rewrite_data_files` of the table: of its JVM what the call costs, not what its start does."""
    import snowpark_connect_deps_iceberg as iceberg
    from pyspark.sql import SparkSession

    (runtime,) = (Path(iceberg.__file__).parent / "jars").glob("iceberg-spark-runtime-3.5_2.12-*.jar")
    options = {
        "spark.jars": f"{runtime},{SQLITE_DRIVER}",
        "spark.driver.memory": "2g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.local.dir": str(folder / "spark"),
        "spark.sql.warehouse.dir": str(folder / "spark-warehouse"),
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.lake.catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
        "spark.sql.catalog.lake.uri": f"jdbc:sqlite:{folder}/catalog.db",
        "spark.sql.catalog.lake.warehouse": f"{folder}/warehouse",
        "spark.sql.catalog.lake.jdbc.schema-version": "V1",
        "spark.sql.catalog.lake.jdbc.init-catalog-tables": "false",
    }
    builder = SparkSession.builder.master("local[2]")
    for name, value in options.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    table = ".".join(TARGET.identifier)
    session.sql(f"select count(*) from lake.{table}").collect()
    process = session.sparkContext._gateway.jvm.java.lang.ProcessHandle.current().pid()
    wall, cpu = time.monotonic(), _cpu_seconds(process)
    target = "map('target-file-size-bytes', '512000000')"
    session.sql(f"call lake.system.rewrite_data_files(table => '{table}', options => {target})").collect()
    cost = Cost(time.monotonic() - wall, _cpu_seconds(process) - cpu, 0, 0, 0)
    session.stop()
    return cost


def _cpu_seconds(process: int) -> float:
    """The CPU of all threads of a process."""
    after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, after_name[11:13])) / os.sysconf("SC_CLK_TCK")


CASES: dict[str, Callable[[Path], Callable[[], int]]] = {"raw": raw, "ours": ours}


def main(case: str, folder: str, *arguments: str) -> None:
    if case == "prepare":
        prepare(Path(folder), *map(int, arguments))
        return
    shutil.copy(Path(folder) / "catalog.db.before", Path(folder) / "catalog.db")
    if case == "spark":
        spark(Path(folder)).report()
        return
    measured(CASES[case](Path(folder))).report()


if __name__ == "__main__":
    main(*sys.argv[1:])
