"""The Java virtual machine of a Spark in this process."""

from __future__ import annotations


def end_spark_jvm() -> None:
    """End it: else it lives as long as the test run, and a later session, which needs other jars, would ask it."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    if gateway is None:
        return
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(30)
    SparkContext._gateway = SparkContext._jvm = None
