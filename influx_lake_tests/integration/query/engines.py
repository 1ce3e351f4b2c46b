"""The engines that run the pages of docs/query: what a statement answers, and how many data files it opens for that."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pyarrow as pa
import pytest

from influx_lake_tests.integration.iceberg.catalogs.java_server import iceberg_jar, spark_jars
from influx_lake_tests.integration.query.page import Block, blocks, run_python, statement
from influx_lake_tests.integration.query.page_lake import Answer, PageLake
from influx_lake_tests.integration.query.type_tables import make_foreign_tables
from influx_lake_tests.integration.typed_lake import Row
from testbed.spark_jvm import end_spark_jvm
from testbed.trino_server import trino_server


class Engine(Protocol):
    """One that has run the section `Attach` of its page."""

    def answer(self, heading: list[Block]) -> Answer:
        """Run the blocks of a heading; gives what the last one answers."""

    def files_opened(self, heading: list[Block]) -> int:
        """How many data files the engine says that the last block opens."""

    def types(self, name: str) -> dict[str, str]:
        """What it calls the types of a table's columns."""

    def rows(self, name: str) -> list[Row]:
        """Every row of a table."""


class DuckDB:
    """Its default connection, which blocks in Python use as well."""

    def __init__(self, lake: PageLake) -> None:
        import duckdb
        from duckdb_extensions import import_extension

        self.lake = lake
        self.connection = duckdb.default_connection()
        for extension in ("avro", "httpfs", "iceberg"):
            import_extension(extension, con=self.connection)
            self.connection.load_extension(extension)
        for block in blocks("duckdb")["Attach"]:
            self.connection.execute(lake.written_for(block.text))

    def answer(self, heading: list[Block]) -> Answer:
        found: Answer = []
        for block in heading:
            text = self.lake.written_for(block.text)
            found = run_python(text, {}) if block.language == "python" else self.connection.execute(text).fetchall()
        return found

    def types(self, name: str) -> dict[str, str]:
        return {row[0]: row[1] for row in self.connection.execute(f"describe lake.telemetry.{name}").fetchall()}

    def rows(self, name: str) -> list[Row]:
        found = self.connection.execute(f"from lake.telemetry.{name}")
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def files_opened(self, heading: list[Block]) -> int:
        plan = self.connection.execute(f"explain analyze {self.lake.written_for(statement(heading))}").fetchall()
        read = re.search(r"Total Files Read: (\d+)", str(plan))
        assert read, plan
        return int(read[1])


@contextmanager
def duckdb_engine(lake: PageLake, _: Path) -> Iterator[Engine]:
    import duckdb

    before = duckdb.default_connection()
    with duckdb.connect() as connection:
        duckdb.set_default_connection(connection)
        try:
            yield DuckDB(lake)
        finally:
            duckdb.set_default_connection(before)


class Notebook(ABC):
    """A page in Python: one block knows the names of those before it."""

    def __init__(self, lake: PageLake, page: str) -> None:
        self.lake = lake
        self.names: dict[str, Any] = {}
        self.answer(blocks(page)["Attach"])

    def answer(self, heading: list[Block]) -> Answer:
        value = None
        for block in heading:
            value = run_python(self.lake.written_for(block.text), self.names)
        return self.answered(value)

    @abstractmethod
    def answered(self, value: Any) -> Answer:
        """The rows of a frame."""


class Polars(Notebook):
    def answered(self, value: Any) -> Answer:
        return [] if value is None else value.rows()

    def types(self, name: str) -> dict[str, str]:
        return {column: str(kind) for column, kind in self._scan(name).collect_schema().items()}

    def rows(self, name: str) -> list[Row]:
        return self._scan(name).collect().to_dicts()

    def _scan(self, name: str) -> Any:
        return self.names["pl"].scan_iceberg(self.names["catalog"].load_table(("telemetry", name)))

    def files_opened(self, heading: list[Block]) -> int:
        self.answer(heading)
        return self.names["query"].explain().count(".parquet")


