"""Apache Iceberg's own sink for Kafka Connect: a real worker of the test's own, of one process."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from testbed.kafka_broker import KafkaBroker

CONTROL_TOPIC = "control-iceberg"
_WORKER = {
    "key.converter": "org.apache.kafka.connect.storage.StringConverter",
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    "value.converter.schemas.enable": "false",
    "offset.flush.interval.ms": "1000",
    "plugin.discovery": "only_scan",
}
_SINK = {
    "connector.class": "org.apache.iceberg.connect.IcebergSinkConnector",
    "tasks.max": "1",
    "iceberg.catalog.catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
    "iceberg.catalog.io-impl": "org.apache.iceberg.hadoop.HadoopFileIO",
    "iceberg.control.commit.interval-ms": "1000",
    "iceberg.control.commit.timeout-ms": "5000",
    "iceberg.tables.auto-create-enabled": "true",
    "iceberg.tables.evolve-schema-enabled": "true",
}


@dataclass
class KafkaConnect:
    """A worker with one sink.

    Attributes:
        folder: Where its settings and its log are.
    """

    folder: Path
    _jars: str
    _process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def log(self) -> str:
        """What the worker wrote."""
        return (self.folder / "connect.log").read_text(errors="replace")

    def start(self) -> None:
        """Start the worker."""
        assert self._process is None
        command = ["java", "-Xmx512m", "-cp", self._jars, "org.apache.kafka.connect.cli.ConnectStandalone"]
        with (self.folder / "connect.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "worker.properties", "sink.properties"], stdout=log, stderr=log, cwd=self.folder
            )

    def check_running(self) -> None:
        """Fail with the end of the log if the worker ended."""
        assert self._process is not None
        assert self._process.poll() is None, self.log[-3000:]

    def kill(self) -> None:
        """Kill the worker; its place in the topic is in Kafka and in the table."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def iceberg_sink(
    folder: Path, broker: KafkaBroker, settings: Mapping[str, str], catalog: Path, warehouse: Path
) -> Iterator[KafkaConnect]:
    """A worker whose sink writes a topic into a table, until the end; skips the test where the sink is not installed.

    Args:
        folder: An empty folder.
        broker: The topic's broker; the sink's control topic is created.
        settings: The sink's settings: `topics`, `iceberg.tables`, transforms.
        catalog: The SQLite file of the catalog.
        warehouse: The folder of the catalog's tables.
    """
    home = os.environ.get("INFLUX_LAKE_TEST_KAFKA_CONNECT")
    if not home or not any(Path(home).glob("iceberg-kafka-connect-*.jar")):
        pytest.skip(
            "Kafka Connect is not installed: INFLUX_LAKE_TEST_KAFKA_CONNECT is to name the folder of its jars (.ci/run)"
        )
    if shutil.which("java") is None:
        pytest.skip("Java is not installed, which Kafka Connect runs in")
    folder.mkdir(parents=True)
    broker.create(CONTROL_TOPIC)
    worker = {
        **_WORKER,
        "bootstrap.servers": broker.address,
        "listeners": "http://127.0.0.1:0",
        "offset.storage.file.filename": str(folder / "offsets"),
        "consumer.auto.offset.reset": "earliest",
    }
    sink = {
        **_SINK,
        "name": "points",
        "iceberg.catalog": "lake",
        "iceberg.catalog.uri": f"jdbc:sqlite:{catalog}",
        "iceberg.catalog.warehouse": f"file://{warehouse}",
        "iceberg.kafka.auto.offset.reset": "earliest",
        **settings,
    }
    for name, properties in (("worker", worker), ("sink", sink)):
        (folder / f"{name}.properties").write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    connect = KafkaConnect(folder, f"{home}/*")
    try:
        connect.start()
        yield connect
    finally:
        connect.kill()
