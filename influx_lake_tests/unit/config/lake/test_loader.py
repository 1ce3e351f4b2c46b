"""What a lake.yaml without mistakes becomes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from influx_lake.config import Lake, Secret, find_config, load_lake
from influx_lake.config.measurements.guards import OnShrink
from influx_lake.config.measurements.options import SchemaEvolution
from influx_lake.config.redaction import redactor
from influx_lake.config.tables.file_options import Compression
from influx_lake.config.values.windows import Every
from influx_lake.errors import ConfigurationError
from influx_lake_tests.unit.config.conftest import LakeWriter


def test_which_file_is_meant(write_lake: LakeWriter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("INFLUX_LAKE_CONFIG", raising=False)
    write_lake("x: y\n")
    assert find_config() == tmp_path / "lake.yaml"
    monkeypatch.setenv("INFLUX_LAKE_CONFIG", "other.yaml")
    assert find_config() == tmp_path / "other.yaml"
    assert find_config("third.yaml") == tmp_path / "third.yaml"


def test_defaults(lake_of: Callable[[str], Lake]) -> None:
    lake = lake_of("measurements: {cpu: }\n")
    (cpu,) = lake.measurements
    assert (cpu.key, cpu.name, cpu.source, cpu.database) == ("cpu", "cpu", "default", "telemetry")
    assert (cpu.identifier, cpu.table_name) == (("telemetry", "cpu"), "telemetry.cpu")
    assert (cpu.scheme.every, cpu.scheme.start) == (Every.DAY, datetime(2026, 1, 1, tzinfo=UTC))
    assert cpu.lag == timedelta(minutes=10)
    assert (cpu.write.compression, cpu.write.compression_level) == (Compression.ZSTD, None)
    assert cpu.write.target_file_size == 512_000_000
    assert (cpu.schema_evolution, cpu.on_shrink) == (SchemaEvolution.ADD_COLUMNS, OnShrink.FAIL)
    assert (cpu.description, cpu.owners, dict(cpu.tags), cpu.group) == (None, (), {}, "telemetry")
    assert lake.catalog.properties() == {
        "type": "sql",
        "uri": f"sqlite:///{lake.root}/.lake/catalog.db",
        "warehouse": f"{lake.root}/.lake/warehouse",
    }
    assert (lake.catalog.name, lake.warnings, lake.patterns) == ("lake", (), ())


def test_every_option(lake_of: Callable[[str], Lake]) -> None:
    (cpu,) = lake_of(
        """
        measurements:
          cpu_eu:
            measurement: cpu
            namespace: plant.raw-1
            table: cpu-eu
            partition: {every: week, start: 2026-01-05, timezone: Europe/Berlin}
            lag: 1h30m
            write: {compression: gzip, compression_level: 9, target_file_size: 1GiB}
            schema_evolution: strict
            on_shrink: replace
            description: How busy each core is.
            owners: [team:platform, ops@example.com]
            tags: {tier: gold, cost/center: "42"}
            group: plant/raw
        """
    ).measurements
    assert (cpu.key, cpu.name) == ("cpu_eu", "cpu")
    assert cpu.identifier == ("plant", "raw-1", "cpu-eu")
    assert cpu.scheme.start == datetime(2026, 1, 5, tzinfo=ZoneInfo("Europe/Berlin"))
    assert cpu.lag == timedelta(minutes=90)
    assert (cpu.write.compression, cpu.write.compression_level) == (Compression.GZIP, 9)
    assert cpu.write.target_file_size == 2**30
    assert (cpu.schema_evolution, cpu.on_shrink) == (SchemaEvolution.STRICT, OnShrink.REPLACE)
    assert cpu.owners == ("team:platform", "ops@example.com")
    assert (dict(cpu.tags), cpu.group) == ({"tier": "gold", "cost/center": "42"}, "plant/raw")


def test_options_are_merged_over_the_defaults(lake_of: Callable[[str], Lake]) -> None:
    cpu, mem = lake_of(
        """
        defaults:
          partition: {every: hour, start: 2026-03-01}
          write: {compression: gzip, compression_level: 6}
          tags: {a: x, b: x}
          owners: [team:a]
          namespace: n
        measurements:
          cpu: {write: {compression: brotli}, tags: {b: y, c: y}, owners: [team:b], namespace: }
          mem:
        """
    ).measurements
    assert (cpu.write.compression, cpu.write.compression_level) == (Compression.BROTLI, 6)
    assert (dict(cpu.tags), cpu.owners) == ({"a": "x", "b": "y", "c": "y"}, ("team:b",))
    assert (cpu.table_name, mem.table_name) == ("telemetry.cpu", "n.mem")
    assert cpu.scheme is mem.scheme
    assert cpu.scheme.every is Every.HOUR


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ('o\'brien "x"', "o_brien__x_"),
        ("-dash", "_dash"),
        ("a.b/c", "a_b_c"),
        ("日本", "__"),
        ("1st", "1st"),
        ("no", "no"),
        ("null", "null"),
    ],
)
def test_tables_of_odd_names(name: str, table: str, lake_of: Callable[[str], Lake]) -> None:
    quoted = name.replace("'", "''")
    (measurement,) = lake_of(f"measurements: {{'{quoted}': {{}}}}\n").measurements
    assert (measurement.name, measurement.table) == (name, table)


def test_a_default_start_is_where_a_partition_starts(lake_of: Callable[[str], Lake]) -> None:
    week, berlin = lake_of(
        "measurements: {a: {partition: {every: week}}, b: {partition: {timezone: Europe/Berlin}}}\n"
    ).measurements
    assert week.scheme.start == datetime(2025, 12, 29, tzinfo=UTC)
    assert berlin.scheme.start == datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Berlin"))


def test_yaml_does_not_guess(lake_of: Callable[[str], Lake]) -> None:
    (measurement,) = lake_of("measurements: {on: {table: 007, description: no, tags: {yes: 1.0}}}\n").measurements
    assert (measurement.name, measurement.table, measurement.description) == ("on", "007", "no")
    assert dict(measurement.tags) == {"yes": "1.0"}


def test_variables(write_lake: LakeWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HOST": "http://db:1", "PORT": "9", "SIZE": "1MB", "ON": "false"}.items():
        monkeypatch.setenv(name, value)
    lake = load_lake(
        write_lake(
            """
            sources: {default: {host: ${HOST}, database: ${DB:-telemetry}, query_port: ${PORT}}}
            catalog: {name: ${NAME:-mine}, type: rest, uri: ${HOST}/catalog}
            measurements: {cpu: {write: {target_file_size: ${SIZE}}}, mem: {enabled: ${ON}}}
            """
        )
    )
    assert (lake.sources["default"].host, lake.sources["default"].query_port) == ("http://db:1", 9)
    assert lake.sources["default"].database == "telemetry"
    assert (lake.catalog.name, lake.catalog.properties()["uri"]) == ("mine", "http://db:1/catalog")
    assert [(m.name, m.write.target_file_size) for m in lake.measurements] == [("cpu", 1_000_000)]


def test_secrets_stay_closed_at_load(write_lake: LakeWriter, tmp_path: Path) -> None:
    lake = load_lake(
        write_lake(
            """
            sources: {default: {host: h, database: d, token: ${UNSET_TOKEN:-${file:secrets/token}}}}
            catalog: {type: rest, uri: http://c, token: ${file:secrets/token}, s3.region: ${file:region}}
            """
        )
    )
    assert redactor._known == {}
    with pytest.raises(ConfigurationError, match=r"catalog\.token: .*secrets/token cannot be read"):
        lake.catalog.properties()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "token").write_text("hunter2\n")
    (tmp_path / "region").write_text("eu\n")
    token = lake.sources["default"].token
    assert token is not None
    assert token.reveal() == "hunter2"
    assert lake.catalog.properties()["s3.region"] == "eu"
    assert "hunter2" not in repr(lake)
    assert not lake.warnings


def test_literal_secrets_work_and_are_warned_of(write_lake: LakeWriter, tmp_path: Path) -> None:
    lake = load_lake(
        write_lake(
            """\
            sources: {default: {host: h, database: d, token: hunter2}}
            catalog:
              type: sql
              uri: postgresql://lake:hunter2@db/lake
              s3.session-token: hunter2
            """
        )
    )
    assert [str(warning).partition(": a secret is written here")[0] for warning in lake.warnings] == [
        "lake.yaml:1: sources.default.token",
        "lake.yaml:4: catalog.uri",
        "lake.yaml:5: catalog.s3.session-token",
    ]
    assert "${S3_SESSION_TOKEN}" in str(lake.warnings[2])
    assert "hunter2" not in repr(lake)
    token = lake.sources["default"].token
    assert isinstance(token, Secret)
    assert token.reveal() == "hunter2"
    assert str(tmp_path) in token.reference