class Pandas(Notebook):
    def answered(self, value: Any) -> Answer:
        return [] if value is None else list(value.itertuples(index=False, name=None))

    def types(self, name: str) -> dict[str, str]:
        return {column: str(kind) for column, kind in self._frame(name).dtypes.items()}

    def rows(self, name: str) -> list[Row]:
        return self._frame(name).to_dict("records")

    def _frame(self, name: str) -> Any:
        return self.names["catalog"].load_table(("telemetry", name)).scan().to_pandas()

    def files_opened(self, heading: list[Block]) -> int:
        self.answer(heading)
        return len(list(self.names["scan"].plan_files()))


@contextmanager
def polars_engine(lake: PageLake, _: Path) -> Iterator[Engine]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")
        yield Polars(lake, "polars")


@contextmanager
def pandas_engine(lake: PageLake, _: Path) -> Iterator[Engine]:
    yield Pandas(lake, "pandas")


class ClickHouse:
    def __init__(self, lake: PageLake, connection: Any) -> None:
        self.lake = lake
        self.connection = connection
        for block in blocks("clickhouse")["Attach"]:
            connection.query(lake.written_for(block.text))

    def answer(self, heading: list[Block]) -> Answer:
        found = self._asked(self.lake.written_for(statement(heading)))
        if "hour" in found.column_names:
            # Its DateTime is a number of seconds in Arrow.
            seconds = found["hour"].cast(pa.int64()).cast(pa.timestamp("s", "UTC"))
            found = found.set_column(found.column_names.index("hour"), "hour", seconds)
        return [tuple(row.values()) for row in found.to_pylist()]

    def types(self, name: str) -> dict[str, str]:
        return {row["name"]: row["type"] for row in self._asked(f"describe {self._table(name)}").to_pylist()}

    def rows(self, name: str) -> list[Row]:
        return self._asked(f"from {self._table(name)}").to_pylist()

    def _table(self, name: str) -> str:
        return f"icebergLocal('{self.lake.folder}/apache/telemetry/{name}')"

    def files_opened(self, heading: list[Block]) -> int:
        before = self._opened()
        self.answer(heading)
        return self._opened() - before

    def _opened(self) -> int:
        found = self._asked("select sum(value) as n from system.events where event = 'EngineFileLikeReadFiles'")
        return int(found["n"][0].as_py())

    def _asked(self, query: str) -> pa.Table:
        return pa.ipc.open_file(self.connection.query(query, "Arrow").bytes()).read_all()


@contextmanager
def clickhouse_engine(lake: PageLake, _: Path) -> Iterator[Engine]:
    chdb = pytest.importorskip("chdb", reason="ClickHouse is not installed: make engines")
    with pytest.MonkeyPatch.context() as environment:
        # It opens files below the working folder only.
        environment.chdir(lake.folder)
        connection = chdb.connect(":memory:")
        try:
            yield ClickHouse(lake, connection)
        finally:
            connection.close()


class Spark:
    """The session that the page makes; the jar that it would fetch is there already."""

    def __init__(self, lake: PageLake) -> None:
        self.lake = lake
        names: dict[str, Any] = {}
        [block] = blocks("spark")["Attach"]
        packages = r'"spark\.jars\.packages", "[^"]+"'
        assert re.search(packages, block.text)
        run_python(re.sub(packages, f'"spark.jars", "{iceberg_jar()}"', lake.written_for(block.text)), names)
        self.session = names["spark"]
        make_foreign_tables(self.session)

    def answer(self, heading: list[Block]) -> Answer:
        found = self.session.sql(self.lake.written_for(statement(heading))).collect()
        return [tuple(row) for row in found]

    def types(self, name: str) -> dict[str, str]:
        return dict(self.session.table(f"lake.telemetry.{name}").dtypes)

    def rows(self, name: str) -> list[Row]:
        return [row.asDict() for row in self.session.table(f"lake.telemetry.{name}").collect()]

    def files_opened(self, heading: list[Block]) -> int:
        frame = self.session.sql(self.lake.written_for(statement(heading)))
        frame.collect()
        return sum(scan.metrics().apply("resultDataFiles").value() for scan in spark_scans(frame))


