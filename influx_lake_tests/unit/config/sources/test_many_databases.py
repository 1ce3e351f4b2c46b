"""One entry of `sources` for many databases, and regular expressions as patterns."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from influx_lake.config import load_lake, write_discovered
from influx_lake.config.values.patterns import NamePattern, is_pattern
from influx_lake.errors import ConfigurationError
from influx_lake_tests.unit.config.conftest import LakeWriter

PLANT = 'sources: {plant: {host: "http://h", database: "/^plant_/", token: "${file:token}"}}\n'


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("cpu", ["cpu"], ["cpu2", "a cpu"]),
        ("cpu*", ["cpu", "cpu2"], ["a cpu"]),
        ("/cpu/", ["cpu", "cpu2", "a cpu"], ["CPU"]),
        ("/^cpu[0-9]+$/", ["cpu2"], ["cpu", "cpux"]),
        ("/^(?i:cpu)$/", ["cpu", "CPU"], ["cpu2"]),
    ],
)
def test_what_a_pattern_matches(pattern: str, matching: list[str], others: list[str]) -> None:
    assert [name for name in matching + others if NamePattern(pattern).matches(name)] == matching
    assert is_pattern(pattern) is (pattern != "cpu")


def test_an_expression_with_a_mistake_has_a_line(mistakes_of: Callable[..., list[str]]) -> None:
    assert "'/cpu(/'" not in mistakes_of("measurements:\n  '/cpu(/': {}\n")[0]
    assert "is not a regular expression" in mistakes_of("measurements:\n  '/cpu(/': {}\n")[0]
    text = "sources: {a: {host: h, database: '/x(/'}}\n"
    assert "sources.a.database: is not a regular expression" in mistakes_of(text, sources=False)[0]


def test_an_expression_stands_for_what_it_matches(write_lake: LakeWriter) -> None:
    path = write_lake("measurements: {'/^http_/': }\n", sources=True)
    write_discovered(path.parent, {"default": ["http_get", "https", "http_put"]})
    assert [each.name for each in load_lake(path).measurements] == ["http_get", "http_put"]


def test_each_database_is_a_namespace(write_lake: LakeWriter) -> None:
    path = write_lake(PLANT + "measurements: {'*': , cpu: {lag: 1h}}\n")
    assert load_lake(path).measurements == ()
    found = {"plant/plant_a": ["cpu", "mem"], "plant/plant_b": ["cpu"], "plant/other": ["cpu"]}
    write_discovered(path.parent, found)
    lake = load_lake(path)
    assert [each.table_name for each in lake.measurements] == ["plant_a.cpu", "plant_a.mem", "plant_b.cpu"]
    assert [f"{each.lag}" for each in lake.measurements] == ["1:00:00", "0:10:00", "1:00:00"]
    assert list(lake.sources) == ["plant/plant_a", "plant/plant_b"]
    assert lake.sources["plant/plant_a"].database == "plant_a"
    write_discovered(path.parent, {"plant/plant_b": ["cpu"]}, groups=["plant"])
    assert [each.table_name for each in load_lake(path).measurements] == ["plant_b.cpu"]


def test_databases_may_be_listed(write_lake: LakeWriter) -> None:
    text = """
        sources:
          old: {type: influxdb2, host: h, org: o, bucket: [a, "b*"]}
          new: {host: h, database: d}
        defaults: {source: old}
        measurements: {cpu: , mem: {source: new}}
    """
    path = write_lake(text)
    write_discovered(path.parent, {"old/a": ["cpu"], "old/b1": ["cpu", "disk"], "old/c": ["cpu"]})
    lake = load_lake(path)
    assert [each.table_name for each in lake.measurements] == ["d.mem", "a.cpu", "b1.cpu"]
    assert set(lake.sources) == {"new", "old/a", "old/b1"}


def test_mistakes_are_found_before_any_database_is(mistakes_of: Callable[..., list[str]]) -> None:
    text = PLANT + "measurements: {cpu: {write: {merge_fields: true}}}\n"
    assert "merge_fields is for `mode: upsert`" in mistakes_of(text, sources=False)[0]


def test_databases_that_are_not_known_yet_are_compared(write_lake: LakeWriter) -> None:
    lake = load_lake(write_lake(PLANT + "measurements: {'*': {namespace: all}}\n"))
    assert [each.table_name for each in lake.resolve({"plant/plant_a": ["cpu"]}).measurements] == ["all.cpu"]
    resolved = lake.resolve({"plant/plant_a": ["cpu"], "plant/plant_b": ["cpu"]})
    assert resolved.measurements == ()
    assert set(resolved.set_aside.values()) == {"cpu and cpu would both be the table all.cpu"}
    with pytest.raises(ConfigurationError, match="has no source plan/a"):
        lake.source("plan/a")
