from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from influx_lake.config import ConfigurationProblems, Lake, Secret, find_config, lake_of, load_lake, secret
from influx_lake.config.files import Compression
from influx_lake.config.guards import OnShrink
from influx_lake.config.options import SchemaEvolution
from influx_lake.config.problems import Location, Place
from influx_lake.config.windows import Every
from influx_lake.errors import ConfigurationError
from influx_lake_tests.unit.config.conftest import LakeWriter

TEN_MISTAKES = """\
sources:
  default:
    host: ftp://influxdb
    database: telemetry
    token: apiv3_hunter2
    tokn: apiv3_hunter2
catalog:
  type: sqll
defaults:
  lag: 10
measurements:
  cpu:
    partition:
      every: dayly
  mem:
    table: cpu
  disk:
    source: defalt
  net:
    partition: {every: week, start: 2026-01-01}
  swap:
    owners: [bob]
    on_shrink: ${NOT_SET_ANYWHERE}
"""


def test_ten_mistakes_are_ten_messages(mistakes_of: Callable[..., list[str]]) -> None:
    assert mistakes_of(TEN_MISTAKES, sources=False) == [
        "lake.yaml:3: sources.default.host: the scheme must be http or https. Write a name or address, with or without "
        "http(s):// and port: https://influx.example.com:8181",
        "lake.yaml:6: sources.default.tokn: unknown option (did you mean token?)",
        "lake.yaml:8: catalog.type: 'sqll' is not one of rest, hive, glue, dynamodb, sql, in-memory, bigquery "
        "(did you mean sql?)",
        "lake.yaml:10: defaults.lag: '10' is not a length of time: write a number with its unit, such as 30s, 10m, "
        "1h30m, 7d or 2w",
        "lake.yaml:14: measurements.cpu.partition.every: 'dayly' is not one of hour, day, week, month "
        "(did you mean day?)",
        "lake.yaml:16: measurements.mem.table: cpu and mem would both be the table telemetry.cpu (cpu: lake.yaml:12): "
        "give one of them a `table` of its own",
        "lake.yaml:18: measurements.disk.source: 'defalt' is not one of the sources (did you mean default?)",
        "lake.yaml:20: measurements.net.partition.start: the start 2026-01-01 (Thursday) is not where a week starts: "
        "write 2025-12-29 or 2026-01-05",
        "lake.yaml:22: measurements.swap.owners[0]: 'bob' is not an owner: write an e-mail address, or team:name",
        "lake.yaml:23: measurements.swap.on_shrink: the environment variable NOT_SET_ANYWHERE is not set, or empty: "
        "set it, or give a default, ${NOT_SET_ANYWHERE:-...}",
    ]


def test_the_error_says_how_many_and_writes_nothing(write_lake: LakeWriter, tmp_path: Path) -> None:
    path = write_lake(TEN_MISTAKES)
    with pytest.raises(ConfigurationProblems, match=r"10 mistakes in lake\.yaml:\n") as caught:
        load_lake(path)
    assert caught.value.exit_code == 2
    assert "hunter2" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # The file.
        ("", "lake.yaml:1: the file is empty; `influx-lake init` writes a first one"),
        ("# only a comment\n", "lake.yaml:1: the file is empty; `influx-lake init` writes a first one"),
        ("- a\n", "lake.yaml:1: the file must hold sections such as `sources:` and `measurements:`"),
        ("\n\nb: c: d\n", "lake.yaml:3: not YAML: mapping values are not allowed in this context"),
        ("source: {}\n", "lake.yaml:1: source: unknown section (did you mean sources?)"),
        ("sources:\n- a\n", "lake.yaml:1: sources: must hold entries, such as `key: value`"),
        # Sources.
        ("sources: {a: }\n", "lake.yaml:1: sources.a: must hold options, such as `host` and `database`"),
        ("sources: {a b: {host: h, database: d}}\n", "lake.yaml:1: sources.'a b': is not a name"),
        ("sources:\n  a:\n    host: h\n", "lake.yaml:2: sources.a.database: is missing: The database that holds"),
        ("sources: {a: {host: h, database: }}\n", "lake.yaml:1: sources.a.database: has no value"),
        ("sources: {a: {host: [x], database: d}}\n", "lake.yaml:1: sources.a.host: must be a text, not a list"),
        ("sources: {a: {host: h, database: d, token: [hunter2]}}\n", "lake.yaml:1: sources.a.token: must be a text"),
        ("sources: {a: {host: h, database: d, token: ''}}\n", "lake.yaml:1: sources.a.token: the value is empty"),
        (
            "sources: {a: {host: h, database: d, token: '${hunter2'}}\n",
            "lake.yaml:1: sources.a.token: ${ does not start",
        ),
        ("sources: {a: {host: h, database: d, query_port: x}}\n", "sources.a.query_port: 'x' is not a whole number"),
        (
            "sources: {a: {host: h, database: d, query_port: 70000}}\n",
            "sources.a.query_port: '70000' is more than 65535",
        ),
        ("sources: {a: {host: h, database: d, timeout: 0}}\n", "sources.a.timeout: '0' is no time at all"),
        ("sources: {a: {host: h, database: d, type: influxdb}}\n", "'influxdb' is not one of influxdb"),
        ("sources: {a: {host: 'http://h', database: d, tls: {ca_file: x}}}\n", "sources.a: tls has no effect"),
        (
            "sources: {a: {host: h, database: d, tls: {verify: maybe}}}\n",
            "tls.verify: 'maybe' is not one of true, false",
        ),
        ("sources: {a: {host: 'http://u:hunter2@h', database: d}}\n", "sources.a.host: host holds a user name"),
    ],
)
def test_mistakes_of_the_file_and_its_sources(text: str, message: str, mistakes_of: Callable[..., list[str]]) -> None:
    found = mistakes_of(text, sources=False)
    assert any(message in line for line in found), found
    assert "hunter2" not in "".join(found)