def spark_scans(frame: Any) -> list[Any]:
    """The scans in the plan of a frame that was collected."""
    waiting, found = [frame._jdf.queryExecution().executedPlan()], []
    while waiting:
        node = waiting.pop()
        if node.nodeName().startswith("BatchScan"):
            found.append(node)
        elif node.nodeName().startswith("AdaptiveSparkPlan"):
            waiting.append(node.executedPlan())
        elif node.nodeName().endswith("QueryStage"):
            waiting.append(node.plan())
        else:
            children = node.children()
            waiting += [children.apply(place) for place in range(children.size())]
    return found


@contextmanager
def spark_engine(lake: PageLake, folder: Path) -> Iterator[Engine]:
    spark_jars()

    (folder / "spark-defaults.conf").write_text(
        "spark.master local[2]\n"
        "spark.driver.memory 1g\n"
        "spark.driver.host 127.0.0.1\n"
        "spark.driver.bindAddress 127.0.0.1\n"
        "spark.ui.enabled false\n"
        "spark.ui.showConsoleProgress false\n"
        "spark.log.level OFF\n"
        "spark.sql.shuffle.partitions 2\n"
    )
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SPARK_CONF_DIR", str(folder))
        spark = Spark(lake)
        try:
            yield spark
        finally:
            spark.session.stop()
            end_spark_jvm()


class Trino:
    def __init__(self, lake: PageLake, address: str) -> None:
        import trino

        self.lake = lake
        where = urlsplit(address)
        self.connection = trino.dbapi.connect(host=where.hostname, port=where.port, user="reader", timezone="UTC")
        self._asked(statement(blocks("trino")["Attach"]))

    def answer(self, heading: list[Block]) -> Answer:
        return self._asked(self.lake.written_for(statement(heading)))

    def types(self, name: str) -> dict[str, str]:
        return {row[0]: row[1] for row in self._asked(f"describe {name}")}

    def rows(self, name: str) -> list[Row]:
        cursor = self.connection.cursor()
        cursor.execute(f"select * from {name}")
        found = cursor.fetchall()
        return [dict(zip((column[0] for column in cursor.description), row, strict=True)) for row in found]

    def files_opened(self, heading: list[Block]) -> int:
        told = self._asked(f"explain analyze verbose {self.lake.written_for(statement(heading))}")
        found = re.findall(r"'dataFiles' = LongCount\{total=(\d+)\}", str(told))
        assert found, told
        return sum(map(int, found))

    def _asked(self, query: str) -> Answer:
        cursor = self.connection.cursor()
        cursor.execute(query)
        return [tuple(row) for row in cursor.fetchall()]


@contextmanager
def trino_engine(lake: PageLake, folder: Path) -> Iterator[Engine]:
    [written] = [block.text for block in blocks("trino")["Attach"] if block.language == "properties"]
    local = "iceberg.rest-catalog.view-endpoints-enabled=false\nfs.native-local.enabled=true\nlocal.location=/\n"
    written = f"{lake.written_for(written)}{local}"
    with trino_server(folder, lake.uri, {"lake": written}) as address:
        yield Trino(lake, address)


ENGINES: dict[str, Any] = {
    # First: it makes the tables that others deleted rows of.
    "spark": spark_engine,
    "duckdb": duckdb_engine,
    "polars": polars_engine,
    "pandas": pandas_engine,
    "clickhouse": clickhouse_engine,
    "trino": trino_engine,
}


def engine(name: str, lake: PageLake, folder: Path) -> AbstractContextManager[Engine]:
    """Start one, and run the section `Attach` of its page."""
    started: AbstractContextManager[Engine] = ENGINES[name](lake, folder)
    return started
