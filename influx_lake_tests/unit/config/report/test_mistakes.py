"""Every mistake of a lake.yaml is told, with its line and what would be right."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from influx_lake.config import ConfigurationProblems, LandingZoneConfig, Secret, load_lake
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
        "give one of them a `table` of its own, or let them share it: `metadata_columns: [measurement]` in both",
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
        ("sources: {a: {host: h, database: d, token: ''}}\n", "lake.yaml:1: sources.a.token: is empty"),
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
        ("sources: {a: {host: 'http://h', database: d, tls: {ca_file: x}}}\n", "sources.a.tls: tls has no effect"),
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
    assert mistake.endswith("include: holds the character U+0000, which nobody sees: take it out")
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
        ("measurements: {cpu: {zzz: [a]}}\n", "measurements.cpu.zzz: unknown option; known: "),
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


def test_a_mistake_in_the_defaults_is_reported_once(mistakes_of: Callable[..., list[str]]) -> None:
    found = mistakes_of("defaults: {partition: {every: week, start: 2026-01-01}}\nmeasurements: {a: , b: , c: }\n")
    assert len(found) == 1
    assert found[0].startswith("lake.yaml:2: defaults.partition.start: the start 2026-01-01 (Thursday)")


def test_options_that_clash_with_the_defaults_are_reported_where_they_stand(
    mistakes_of: Callable[..., list[str]],
) -> None:
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


def test_a_file_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no .*lake\.yaml. Write one with `influx-lake init`"):
        load_lake(tmp_path / "lake.yaml")
    with pytest.raises(ConfigurationError, match="there is no"):
        load_lake(tmp_path)


def test_a_file_that_cannot_be_read(write_lake: LakeWriter, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigurationProblems, match="folder cannot be read: Is a directory"):
        load_lake(write_lake("include: [folder]\n", sources=True))


def test_an_option_called_as_pydantic_marks_names(mistakes_of: Callable[..., list[str]]) -> None:
    assert any("unknown option" in mistake for mistake in mistakes_of('defaults: {"[key]": 1}\n'))


@pytest.mark.parametrize("delimiter", ['"\\t"', '" "', '";"', "'|'"])
def test_a_delimiter_may_be_a_character_that_nobody_sees(delimiter: str, write_lake: LakeWriter) -> None:
    zone = f'{{type: landing_zone, path: "/z/{{year}}", database: d, format: csv, delimiter: {delimiter}}}'
    source = load_lake(write_lake(f"sources: {{default: {zone}}}\n")).sources["default"]
    assert isinstance(source, LandingZoneConfig)
    assert source.delimiter == json.loads(delimiter.replace("'", '"'))


@pytest.mark.parametrize("delimiter", ['"\\t\\t"', '"  "', '""', '"\\n"'])
def test_a_delimiter_is_one_character(delimiter: str, mistakes_of: Callable[..., list[str]]) -> None:
    zone = f'{{type: landing_zone, path: "/z/{{year}}", database: d, format: csv, delimiter: {delimiter}}}'
    [mistake] = mistakes_of(f"sources: {{default: {zone}}}\n", sources=False)
    assert mistake.startswith("lake.yaml:1: sources.default.delimiter: ")
