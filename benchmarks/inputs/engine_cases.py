"""The engines that `benchmarks.engines` asks: how long each plans a day's query, and answers it."""

from __future__ import annotations

import importlib.util
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from benchmarks.inputs.hourly_lake import HOSTS
from testbed.trino_server import trino_server

_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
_TRINO = """\
connector.name=iceberg
iceberg.catalog.type=TESTING_FILE_METASTORE
hive.metastore.catalog.dir=local://{folder}/metastore
iceberg.register-table-procedure.enabled=true
fs.native-local.enabled=true
local.location=/
"""


@dataclass(frozen=True)
class Asked:
    """A day that is asked for."""

    day: datetime

    @property
    def end(self) -> datetime:
        return self.day + timedelta(days=1)

    @property
    def row_filter(self) -> str:
        return f"time >= '{self.day.isoformat()}' and time < '{self.end.isoformat()}'"

    def sql(self, table: str, moment: str) -> str:
        """The query; `moment` is how the engine writes a time."""
        first, last = (moment.format(each) for each in (self.day, self.end))
        of_day = f"time >= {first} and time < {last}"
        return f"select host, avg(usage_user), max(usage_user) from {table} where {of_day} group by host"


class Engine(Protocol):
    """One that is there to be asked.

    Attributes:
        process: Who reads the files.
    """

    process: int

    def planning_seconds(self, asked: Asked) -> float:
        """How long it takes until the files of a day are known."""

    def answer(self, asked: Asked) -> float:
        """Ask for a day; gives the seconds."""


def _timed(action: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    found = action()
    return time.perf_counter() - began, found


def _checked(seconds: float, rows: int) -> float:
    assert rows == HOSTS, f"{rows} hosts"
    return seconds


class DuckDB:
    process = os.getpid()

    def __init__(self, table: Any, connection: Any) -> None:
        self._table = f"iceberg_scan('{table.metadata_location}')"
        self._connection = connection

    def planning_seconds(self, asked: Asked) -> float:
        return _timed(lambda: self._connection.execute(f"explain {self._sql(asked)}").fetchall())[0]

    def answer(self, asked: Asked) -> float:
        seconds, rows = _timed(lambda: self._connection.execute(self._sql(asked)).fetchall())
        return _checked(seconds, len(rows))

    def _sql(self, asked: Asked) -> str:
        return asked.sql(self._table, "timestamptz '{:%Y-%m-%d %H:%M:%S}+00'")


@contextmanager
def _duckdb(table: Any) -> Iterator[Engine]:
    import duckdb
    from duckdb_extensions import import_extension

    with duckdb.connect() as connection:
        for extension in ("avro", "iceberg"):
            import_extension(extension, con=connection)
            connection.load_extension(extension)
        yield DuckDB(table, connection)


class Polars:
    process = os.getpid()

    def __init__(self, table: Any) -> None:
        self._table = table

    def planning_seconds(self, asked: Asked) -> float:
        return _timed(lambda: self._frame(asked).explain())[0]

    def answer(self, asked: Asked) -> float:
        seconds, rows = _timed(lambda: self._frame(asked).collect())
        return _checked(seconds, len(rows))

    def _frame(self, asked: Asked) -> Any:
        import polars as pl

        of_day = pl.col("time").is_between(asked.day, asked.end, closed="left")
        value = pl.col("usage_user")
        return (
            pl.scan_iceberg(self._table.metadata_location)
            .filter(of_day)
            .group_by("host")
            .agg(value.mean().alias("mean"), value.max().alias("highest"))
        )


@contextmanager
def _polars(table: Any) -> Iterator[Engine]:
    yield Polars(table)


class Spark:
    def __init__(self, table: Any, session: Any) -> None:
        self._session = session
        self._address = table.metadata_location
        self.process = int(session.sparkContext._jvm.java.lang.ProcessHandle.current().pid())

    def planning_seconds(self, asked: Asked) -> float:
        return _timed(lambda: self._scan(asked).inputRDD().getNumPartitions())[0]

    def _scan(self, asked: Asked) -> Any:
        # Of the plan before it is adapted: the adaptive one carries stages out to know its tasks.
        return self._frame(asked)._jdf.queryExecution().sparkPlan().collectLeaves().head()

    def answer(self, asked: Asked) -> float:
        seconds, rows = _timed(lambda: self._frame(asked).collect())
        return _checked(seconds, len(rows))

    def _frame(self, asked: Asked) -> Any:
        self._session.read.format("iceberg").load(self._address).createOrReplaceTempView("cpu")
        return self._session.sql(asked.sql("cpu", "timestamp '{:%Y-%m-%d %H:%M:%S}Z'"))


@contextmanager
def _spark(table: Any) -> Iterator[Engine]:
    found = importlib.util.find_spec("snowpark_connect_deps_iceberg")
    if found is None or found.origin is None:
        raise SystemExit("Spark is not installed: make engines")
    (jar,) = (Path(found.origin).parent / "jars").glob("iceberg-spark-runtime-3.5_2.12-*.jar")
    from pyspark.sql import SparkSession

    options = {
        "spark.jars": str(jar),
        "spark.driver.memory": "1g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "OFF",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    }
    builder = SparkSession.builder.master("local[2]").appName("benchmark")
    for name, value in options.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    try:
        yield Spark(table, session)
    finally:
        session.stop()


class Trino:
    def __init__(self, table: Any, address: str, process: int) -> None:
        import trino

        where = urlsplit(address)
        self.process = process
        self._connection = trino.dbapi.connect(host=where.hostname, port=where.port, user="reader", timezone="UTC")
        location, name = table.location(), Path(table.metadata_location).name
        self._asked("create schema lake.telemetry")
        self._asked(f"call lake.system.register_table('telemetry', 'cpu', '{location}', '{name}')")

    def planning_seconds(self, asked: Asked) -> float:
        message = str(self._asked(f"explain analyze verbose {self._sql(asked)}"))
        kinds = (r"Analysis: ", r"Planning: ", r"'scanPlanningDuration' = \{duration=")
        return sum(_seconds(re.findall(rf"{kind}([\d.]+)(ns|us|ms|s|m)\b", message)[0]) for kind in kinds)

    def answer(self, asked: Asked) -> float:
        seconds, rows = _timed(lambda: self._asked(self._sql(asked)))
        return _checked(seconds, len(rows))

    def _sql(self, asked: Asked) -> str:
        return asked.sql("lake.telemetry.cpu", "timestamp '{:%Y-%m-%d %H:%M:%S} UTC'")

    def _asked(self, query: str) -> list[Any]:
        cursor = self._connection.cursor()
        cursor.execute(query)
        found: list[Any] = cursor.fetchall()
        return found


def _seconds(told: tuple[str, str]) -> float:
    return float(told[0]) * _UNITS[told[1]]


@contextmanager
def _trino(table: Any) -> Iterator[Engine]:
    if not os.environ.get("INFLUX_LAKE_TEST_TRINO"):
        raise SystemExit("Trino is not installed: .ci/trino FOLDER fetches it; INFLUX_LAKE_TEST_TRINO names the folder")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with trino_server(home, None, {"lake": _TRINO.format(folder=home)}) as address:
            yield Trino(table, address, int((home / "trino.pid").read_text()))


ENGINES: dict[str, Callable[[Any], AbstractContextManager[Engine]]] = {
    "duckdb": _duckdb,
    "polars": _polars,
    "spark": _spark,
    "trino": _trino,
}
