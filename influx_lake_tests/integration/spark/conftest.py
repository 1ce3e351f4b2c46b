from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from testbed.spark_jvm import end_spark_jvm


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """A Spark in this process, which commands then use; skips the test where it is not installed."""
    pytest.importorskip("pyspark", reason="Spark is not installed: make engines")
    from influx_lake.config.lake.spark import SparkOptions
    from influx_lake.spark.session import SparkSource

    # Most files of the tests have several parts.
    conf = {"spark.driver.memory": "1g", "spark.sql.files.maxPartitionBytes": "20k"}
    source = SparkSource(SparkOptions(master="local[2]", conf=conf))
    yield source.get()
    source.close()
    end_spark_jvm()
