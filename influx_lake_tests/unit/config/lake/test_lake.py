"""Patterns, what was discovered, and finding a measurement by what people call it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from influx_lake.config import Discovered, Lake, load_lake, read_discovered, write_discovered
from influx_lake.config.values.windows import Every
from influx_lake.errors import ConfigurationError
from influx_lake_tests.unit.config.conftest import LakeWriter

PATTERNS = """
sources:
  default: {host: http://127.0.0.1:8181, database: telemetry}
  plant: {host: http://127.0.0.1:8181, database: plant}
measurements:
  cpu: {lag: 1m}
  secret_log: {enabled: false}
  "http_*": {partition: {every: hour}, tags: {kind: web}}
  "disk?": {}
  "[m-n]et": {}
  "temp_*": {source: plant}
  "http_never": {}
  "*_log": {}
  star: {measurement: "sta*r"}
"""


def names(lake: Lake) -> list[str]:
    return [measurement.key for measurement in lake.measurements]


def test_nothing_is_known_before_the_sources_were_looked_at(write_lake: LakeWriter) -> None:
    lake = load_lake(write_lake(PATTERNS))
    assert names(lake) == ["cpu", "http_never", "star"]
    assert [pattern.text for pattern in lake.patterns] == ["http_*", "disk?", "[m-n]et", "temp_*", "*_log"]


def test_what_was_found_is_matched(write_lake: LakeWriter, tmp_path: Path) -> None:
    path = write_lake(PATTERNS)
    write_discovered(
        tmp_path,
        {
            "default": [
                "http_a",
                "http_never",
                "disk1",
                "disk12",
                "net",
                "get",
                "temp_x",
                "http_log",
                "secret_log",
                "cpu",
            ],
            "plant": ["temp_x", "http_b"],
            "gone": ["http_c"],
        },
    )
    lake = load_lake(path)
    assert names(lake) == ["cpu", "http_never", "star", "temp_x", "disk1", "http_a", "http_log", "net"]
    found = {measurement.key: measurement for measurement in lake.measurements}
    # The first pattern in the file decides, and a name wins over all of them.
    assert found["http_log"].scheme.every is Every.HOUR
    assert found["http_never"].scheme.every is Every.DAY
    assert dict(found["http_a"].tags) == {"kind": "web"}
    assert (found["temp_x"].source, found["temp_x"].table_name) == ("plant", "plant.temp_x")
    assert found["star"].name == "sta*r"


def test_live_names_are_added(write_lake: LakeWriter) -> None:
    lake = load_lake(write_lake(PATTERNS))
    assert [m.key for m in lake.resolve({"default": ["cpu", "http_a", "http_a", "other"]}).measurements] == [
        "cpu",
        "http_never",
        "star",
        "http_a",
    ]
    assert [m.table_name for m in lake.resolve({"plant": ["temp_a", "cpu"]}).measurements][-1] == "plant.temp_a"


def test_matches_that_would_share_a_table_are_set_aside(write_lake: LakeWriter, tmp_path: Path) -> None:
    path = write_lake('measurements: {"*": , "a_b": }\n', sources=True)
    resolved = load_lake(path).resolve({"default": ["a.b", "x.y", "x y", "fine"]})
    assert [each.name for each in resolved.measurements] == ["a_b", "fine"]
    assert resolved.set_aside.keys() == {("default", "a.b"), ("default", "x.y"), ("default", "x y")}
    assert "a_b and a.b would both be the table telemetry.a_b" in str(resolved.warning)
    assert resolved.kept({"default": ["a.b", "a_b", "x.y", "fine"]}) == {"default": ("a_b", "fine")}
    write_discovered(tmp_path, {"default": ["x.y", "x y", "fine"]})
    with pytest.raises(
        ConfigurationError, match=r"lake\.yaml:2: measurements\.\*: x y and x\.y would both be the table"
    ):
        load_lake(path)


@pytest.mark.parametrize(
    ("listed", "found", "message"),
    [
        ("cpu", "CPU", r"cpu and CPU would be the tables telemetry\.cpu and telemetry\.CPU, which are one where "),
        ("cpu", "cpu__quarantine", r"cpu__quarantine would be the table .*\.cpu__quarantine, which is the quarantine"),
        ("Cpu__Quarantine", "cpu", r"Cpu__Quarantine would be the table .* is the quarantine of cpu"),
    ],
)
def test_tables_that_only_look_different_are_refused(
    listed: str, found: str, message: str, write_lake: LakeWriter, tmp_path: Path
) -> None:
    both = write_lake(f"measurements:\n  {listed}: \n  {found}: \n", sources=True)
    with pytest.raises(ConfigurationError, match=rf"lake\.yaml:4: measurements\.{found}.*: {message}"):
        load_lake(both)
    pattern = write_lake(f'measurements:\n  {listed}: \n  "*": \n', sources=True)
    assert re.search(message, load_lake(pattern).resolve({"default": [found]}).set_aside["default", found])
    write_discovered(tmp_path, {"default": [found]})
    with pytest.raises(ConfigurationError, match=rf"lake\.yaml:4: measurements\.\*: {message}"):
        load_lake(pattern)


def test_names_that_differ_in_case_have_tables_of_their_own_where_they_are_given(write_lake: LakeWriter) -> None:
    text = "measurements: {cpu: , CPU: {table: cpu_upper}, Mem: {namespace: other}, mem: }\n"
    lake = load_lake(write_lake(text, sources=True))
    assert [measurement.table_name for measurement in lake.measurements] == [
        "telemetry.cpu",
        "telemetry.cpu_upper",
        "other.Mem",
        "telemetry.mem",
    ]


def test_namespaces_that_differ_in_case_are_one(mistakes_of: Callable[..., list[str]]) -> None:
    (found,) = mistakes_of("measurements: {cpu: {namespace: A.b}, cpu2: {namespace: a.B, table: CPU}}\n")
    assert "cpu and cpu2 would be the tables A.b.cpu and a.B.CPU" in found


def test_one_measurement_is_not_loaded_twice_into_one_table(mistakes_of: Callable[..., list[str]]) -> None:
    (found,) = mistakes_of("measurements: {a: {measurement: cpu, table: t}, b: {measurement: cpu, table: t}}\n")
    assert "a and b would both be the table telemetry.t" in found


def test_two_sources_with_one_namespace_collide(write_lake: LakeWriter) -> None:
    path = write_lake(
        """
        sources: {a: {host: h, database: d}, b: {host: h, database: d}}
        measurements: {cpu: {source: a}, cpu_b: {source: b, measurement: cpu, table: cpu}}
        """
    )
    with pytest.raises(ConfigurationError, match=r"cpu and cpu_b would both be the table d\.cpu"):
        load_lake(path)


def test_one_measurement_of_two_sources(write_lake: LakeWriter) -> None:
    lake = load_lake(
        write_lake(
            """
            sources: {a: {host: h, database: d}, b: {host: h, database: d}}
            measurements: {cpu_a: {source: a, measurement: cpu}, cpu_b: {source: b, measurement: cpu}}
            """
        )
    )
    assert [(m.name, m.source, m.table_name) for m in lake.measurements] == [
        ("cpu", "a", "d.cpu_a"),
        ("cpu", "b", "d.cpu_b"),
    ]
    assert lake.find("cpu_b").source == "b"
    assert lake.find("d.cpu_a").source == "a"
    with pytest.raises(
        ConfigurationError, match=r"cpu is several measurements. Call one by its table: d\.cpu_a, d\.cpu_b"
    ):
        lake.find("cpu")


def test_finding(lake_of: Callable[[str], Lake]) -> None:
    lake = lake_of("measurements: {cpu: {table: processors}, mem: {measurement: memory}}\n")
    assert lake.find("cpu") is lake.find("telemetry.processors") is lake.measurements[0]
    assert lake.find("mem") is lake.find("memory")
    with pytest.raises(ConfigurationError, match=r"lake\.yaml has no measurement cpus \(did you mean cpu\?\)"):
        lake.find("cpus")


def test_measurements_are_values(lake_of: Callable[[str], Lake]) -> None:
    lake = lake_of("measurements: {cpu: {tags: {a: b}}, mem: }\n")
    again = load_lake(lake.path)
    assert lake.measurements == again.measurements
    assert len({*lake.measurements, *again.measurements}) == 2


def test_what_is_found_is_kept(tmp_path: Path) -> None:
    assert read_discovered(tmp_path) == Discovered()
    path = write_discovered(tmp_path, {"a": ["y", "x", "x"], "b": []})
    assert path == tmp_path / ".lake" / "measurements.json"
    assert read_discovered(tmp_path).measurements == {"a": ("x", "y"), "b": ()}
    write_discovered(tmp_path, {"b": ["日本"]})
    assert read_discovered(tmp_path).measurements == {"a": ("x", "y"), "b": ("日本",)}
    assert [file.name for file in path.parent.iterdir()] == ["measurements.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": "x"}', '{"a": [1]}', "[" * 100_000, "\xff"])
def test_a_state_that_is_none(content: str, tmp_path: Path, write_lake: LakeWriter) -> None:
    (tmp_path / ".lake").mkdir()
    (tmp_path / ".lake" / "measurements.json").write_text(content, encoding="latin-1")
    with pytest.raises(ConfigurationError, match=r"measurements\.json does not hold .*`influx-lake discover`"):
        read_discovered(tmp_path)
    with pytest.raises(ConfigurationError, match=r"measurements\.json does not hold"):
        load_lake(write_lake('measurements: {"*": }\n', sources=True))
    assert load_lake(write_lake("measurements: {cpu: }\n", sources=True)).measurements


def test_a_state_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / ".lake").write_text("a file where a folder should be")
    with pytest.raises(ConfigurationError, match="cannot be"):
        write_discovered(tmp_path, {"a": []})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    found=st.dictionaries(
        st.text(max_size=5), st.lists(st.text(max_size=5).filter(lambda t: t.isprintable()), max_size=5)
    )
)
def test_any_names_are_kept(found: dict[str, list[str]], tmp_path: Path) -> None:
    write_discovered(tmp_path, found)
    known = read_discovered(tmp_path).measurements
    assert {source: set(known[source]) for source in found} == {source: set(n) for source, n in found.items()}
    json.loads((tmp_path / ".lake" / "measurements.json").read_text())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(found=st.lists(st.text(max_size=8), max_size=6))
def test_any_live_names_are_matched_or_refused(found: list[str], lake_of: Callable[[str], Lake]) -> None:
    lake = lake_of('measurements: {"a*": , "*": {lag: 1m}, cpu: }\n')
    resolved = lake.resolve({"default": found})
    aside = {name for _, name in resolved.set_aside}
    if aside:
        tables = [measurement.table.casefold() for _, measurement in lake.match("default", found)] + ["cpu"]
        assert len(set(tables)) < len(tables) or any(f"{table}__quarantine" in tables for table in tables)
    assert {measurement.name for measurement in resolved.measurements} == {"cpu", *found} - {""} - aside