def test_names_that_no_file_can_have(mistakes_of: Callable[..., list[str]], tmp_path: Path) -> None:
    mistake = mistakes_of('include: ["a\\0b"]\n')[0]
    assert "include: a\0b cannot be read: " in mistake
    assert "embedded null" in mistake
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Secret("${file:a\0b}", root=tmp_path).reveal()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("catalog: sql\n", "lake.yaml:2: catalog: must hold entries"),
        ("catalog: {s3.region: [x]}\n", "catalog.s3.region: must be a text, not a list"),
        ("catalog: {s3.region: }\n", "catalog.s3.region: has no value"),
        (
            "catalog: {s3.secret-access-key: {x: hunter2}}\n",
            "catalog.s3.secret-access-key: must be a text, not a mapping",
        ),
        ("catalog: {token: '${vault:x}'}\n", "catalog.token: ${vault:...} is not a reference that is known"),
        (
            "catalog: {token: '${NOT_SET_ANYWHERE}'}\n",
            "catalog.token: the environment variable NOT_SET_ANYWHERE is not",
        ),
        ("catalog: {name: '${file:x}'}\n", "catalog.name: a value from a file or a secret store is for a secret"),
        ("defaults: {table: x}\n", "defaults.table: belongs to one measurement and cannot be a default"),
        (
            "defaults: {source: x}\nmeasurements: {a: , b: }\n",
            "defaults.source: 'x' is not one of the sources; declared: ",
        ),
        ("measurements: [cpu]\n", "measurements: must hold entries"),
        ("measurements: {cpu: daily}\n", "measurements.cpu: must hold options, such as"),
        ("measurements: {cpu: {partition: day}}\n", "measurements.cpu.partition: must hold options, such as"),
        ("measurements: {cpu: {fields: [a]}}\n", "measurements.cpu.fields: unknown option; known: "),
        ("measurements: {cpu: {partition: {evry: day}}}\n", "cpu.partition.evry: unknown option (did you mean every?)"),
        ("measurements: {cpu: {partition: {start: soon}}}\n", "partition.start: 'soon' is not a date or time"),
        (
            "measurements: {cpu: {partition: {start: 1066-01-01}}}\n",
            "partition.start: '1066-01-01' is outside the time",
        ),
        ("measurements: {cpu: {partition: {start: 2026-01-01T05:00Z}}}\n", "write 2026-01-01 or 2026-01-02"),
        (
            "measurements: {cpu: {partition: {every: hour, start: 2026-01-01T05:30Z}}}\n",
            "write 2026-01-01T05:00:00Z or",
        ),
        (
            "measurements: {cpu: {partition: {timezone: Berlin}}}\n",
            "timezone: 'Berlin' is not a time zone (did you mean",
        ),
        ("measurements: {cpu: {partition: {timezone: ../../etc/passwd}}}\n", "is not a time zone"),
        ("measurements: {cpu: {partition: {every: hour, timezone: Europe/Berlin}}}\n", "hours are cut in UTC, not in"),
        ("measurements: {cpu: {namespace: a b}}\n", "namespace: 'a b' is not a namespace"),
        ("measurements: {cpu: {namespace: a..b}}\n", "namespace: 'a..b' is not a namespace"),
        ("measurements: {cpu: {table: a.b}}\n", "table: 'a.b' is not a table's name"),
        (
            "measurements: {cpu: {write: {compression: gz}}}\n",
            "write.compression: 'gz' is not one of none, snappy, gzip",
        ),
        (
            "measurements: {cpu: {write: {compression: gzip, compression_level: 12}}}\n",
            "12 is not a compression_level of",
        ),
        ("measurements: {cpu: {write: {compression: snappy, compression_level: 1}}}\n", "snappy has no levels"),
        ("measurements: {cpu: {write: {target_file_size: big}}}\n", "'big' is not an amount of data"),
        ("measurements: {cpu: {write: {target_file_size: 0}}}\n", "target_file_size: '0' is less than 1"),
        ("measurements: {cpu: {write: {mod: append}}}\n", "write.mod: unknown option"),
        ("measurements: {cpu: {on_shrink: shrug}}\n", "on_shrink: 'shrug' is not one of fail, merge, replace"),
        ("measurements: {cpu: {schema_evolution: add}}\n", "is not one of strict, add_columns, full"),
        ("measurements: {cpu: {owners: team:x}}\n", "owners: must be a list, such as [a, b], not 'team:x'"),
        ("measurements: {cpu: {tags: {a b: c}}}\n", "tags.'a b': 'a b' is not a tag"),
        ("measurements: {cpu: {tags: {dagster/x: c}}}\n", "tags.dagster/x: 'dagster/x' is Dagster's own"),
        ("measurements: {cpu: {tags: {a: b c}}}\n", "tags.a: 'b c' is not a tag's value"),
        ("measurements: {cpu: {group: a-b}}\n", "group: 'a-b' is not a group"),
        ("measurements: {cpu: {enabled: }}\n", "enabled: has no value: give one, or leave the option out"),
        (
            "measurements: {cpu: {description: '${file:x}'}}\n",
            "description: a value from a file or a secret store is for",
        ),
        ("measurements: {'': {}}\n", "a measurement needs a name"),
        ("measurements: {'http_*': {table: x}}\n", "http_*.table: a pattern's matches cannot share a table"),
        ("measurements: {'http_*': {lag: x}}\n", "http_*.lag: 'x' is not a length of time"),
        (
            "measurements: {a b: , a.b: }\n",
            "a.b.table: a b and a.b would both be the table telemetry.a_b (a b: lake.yaml:2)",
        ),
    ],
)
def test_mistakes_of_the_rest(text: str, message: str, mistakes_of: Callable[..., list[str]]) -> None:
    found = mistakes_of(text)
    assert len(found) == 1, found
    assert message in found[0]
    assert "hunter2" not in found[0]


