"""A broker that speaks TLS, and wants a name and a password."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from influx_lake_tests.integration.streaming.streamed_lake import StreamedLake
from influx_lake_tests.unit.sources.certificates import Certificate, make_certificate
from testbed.kafka_broker import KafkaBroker, Login, kafka_broker, spark_jars

pytestmark = pytest.mark.servers

PASSWORD = "hunter2-of-kafka"
OTHER = "hunter3-is-wrong"
LINE = b"cpu,host=h%d value=%d.5 %d"
NOON = 1_767_268_800 * 10**9


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"), "kafka", "127.0.0.1")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[KafkaBroker]:
    spark_jars()
    login = Login("lake", PASSWORD, certificate.cert_file, certificate.key_file)
    with kafka_broker(tmp_path_factory.mktemp("kafka"), login) as running:
        yield running


@pytest.fixture
def streamed(tmp_path: Path, broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch) -> StreamedLake:
    monkeypatch.setenv("KAFKA_PASSWORD", PASSWORD)
    return StreamedLake(tmp_path / "lake", broker)


def declare(streamed: StreamedLake, topic: str, ca_file: Path, mechanism: str = "SCRAM-SHA-512") -> None:
    options = f'mechanism: {mechanism}, username: lake, password: "${{KAFKA_PASSWORD}}", tls: {{ca_file: {ca_file}}}'
    streamed.declare(topic, "{cpu: {}}", options)


def holding(folder: Path, secret: str) -> list[Path]:
    """The files of a folder that hold a text."""
    return [file for file in folder.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()]


def commands_with(secret: str) -> list[bytes]:
    """The command lines of processes that have a text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes()
        except OSError:
            continue
        if secret.encode() in command:
            found.append(command)
    return found


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_messages_come_in_and_the_password_is_nowhere(
    streamed: StreamedLake, certificate: Certificate, mechanism: str
) -> None:
    topic = f"secure-{mechanism.lower()}"
    streamed.broker.create(topic, 2)
    streamed.broker.produce(topic, [(f"h{n % 3}", LINE % (n % 3, n, NOON + n)) for n in range(100)])
    declare(streamed, topic, certificate.cert_file, mechanism)
    with streamed.streaming():
        streamed.wait_for_messages(100)
        assert commands_with(PASSWORD) == []
        if mechanism == "SCRAM-SHA-512":
            # A broker that is away for a moment is no refusal.
            streamed.broker.kill()
            streamed.broker.start()
            streamed.broker.produce(topic, [("h0", LINE % (0, 0, NOON + 1_000))])
            streamed.wait_for_messages(101)
    rows, total = streamed.query("select count(*), sum(value) from {cpu}", "cpu")[0]
    assert (rows, total) in ((100, 5_000.0), (101, 5_000.5))
    assert holding(streamed.folder, PASSWORD) == []


def test_a_wrong_password_is_reported_without_it(
    streamed: StreamedLake, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    streamed.broker.create("refused")
    declare(streamed, "refused", certificate.cert_file)
    monkeypatch.setenv("KAFKA_PASSWORD", OTHER)
    message = str(streamed.run("stream", "--available-now", code=1))
    assert "username" in message
    assert "mechanism" in message
    assert "uthentication" in message
    for secret in (PASSWORD, OTHER):
        assert secret not in message
        assert holding(streamed.folder, secret) == []


def test_another_ca_is_reported(streamed: StreamedLake, tmp_path: Path) -> None:
    streamed.broker.create("untrusted")
    declare(streamed, "untrusted", make_certificate(tmp_path, "other", "127.0.0.1").cert_file)
    message = str(streamed.run("stream", "--available-now", code=1))
    assert "certificate" in message
    assert "Check `tls`" in message
