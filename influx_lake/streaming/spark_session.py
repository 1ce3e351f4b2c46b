"""Starts the Spark session that follows topics, and converts Spark's failures."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from influx_lake.config.lake.spark import SparkOptions
from influx_lake.config.references.secret import redact
from influx_lake.errors import (
    AuthenticationFailed,
    ConfigurationError,
    EngineError,
    LakeError,
    MeasurementNotFound,
    MissingExtra,
    PermanentSourceError,
    SourceUnavailable,
    TlsFailed,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SUBMITTED = "PYSPARK_GATEWAY_PORT"
"""The environment variable of processes that `spark-submit` started; it then sets the master itself."""
CONNECTOR = "org.apache.spark:spark-sql-kafka-0-10"
"""The Maven coordinates of Spark's source for Kafka, without Scala and version."""
_CLASS = "org.apache.spark.sql.kafka010.KafkaSourceProvider"
_JARS = ("spark.jars", "spark.jars.packages", "spark.driver.extraClassPath")
_DEFAULTS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.driver.maxResultSize": "2g",
    "spark.sql.streaming.noDataMicroBatches.enabled": "false",
    # Checkpoints are not reused: the offsets are in our tables, and a kill could leave a checkpoint half written.
    "spark.sql.streaming.forceDeleteTempCheckpointLocation": "true",
}


@contextmanager
def spark_session(options: SparkOptions, name: str) -> Iterator[SparkSession]:
    """A context with a Spark session that has the source for Kafka.

    Args:
        options: The options for starting it.
        name: The name of the application.

    Raises:
        MissingExtra: PySpark is not installed.
        ConfigurationError: This Spark has no source for Kafka.
        EngineError: Spark cannot be started.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise MissingExtra("A stream of Kafka", "stream") from error
    with spark_errors("start Spark"):
        builder = SparkSession.builder.appName(name)
        for key, value in settings(options).items():
            builder = builder.config(key, value)
        # Workers on this machine have the packages of this process.
        os.environ.setdefault("PYSPARK_PYTHON", options.python or sys.executable)
        session = builder.getOrCreate()
    try:
        _check_connector(session)
        yield session
    finally:
        session.stop()


def settings(options: SparkOptions) -> dict[str, str]:
    """The Spark properties for given options."""
    import pyspark

    stated = dict(options.conf)
    if options.master is not None:
        stated["spark.master"] = options.master
    for key, values in (
        ("spark.jars.packages", options.packages),
        ("spark.archives", options.archives),
        ("spark.submit.pyFiles", options.py_files),
    ):
        if values:
            stated[key] = ",".join(values)
    if options.python is not None:
        stated["spark.pyspark.python"] = options.python
    if not any(name in stated for name in _JARS):
        scala = "2.13" if int(pyspark.__version__.partition(".")[0]) >= 4 else "2.12"
        stated["spark.jars.packages"] = f"{CONNECTOR}_{scala}:{pyspark.__version__}"
    found = {**_DEFAULTS, **stated}
    if "spark.master" not in found and SUBMITTED not in os.environ:
        found["spark.master"] = "local[*]"
    if found.get("spark.master", "").startswith("local"):
        # A Spark in this process serves no other machine.
        found = {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1", **found}
    return found


def _check_connector(session: SparkSession) -> None:
    try:
        session._jvm.java.lang.Thread.currentThread().getContextClassLoader().loadClass(_CLASS)
    except Exception as error:
        # py4j, which comes with pyspark, reports Java's exceptions as text.
        if "ClassNotFoundException" not in str(error):
            raise
        raise ConfigurationError(
            "this Spark has no source for Kafka",
            remedy=f"Name it in lake.yaml: `spark: {{packages: ['{CONNECTOR}_2.12:<version>']}}`, or its jars: "
            "`spark: {conf: {spark.jars: ...}}`",
        ) from None


@contextmanager
def spark_errors(doing: str) -> Iterator[None]:
    """A context that converts failures of Spark.

    Args:
        doing: The work under way, after "could not".

    Raises:
        LakeError: Spark failed.
    """
    try:
        yield
    except LakeError:
        raise
    except Exception as error:
        raise spark_failure(error, doing) from None


_CAUSE = re.compile(r"(?:^|\s|:)((?:[a-z0-9_]+\.)+[A-Z]\w*(?:Exception|Error))(?::\s*(.*))?")
_NAMED: tuple[tuple[tuple[str, ...], type[LakeError], str], ...] = (
    (
        ("OffsetOutOfRange", "KAFKA_DATA_LOSS", "data may have been lost", "offsets were aged out", "missed data"),
        PermanentSourceError,
        "The topics no longer have messages that were not added: load the windows of that time from a database or from "
        "files, and start the stream with --accept-loss",
    ),
    (
        ("SaslAuthenticationException", "TopicAuthorizationException", "GroupAuthorizationException"),
        AuthenticationFailed,
        "Check `username`, `password` and `mechanism` of the source, and its rights",
    ),
    (
        ("SslAuthenticationException", "SSLHandshakeException"),
        TlsFailed,
        "Check `tls` of the source: its CA, and the brokers' names",
    ),
    (("UnknownTopicOrPartitionException",), MeasurementNotFound, "Check `topics` of the source"),
    (
        ("TimeoutException", "DisconnectException", "NetworkException", "ConnectException"),
        SourceUnavailable,
        "Check that the brokers run, and their addresses in `brokers`",
    ),
    (
        ("maxResultSize",),
        EngineError,
        "Lower `max_messages` of the source, or raise spark.driver.maxResultSize",
    ),
    (
        ("unresolved dependency", "JAVA_GATEWAY_EXITED", "Java gateway process exited"),
        ConfigurationError,
        f"Spark needs Java, and its source for Kafka: `spark: {{packages: ['{CONNECTOR}_2.12:<version>']}}`, "
        "of a version that Maven has, or `spark: {conf: {spark.jars: <its jars>}}`",
    ),
)
"""Fragments of Spark's messages, with the class of error and the remedy."""


def spark_failure(error: BaseException, doing: str) -> LakeError:
    """The error for a failure of Spark."""
    text = redact(str(error))
    causes = [(match[1].rpartition(".")[2], (match[2] or "").strip()) for match in _CAUSE.finditer(text)]
    # The last one is the root cause.
    causes_with_text = [said or name for name, said in causes if said] or [name for name, _ in causes]
    message = f"could not {doing}: {causes_with_text[-1] if causes_with_text else text.strip().partition(chr(10))[0]}"
    for marks, kind, remedy in _NAMED:
        if any(mark in text for mark in marks):
            return kind(message, remedy=remedy)
    return EngineError(message, remedy="See Spark's own log: `spark: {conf: {spark.log.level: WARN}}`")