def test_a_key_that_is_given_twice(mistakes_of: Callable[..., list[str]]) -> None:
    found = mistakes_of("measurements:\n  cpu: {lag: 1m, lag: 2m}\n  mem:\n  cpu: {}\nmeasurements: {}\n")
    assert found == [
        "lake.yaml:3: measurements.cpu.lag: is already given in line 3",
        "lake.yaml:5: measurements.cpu: is already given in line 3",
        "lake.yaml:6: measurements: is already given in line 2",
    ]


def test_a_mistake_in_the_defaults_is_told_once(mistakes_of: Callable[..., list[str]]) -> None:
    found = mistakes_of("defaults: {partition: {every: week, start: 2026-01-01}}\nmeasurements: {a: , b: , c: }\n")
    assert len(found) == 1
    assert found[0].startswith("lake.yaml:2: defaults.partition.start: the start 2026-01-01 (Thursday)")


def test_options_that_clash_with_the_defaults_are_told_where_they_stand(mistakes_of: Callable[..., list[str]]) -> None:
    found = mistakes_of(
        "defaults: {partition: {start: 2026-01-01}, write: {compression_level: 15}}\n"
        "measurements:\n  a:\n    partition: {every: week}\n  b:\n    write: {compression: gzip}\n"
    )
    assert [line.partition(": the")[0].partition(": 15")[0] for line in found] == [
        "lake.yaml:5: measurements.a.partition.every",
        "lake.yaml:7: measurements.b.write.compression",
    ]


