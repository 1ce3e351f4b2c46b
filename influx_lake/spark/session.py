"""Getting hold of Spark, as lake.yaml says."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from influx_lake.config.lake.spark import SparkOptions
from influx_lake.errors import MissingExtra
from influx_lake.spark.outcomes import spark_errors

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_MASTER = "local[*]"
_ROWS_AT_ONCE = "8"
PYTHON = "PYSPARK_PYTHON"
"""The variable by which Spark is told the Python of executors."""
_OURS = {
    # Rows hold pieces of a megabyte and more: by Spark's defaults, ten thousand of them would be in memory at once.
    "spark.sql.execution.arrow.maxRecordsPerBatch": _ROWS_AT_ONCE,
    "spark.sql.inMemoryColumnarStorage.batchSize": _ROWS_AT_ONCE,
    # Which task writes which part is decided here.
    "spark.sql.adaptive.enabled": "false",
}

_LOOPBACK = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false"}
"""Of a Spark in this process nobody else has any need."""


class SparkSource:
    """A Spark session, started when it is first needed. Threads may share it.

    Args:
        options: How it is got.
    """

    def __init__(self, options: SparkOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._session: SparkSession | None = None
        self._is_ours = False
        self._spread: dict[int, list[int]] = {}

    def get(self) -> SparkSession:
        """The session: one that runs in this process already, else a new one.

        Raises:
            MissingExtra: PySpark is not installed.
            EngineError: Spark does not start.
        """
        with self._lock:
            if self._session is None:
                with spark_errors("be started"):
                    self._session = self._opened()
            return self._session

    def parallelism(self) -> int:
        """How many tasks Spark does at once, about."""
        return max(1, int(self.get().sparkContext.defaultParallelism))

    def spread_by(self, number: Any, count: int) -> Any:
        """What rows are partitioned by, so that those of each number get a partition of their own.

        Spark partitions by hashes, and lets many numbers share a partition while others stay empty.

        Args:
            number: The column of the number, from 0 to `count`.
            count: How many there are.
        """
        from pyspark.sql import functions

        with self._lock:
            known = self._spread.get(count)
        if known is None:
            known = self._numbers_by_partition(count)
            with self._lock:
                self._spread[count] = known
        return functions.array(*map(functions.lit, known))[number]

    def _numbers_by_partition(self, count: int) -> list[int]:
        """For each partition a number whose hash is of it."""
        from pyspark.sql import functions

        found: dict[int, int] = {}
        begin, step = 0, 64 * count
        while len(found) < count:
            numbers = self.get().range(begin, begin + step, 1, 1).select(functions.col("id").cast("int").alias("id"))
            placed = numbers.select("id", functions.pmod(functions.hash("id"), functions.lit(count)).alias("place"))
            for row in placed.collect():
                found.setdefault(row["place"], row["id"])
            begin += step
        return [found[place] for place in range(count)]

    def close(self) -> None:
        """Stop the session, where it was started here."""
        with self._lock:
            if self._session is not None and self._is_ours:
                self._session.stop()
            self._session = None

    def _opened(self) -> SparkSession:
        try:
            from pyspark import SparkContext
            from pyspark.sql import SparkSession
        except ImportError as error:
            raise MissingExtra("loading by Spark", "spark") from error
        # The active session is that of the thread that started it.
        context = SparkContext._active_spark_context
        active = SparkSession.getActiveSession() or (SparkSession(context) if context is not None else None)
        self._is_ours = active is None
        session = active.newSession() if active is not None else self._started(SparkSession.builder)
        for name, value in _OURS.items():
            session.conf.set(name, value)
        return session

    def _started(self, builder: Any) -> SparkSession:
        options = self._options
        stated = {
            "spark.jars.packages": ",".join(options.packages),
            "spark.archives": ",".join(options.archives),
            "spark.submit.pyFiles": ",".join(options.py_files),
        }
        # Not by `spark.pyspark.python`, which only `spark-submit` looks at.
        if options.python is not None or PYTHON not in os.environ:
            os.environ[PYTHON] = options.python or sys.executable
        master = options.master or (None if _is_submitted() else _MASTER)
        if master is not None:
            builder = builder.master(master)
        local = _LOOPBACK if (master or "").startswith("local") else {}
        builder = builder.appName("influx-lake").config("spark.ui.showConsoleProgress", "false")
        for name, value in {
            **local,
            **{name: value for name, value in stated.items() if value},
            **options.conf,
        }.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("FATAL")
        return session


def _is_submitted() -> bool:
    """Whether `spark-submit`, or a service that does what it does, started this process and says the master."""
    return "PYSPARK_GATEWAY_PORT" in os.environ
