"""Opens a Spark session by the options of lake.yaml."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from influx_lake.config.lake.spark import SparkOptions
from influx_lake.errors import EngineError, MissingExtra
from influx_lake.spark.outcomes import spark_errors

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_MASTER = "local[*]"
_ROWS_AT_ONCE = "8"
_PART_BYTES = "spark.sql.files.maxPartitionBytes"
PYTHON = "PYSPARK_PYTHON"
"""The environment variable that names the executors' Python to Spark."""
_OURS = {
    # A row holds a piece of a megabyte or more: Spark's default would hold 10,000 of them in memory at once.
    "spark.sql.execution.arrow.maxRecordsPerBatch": _ROWS_AT_ONCE,
    "spark.sql.inMemoryColumnarStorage.batchSize": _ROWS_AT_ONCE,
    # Each task writes the slice that this package assigns to it.
    "spark.sql.adaptive.enabled": "false",
}

_LOOPBACK = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false"}
"""A Spark in this process serves no other machine."""


class SparkSource:
    """A Spark session, started on demand. Threads may share it.

    Args:
        options: The options for starting it.
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
                with spark_errors("start"):
                    self._session = self._opened()
            return self._session

    def parallelism(self) -> int:
        """About how many tasks Spark runs at once."""
        with spark_errors("read its settings"):
            return max(1, int(self.get().sparkContext.defaultParallelism))

    def bytes_per_task(self) -> int:
        """The largest part of a file that one task reads, in bytes: Spark's own setting."""
        with spark_errors("read its settings"):
            text = self.get().conf.get(_PART_BYTES)
            jvm: Any = self.get().sparkContext._jvm
            return int(jvm.org.apache.spark.network.util.JavaUtils.byteStringAsBytes(text))

    def spread_by(self, number: Any, count: int) -> Any:
        """The column to partition rows by, so that those of each number get a partition of their own.

        Spark partitions by hash, so several numbers may share a partition while others stay empty.

        Args:
            number: The column of the number, from 0 to `count`.
            count: The number of partitions.
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
        """For each partition, a number whose hash falls into it."""
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
        """Stop the session, where this object started it."""
        with self._lock:
            if self._session is not None and self._is_ours:
                # One that has ended needs no stop, and the load that it failed has said so.
                with suppress(EngineError), spark_errors("be stopped"):
                    self._session.stop()
            self._session = None

    def _opened(self) -> SparkSession:
        try:
            from pyspark import SparkContext
            from pyspark.sql import SparkSession
        except ImportError as error:
            raise MissingExtra("loading by Spark", "spark") from error
        # `getActiveSession` only knows a session that this thread started.
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
        # Not by `spark.pyspark.python`, which only `spark-submit` reads.
        if options.python is not None or PYTHON not in os.environ:
            os.environ[PYTHON] = options.python or sys.executable
        master = options.master or (None if is_submitted() else _MASTER)
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


def is_submitted() -> bool:
    """Whether `spark-submit`, or a service that works like it, started this process and sets the master."""
    return "PYSPARK_GATEWAY_PORT" in os.environ
