"""A local Spark that shares the catalog of a lake: writes of each are seen by the other."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.scan.reader import count_rows, read_windows
from influx_lake_tests.integration.iceberg.catalogs.java_server import iceberg_jar, sqlite_driver
from influx_lake_tests.integration.iceberg.engines.engine_cases import telling
from influx_lake_tests.integration.typed_lake import Row, TypedLake
from testbed.spark_jvm import end_spark_jvm

_MERGE_ON_READ = ", ".join(f"'write.{what}.mode' = 'merge-on-read'" for what in ("delete", "update", "merge"))


@dataclass
class Spark:
    """A session; tables are `lake.telemetry.<name>`."""

    session: Any

    def run(self, statement: str) -> list[Row]:
        return [row.asDict() for row in self.session.sql(statement).collect()]

    def rows(self, table: str) -> list[Row]:
        """All rows; times as microseconds since 1970, for Python's own would be this machine's local ones."""
        from pyspark.sql.functions import expr

        frame = self.session.table(table).withColumn("time", expr("unix_micros(cast(time as timestamp))"))
        return [row.asDict() for row in frame.collect()]

    def types(self, table: str) -> dict[str, str]:
        return dict(self.session.table(table).dtypes)

    def merge_on_read(self, table: str) -> None:
        """Let Spark write position deletes from now on, and leave the data files as they are."""
        self.run(f"alter table {table} set tblproperties ({_MERGE_ON_READ})")

    def delete_where_equal(self, table: str, column: str, value: str) -> None:
        """Commit an equality delete through Iceberg's Java library, as Flink does; Spark only reads them."""
        gateway = self.session.sparkContext._gateway
        iceberg = gateway.jvm.org.apache.iceberg
        loaded = iceberg.spark.Spark3Util.loadIcebergTable(self.session._jsparkSession, table)
        field = loaded.schema().findField(column)
        ids = gateway.new_array(gateway.jvm.int, 1)
        ids[0] = field.fieldId()
        schema = loaded.schema().select(gateway.jvm.java.util.Collections.singletonList(column))
        path = f"{loaded.location()}/data/equality-{uuid.uuid4()}.parquet"
        data = loaded.newScan().planFiles().iterator().next().file()
        appenders = iceberg.data.GenericAppenderFactory(loaded.schema(), loaded.spec(), ids, schema, None)
        output = iceberg.encryption.EncryptedFiles.plainAsEncryptedOutput(loaded.io().newOutputFile(path))
        writer = appenders.newEqDeleteWriter(output, iceberg.FileFormat.PARQUET, data.partition())
        record = iceberg.data.GenericRecord.create(schema)
        record.setField(column, value)
        writer.write(record)
        writer.close()
        loaded.newRowDelta().addDeletes(writer.toDeleteFile()).commit()


@contextmanager
def spark_session(folder: Path) -> Iterator[Spark]:
    """Start Spark on the SQLite catalog `c.db` and the warehouse `w` of a folder, on loopback."""
    jars = f"{iceberg_jar()},{sqlite_driver()}"
    from pyspark.sql import SparkSession

    options = {
        "spark.jars": jars,
        "spark.driver.memory": "1g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.local.dir": str(folder / "spark"),
        "spark.sql.warehouse.dir": str(folder / "spark-warehouse"),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.caseSensitive": "true",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.lake.catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
        "spark.sql.catalog.lake.uri": f"jdbc:sqlite:{folder}/c.db?busy_timeout=60000",
        "spark.sql.catalog.lake.warehouse": f"{folder}/w",
        "spark.sql.catalog.lake.jdbc.schema-version": "V1",
        # Looking for the catalog's tables leaves a read lock behind in SQLite, and nobody else can commit any more.
        "spark.sql.catalog.lake.jdbc.init-catalog-tables": "false",
        "spark.sql.catalog.lake.cache-enabled": "false",
    }
    builder = SparkSession.builder.master("local[2]").appName("influx_lake")
    for name, value in options.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    try:
        yield Spark(session)
    finally:
        session.stop()
        end_spark_jvm()


def assert_same(spark: Spark, lake: TypedLake, of: Measurement, window: Window) -> list[Row]:
    """What Spark and influx_lake see of a table that holds one window is the same; gives the rows."""
    rows: list[Row] = read_windows(lake.table(of), [window]).read_all().to_pylist()
    assert telling(rows) == telling(spark.rows(f"lake.{of.table_name}"))
    assert count_rows(lake.table(of), window) == len(rows)
    return rows