def test_the_value_of_a_variable_is_not_repeated(
    mistakes_of: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVERY", "hunter2")
    found = mistakes_of("measurements: {cpu: {partition: {every: ${EVERY}}}}\n")
    assert found[0].startswith(
        "lake.yaml:2: measurements.cpu.partition.every: the value of '${EVERY}' is not one of hour"
    )
    assert "hunter2" not in found[0]


def test_no_source(mistakes_of: Callable[..., list[str]]) -> None:
    found = mistakes_of("measurements: {cpu: }\n", sources=False)
    assert found == [
        "lake.yaml:1: sources: no source is declared: write "
        "`sources: {default: {host: http://127.0.0.1:8181, database: telemetry}}`"
    ]


def test_several_sources_and_none_named(mistakes_of: Callable[..., list[str]]) -> None:
    sources = "sources: {a: {host: h, database: d}, b: {host: h, database: d}}\n"
    found = mistakes_of(sources + "measurements: {cpu: , mem: , disk: {source: b}}\n", sources=False)
    assert len(found) == 2 or len(set(found)) == 1
    assert "several sources (a, b), none called default" in found[0]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no .*lake\.yaml. Write one with `influx-lake init`"):
        load_lake(tmp_path / "lake.yaml")
    with pytest.raises(ConfigurationError, match="there is no"):
        load_lake(tmp_path)


def test_a_file_that_cannot_be_read(write_lake: LakeWriter, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigurationProblems, match="folder cannot be read: Is a directory"):
        load_lake(write_lake("include: [folder]\n", sources=True))


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
    assert secret._revealed == set()
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
              s3.secret-access-key: hunter2
            """
        )
    )
    assert [str(warning).partition(": a secret is written here")[0] for warning in lake.warnings] == [
        "lake.yaml:1: sources.default.token",
        "lake.yaml:4: catalog.uri",
        "lake.yaml:5: catalog.s3.secret-access-key",
    ]
    assert "${S3_SECRET_ACCESS_KEY}" in str(lake.warnings[2])
    assert "hunter2" not in repr(lake)
    token = lake.sources["default"].token
    assert isinstance(token, Secret)
    assert token.reveal() == "hunter2"
    assert str(tmp_path) in token.reference


def test_includes_are_joined(write_lake: LakeWriter, tmp_path: Path) -> None:
    write_lake("measurements: {disk: {lag: 1m}}\n", "lake.d/b.yaml")
    write_lake("measurements: {mem: }\ninclude: ../more/c.yaml\n", "lake.d/a.yaml")
    write_lake(
        "sources: {other: {host: h, database: o, token: ${file:token}}}\ninclude: [../lake.yaml]\n", "more/c.yaml"
    )
    (tmp_path / "token").write_text("hunter2")
    path = write_lake("include: [lake.d/*.yaml, none.d/*.yaml]\nmeasurements: {cpu: }\n", sources=True)
    lake = load_lake(path)
    assert [measurement.name for measurement in lake.measurements] == ["cpu", "mem", "disk"]
    token = lake.sources["other"].token
    assert token is not None
    # Relative to the lake, wherever it is written.
    assert token.reveal() == "hunter2"


def test_mistakes_of_included_files(write_lake: LakeWriter) -> None:
    write_lake("measurements:\n  cpu:\n  disk: {lagg: 1}\n", "b.yaml")
    write_lake("measurements: [", "c.yaml")
    write_lake("defaults: {lag: 2m}\n", "d.yaml")
    path = write_lake(
        "include:\n- b.yaml\n- c.yaml\n- gone.yaml\n- [x]\n- d.yaml\nmeasurements: {cpu: }\ndefaults: {lag: 1m}\n",
        sources=True,
    )
    with pytest.raises(ConfigurationProblems) as caught:
        load_lake(path)
    assert [str(problem) for problem in caught.value.problems] == [
        "lake.yaml:2: include: must be a list of files, such as [lake.d/*.yaml]",
        "lake.yaml:5: include: gone.yaml cannot be read: No such file or directory",
        "b.yaml:2: measurements.cpu: is also in lake.yaml:8; only one of them can be right",
        "b.yaml:3: measurements.disk.lagg: unknown option (did you mean lag?)",
        "c.yaml:1: not YAML: while parsing a flow node, did not find expected node content",
        "d.yaml:1: defaults.lag: is also in lake.yaml:9; only one of them can be right",
    ]


def test_the_name_of_an_included_file_may_hold_variables(
    write_lake: LakeWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITE", "berlin")
    write_lake("measurements: {mem: }\n", "berlin.d/a.yaml")
    assert load_lake(write_lake("include: [${SITE}.d/*.yaml]\n", sources=True)).find("mem")
    with pytest.raises(ConfigurationProblems, match=r"lake\.yaml:2: include.*NOT_SET_ANYWHERE is not set") as caught:
        load_lake(write_lake("include: ${NOT_SET_ANYWHERE}.yaml\n", sources=True))
    assert len(caught.value.problems) == 1


def test_sections_from_elsewhere(tmp_path: Path) -> None:
    sections = {
        "sources": {"default": {"host": "h", "database": "d", "query_port": 9, "token": "${file:token}"}},
        "measurements": {"cpu": {"enabled": True, "partition": {"start": date(2026, 2, 1)}}, "mem": None},
    }
    (tmp_path / "token").write_text("hunter2")
    lake = lake_of(sections, tmp_path / "defs.yaml")
    assert [measurement.name for measurement in lake.measurements] == ["cpu", "mem"]
    assert lake.find("cpu").scheme.start == datetime(2026, 2, 1, tzinfo=UTC)
    token = lake.sources["default"].token
    assert token is not None
    assert token.reveal() == "hunter2"


def test_mistakes_of_sections_from_elsewhere(tmp_path: Path) -> None:
    sections = {"sources": {"default": {"host": "h", "database": "d", "token": "hunter2"}}, "defaults": {"lag": 10}}
    places: dict[Location, Place] = {("defaults", "lag"): Place(tmp_path / "defs.yaml", 7)}
    with pytest.raises(ConfigurationProblems) as caught:
        lake_of(sections, tmp_path / "defs.yaml", places)
    assert [(problem.place.line, problem.location) for problem in caught.value.problems] == [
        (1, ("sources", "default", "token")),
        (7, ("defaults", "lag")),
    ]
    assert "hunter2" not in str(caught.value)


def test_files_elsewhere_are_named_in_full(write_lake: LakeWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_lake("x: y\n", sources=True)
    monkeypatch.chdir("/")
    with pytest.raises(ConfigurationProblems) as caught:
        load_lake(path)
    shown = str(path).removeprefix("/")
    assert str(caught.value).startswith(f"{shown}:2: x: unknown section")


def test_aliases_that_multiply_end(mistakes_of: Callable[..., list[str]]) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12)
    )
    started = time.perf_counter()
    found = mistakes_of(bomb)
    assert any("aliases multiply each other" in line for line in found)
    assert time.perf_counter() - started < 30


def test_a_thousand_measurements_load_in_well_under_a_second(write_lake: LakeWriter) -> None:
    entries = "".join(
        f"  m{index}:\n    partition: {{every: hour}}\n    tags: {{tier: gold}}\n    write: {{compression: gzip}}\n"
        for index in range(1000)
    )
    path = write_lake("defaults: {partition: {start: 2026-01-01}}\nmeasurements:\n" + entries, sources=True)
    code = (
        "import time, influx_lake.config as c\n"
        f"started = time.process_time(); lake = c.load_lake({str(path)!r})\n"
        "print(len(lake.measurements), time.process_time() - started)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, seconds = done.stdout.split()
    assert count == "1000"
    assert float(seconds) < 0.8


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["${A", "${A}", "10m", "day", "*"])
)
options = st.sampled_from(
    ["host", "database", "token", "tls", "type", "partition", "every", "start", "timezone", "write", "compression",
     "compression_level", "lag", "tags", "owners", "namespace", "table", "measurement", "source", "uri", "name"]
)  # fmt: skip
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(options | st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
sections = st.sampled_from(["sources", "catalog", "defaults", "measurements", "include", "other"])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tree=st.dictionaries(
        sections, trees | st.dictionaries(st.sampled_from(["default", "cpu", "a*"]), trees, max_size=2)
    )
)
def test_any_tree_is_a_lake_or_a_configuration_error(tree: dict[str, object], write_lake: LakeWriter) -> None:
    import yaml

    path = write_lake(yaml.safe_dump(tree, allow_unicode=True))
    try:
        lake = load_lake(path)
    except ConfigurationError:
        return
    else:
        assert lake.sources


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=80) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_a_lake_or_a_configuration_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "lake.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError):
        load_lake(path)


def test_an_option_called_as_pydantic_marks_names(mistakes_of: Callable[..., list[str]]) -> None:
    assert any("unknown option" in mistake for mistake in mistakes_of('defaults: {"[key]": 1}\n'))
