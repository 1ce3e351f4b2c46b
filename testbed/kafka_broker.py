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
listeners={protocol}://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={protocol}://127.0.0.1:{port}
inter.broker.listener.name={protocol}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,{protocol}:{protocol}
log.dirs={folder}/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
auto.create.topics.enable=false
"""
_SECURE = """\
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={certificate}
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config={modules}.plain.PlainLoginModule required username="{user}" \
password="{password}" user_{user}="{password}";
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={modules}.scram.ScramLoginModule required;
"""
_MODULES = "org.apache.kafka.common.security"


@dataclass(frozen=True)
class Login:
    """What a broker wants of who asks it: TLS, a name and a password, by the mechanism PLAIN or SCRAM-SHA-512.

    Attributes:
        user: The name.
        password: The password, without quotes.
        cert_file: The broker's certificate, which is its own CA.
        key_file: Its key.
    """

    user: str
    password: str
    cert_file: Path
    key_file: Path

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a client that may ask."""
        return {
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(self.cert_file),
            "sasl.mechanism": "PLAIN",
            "sasl.username": self.user,
            "sasl.password": self.password,
        }

    def properties(self, folder: Path) -> str:
        """The broker's properties."""
        keystore = folder / "keystore.pem"
        keystore.write_bytes(self.key_file.read_bytes() + self.cert_file.read_bytes())
        return _SECURE.format(
            keystore=keystore, certificate=self.cert_file, modules=_MODULES, user=self.user, password=self.password
        )


@dataclass
class KafkaBroker:
    """The broker.

    Attributes:
        folder: Where its data are.
        port: The port that it listens on.
        login: What it wants of who asks; None: nothing.
    """

    folder: Path
    port: int
    _jars: str
    login: Login | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def address(self) -> str:
        """Where it is: host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def _settings(self) -> dict[str, Any]:
        """Those of a client."""
        return {"bootstrap.servers": self.address, **(self.login.settings if self.login else {})}

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
        client = AdminClient(self._settings)
        client.create_topics([wanted])[topic].result(60)

    def produce(self, topic: str, messages: Sequence[tuple[str, bytes | None]], **settings: Any) -> None:
        """Write messages, those of a key in their order; the broker has them when this returns."""
        from confluent_kafka import Producer

        failures: list[Any] = []
        options = {**self._settings, "linger.ms": 50, "enable.idempotence": True, **settings}
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
            return bool(AdminClient(self._settings).list_topics(timeout=2).brokers)
        except KafkaException:
            return False


@contextmanager
def kafka_broker(folder: Path, login: Login | None = None) -> Iterator[KafkaBroker]:
    """Start a broker on an empty folder, and stop it; skips the test where Kafka or Java is not installed.

    Args:
        folder: The folder.
        login: What it wants of who asks; None: nothing.
    """
    home = os.environ.get("INFLUX_LAKE_TEST_KAFKA")
    if not home or not any(Path(home).glob("kafka_*.jar")):
        pytest.skip("Kafka is not installed: INFLUX_LAKE_TEST_KAFKA is to name the folder of its jars (.ci/run)")
    if shutil.which("java") is None:
        pytest.skip("Java is not installed, which Kafka runs in")
    folder.mkdir(parents=True, exist_ok=True)
    port, controller = _free_ports(2)
    protocol = "SASL_SSL" if login else "PLAINTEXT"
    properties = _PROPERTIES.format(protocol=protocol, port=port, controller=controller, folder=folder)
    properties += login.properties(folder) if login else ""
    (folder / "server.properties").write_text(properties)
    broker = KafkaBroker(folder, port, f"{home}/*", login)
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    command = ["java", "-cp", broker._jars, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}"]
    if login:
        command.append(f"--add-scram=SCRAM-SHA-512=[name={login.user},password={login.password}]")
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
