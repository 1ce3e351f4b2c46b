"""A real Kafka broker of the test's own, in KRaft mode, which can be killed and started again on what it has."""

from __future__ import annotations

import base64
import os
import re
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from testbed.waiting import wait_until

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={folder}/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
auto.create.topics.enable=false
"""


@dataclass
class KafkaBroker:
    """The broker.

    Attributes:
        folder: Where its data are.
        port: The port that it listens on.
    """

    folder: Path
    port: int
    _jars: str
    _process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def address(self) -> str:
        """Where it is: host and port."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        assert self._process is None
        with (self.folder / "broker.log").open("ab") as log:
            command = ["java", "-Xmx512m", "-cp", self._jars, "kafka.Kafka", str(self.folder / "server.properties")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        wait_until(self._answers, f"Kafka answers ({self.folder}/broker.log)", 120)

    def kill(self) -> None:
        """Kill it; what it has stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def create(self, topic: str, partitions: int = 1, **settings: str) -> None:
        """Make a topic."""
        from confluent_kafka.admin import AdminClient, NewTopic

        wanted = NewTopic(topic, num_partitions=partitions, replication_factor=1, config=settings)
        client = AdminClient({"bootstrap.servers": self.address})
        client.create_topics([wanted])[topic].result(60)

    def produce(self, topic: str, messages: Sequence[tuple[str, bytes | None]], **settings: Any) -> None:
        """Write messages, those of a key in their order; the broker has them when this returns."""
        from confluent_kafka import Producer

        failures: list[Any] = []
        options = {"bootstrap.servers": self.address, "linger.ms": 50, "enable.idempotence": True, **settings}
        producer = Producer(options)

        def told(error: Any, _: Any) -> None:
            if error is not None:
                failures.append(error)

        for key, value in messages:
            while True:
                try:
                    producer.produce(topic, value, key=key, on_delivery=told)
                    break
                except BufferError:
                    producer.poll(0.5)
        assert producer.flush(300) == 0
        assert not failures, failures[0]

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "broker.log").read_text()[-2000:]
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        try:
            return bool(AdminClient({"bootstrap.servers": self.address}).list_topics(timeout=2).brokers)
        except KafkaException:
            return False


@contextmanager
def kafka_broker(folder: Path) -> Iterator[KafkaBroker]:
    """Start a broker on an empty folder, and stop it; skips the test where Kafka or Java is not installed."""
    home = os.environ.get("INFLUX_LAKE_TEST_KAFKA")
    if not home or not any(Path(home).glob("kafka_*.jar")):
        pytest.skip("Kafka is not installed: INFLUX_LAKE_TEST_KAFKA is to name the folder of its jars (.ci/run)")
    if shutil.which("java") is None:
        pytest.skip("Java is not installed, which Kafka runs in")
    folder.mkdir(parents=True, exist_ok=True)
    port, controller = _free_ports(2)
    (folder / "server.properties").write_text(_PROPERTIES.format(port=port, controller=controller, folder=folder))
    broker = KafkaBroker(folder, port, f"{home}/*")
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    command = ["java", "-cp", broker._jars, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}"]
    done = subprocess.run(
        [*command, "-c", str(folder / "server.properties")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, re.sub(r"(?s).*(ERROR|Exception)", r"\1", done.stdout + done.stderr)[-2000:]
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


def spark_jars() -> str:
    """The jars of Spark's source for Kafka; skips the test where they, or Spark, are not installed."""
    pytest.importorskip("pyspark", reason="Spark is not installed: make engines")
    home = os.environ.get("INFLUX_LAKE_TEST_SPARK_KAFKA")
    found = sorted(Path(home).glob("*.jar")) if home else []
    if not found:
        pytest.skip(
            "Spark's source for Kafka is not installed: INFLUX_LAKE_TEST_SPARK_KAFKA is to name its jars' folder"
        )
    # Spark brings the others itself.
    own = ("spark-sql-kafka", "spark-token-provider-kafka", "kafka-clients", "commons-pool2")
    return ",".join(str(jar) for jar in found if jar.name.startswith(own))


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
