"""How engines are reached, and which tables name them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from influx_lake.config import ConfigurationProblems, Lake, load_lake
from influx_lake.config.maintenance.engines import Engine, TrinoConfig
from influx_lake.errors import ConfigurationError
from influx_lake.maintenance.engines.opening import Engines
from influx_lake.maintenance.engines.spark import Spark
from influx_lake.maintenance.tables import tables_of

Read = Callable[[str], Lake]
SOURCES = 'sources: {default: {host: "http://127.0.0.1:1", database: telemetry}}\n'
TRINO = "engines: {trino: {host: 'https://trino:8443', password: '${TRINO_PASSWORD}'}}\n"


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    monkeypatch.setenv("TRINO_PASSWORD", "a-secret-of-trino")

    def read(text: str) -> Lake:
        path = tmp_path / "lake.yaml"
        path.write_text(SOURCES + text)
        return load_lake(path)

    return read


def test_the_run_does_it_itself_unless_configured_otherwise(read: Read) -> None:
    lake = read(
        TRINO + "measurements: {cpu: {maintenance: {engine: trino}, rollups: {hourly: {every: 1h}, "
        "daily: {every: 1d, maintenance: {engine: own}}}}, mem: }"
    )
    engines = {each.name: each.maintenance.engine for each in tables_of(lake) if each.maintenance}
    assert engines == {
        "telemetry.cpu": Engine.TRINO,
        "telemetry.cpu_hourly": Engine.TRINO,
        "telemetry.cpu_daily": Engine.OWN,
        "telemetry.mem": Engine.OWN,
    }


def test_secrets_are_read_when_they_are_used(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = read(TRINO + "measurements: {cpu: }")
    assert "a-secret-of-trino" not in repr(lake.engines)
    assert lake.engines.trino is not None
    assert lake.engines.trino.password is not None
    assert lake.engines.trino.password.reveal() == "a-secret-of-trino"
    monkeypatch.setenv("TRINO_PASSWORD", "another")
    assert lake.engines.trino.password.reveal() == "another"


def test_properties_of_spark_may_hold_references(read: Read, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k")
    lake = read('engines: {spark: {conf: {spark.master: "local[2]", spark.hadoop.fs.s3a.secret.key: "${file:key}"}}}\n')
    assert lake.engines.spark is not None
    assert {name: value.reveal() for name, value in lake.engines.spark.conf.items()} == {
        "spark.master": "local[2]",
        "spark.hadoop.fs.s3a.secret.key": "k",
    }
    assert lake.warnings == ()


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("measurements: {cpu: {maintenance: {engine: spark}}}", "spark is not among `engines`: write `engines: {spark"),
        ("defaults: {maintenance: {engine: athena}}\nmeasurements: {cpu: }", "write `engines: {athena: {workgroup"),
        ('measurements: {"cpu*": {maintenance: {engine: trino}}}', "trino is not among `engines`"),
        (
            "measurements: {cpu: {rollups: {hourly: {every: 1h, maintenance: {engine: trino}}}}}",
            "rollups.hourly.maintenance.engine: trino is not among",
        ),
        ("measurements: {cpu: {maintenance: {engine: presto}}}", "engine"),
        ("engines: {trino: {}}", "trino.host"),
        ("engines: {trino: {host: 'ftp://trino'}}", "the scheme must be http or https"),
        ("engines: {trino: {host: 'http://trino', password: '${TRINO_PASSWORD}'}}", "would travel in the clear"),
        ("engines: {trino: {host: 'http://trino', tls: {verify: false}}}", "tls has no effect"),
        ("engines: {trino: {host: trino, password: '${HOME}', token: '${HOME}'}}", "give one of them"),
        ("engines: {spark: {remote: 'spark:15002'}}", "a Spark Connect address"),
        ("engines: {spark: {remote: 'sc://spark/;token=abc'}}", "has a token in it"),
        ("engines: {spark: {token: '${HOME}'}}", "give its address as `remote`"),
        ("engines: {athena: {aws_access_key_id: a}}", "belong together"),
        ("engines: {athena: {timeout: 0}}", "give a length of time above 0"),
        ("engines: {flink: {}}", "flink"),
        ("engines: spark", "must hold entries"),
        ("engines: {spark: {conf: {spark.x: '${NOT_THERE}'}}}", "NOT_THERE is not set"),
    ],
)
def test_mistakes_are_reported(read: Read, text: str, mistake: str) -> None:
    with pytest.raises(ConfigurationProblems) as raised:
        read(text)
    assert mistake in str(raised.value)


def test_a_secret_that_is_written_down_is_warned_of(read: Read) -> None:
    lake = read("engines: {athena: {aws_access_key_id: a, aws_secret_access_key: abcdefgh}}\nmeasurements: {cpu: }")
    assert [each.location for each in lake.warnings] == [("engines", "athena", "aws_secret_access_key")]
    assert "abcdefgh" not in repr(lake)


def test_an_engine_is_called_as_the_lake_calls_its_catalog_unless_configured_otherwise(read: Read) -> None:
    lake = read("engines: {spark: {remote: 'sc://spark'}, trino: {host: trino, catalog: warehouse}}")
    with Engines(lake.engines, lake.catalog.name) as engines:
        spark, trino = engines.get(Engine.SPARK), engines.get(Engine.TRINO)
        assert isinstance(spark, Spark)
        assert spark.catalog == "lake"
        assert getattr(trino, "catalog", None) == "warehouse"
        assert engines.get(Engine.SPARK) is spark
        assert engines.get(Engine.OWN) is None
        with pytest.raises(ConfigurationError, match="its connection is not configured"):
            engines.get(Engine.ATHENA)


def test_an_address_without_a_port_is_one_of_trino(read: Read) -> None:
    assert str(TrinoConfig(host="http://trino").address) == "trino:8080"
    assert TrinoConfig(host="trino").address.url == "https://trino:443"
