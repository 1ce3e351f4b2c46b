"""A lake.yaml that is made of several files."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from influx_lake.config import ConfigurationProblems, lake_of, load_lake
from influx_lake.config.report.diagnostics import Location, Place
from influx_lake_tests.unit.config.conftest import LakeWriter


def test_includes_are_joined(write_lake: LakeWriter, tmp_path: Path) -> None:
    write_lake("measurements: {disk: {lag: 1m}}\n", "lake.d/b.yaml")
    write_lake("measurements: {mem: }\ninclude: ../more/c.yaml\n", "lake.d/a.yaml")
    write_lake("sources: {other: {host: h, database: o, token: ${file:token}}}\ninclude: [../d.yaml]\n", "more/c.yaml")
    write_lake("measurements: {net: }\n", "d.yaml")
    (tmp_path / "token").write_text("hunter2")
    # One that two files include is read once.
    path = write_lake("include: [lake.d/*.yaml, none.d/*.yaml, d.yaml]\nmeasurements: {cpu: }\n", sources=True)
    lake = load_lake(path)
    assert [measurement.name for measurement in lake.measurements] == ["cpu", "mem", "net", "disk"]
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
        "lake.yaml:5: include: gone.yaml cannot be read: No such file or directory",
        "lake.yaml:6: include: must be a list of files, such as [lake.d/*.yaml]",
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


def test_files_that_include_one_another_in_a_long_row(write_lake: LakeWriter) -> None:
    for number in range(2_000):
        write_lake(f"include: [{number + 1}.yaml]\n", f"{number}.yaml")
    with pytest.raises(ConfigurationProblems, match=r"49.yaml:1: include: more than 50 files include one another"):
        load_lake(write_lake("include: 0.yaml\n", sources=True))


@pytest.mark.parametrize(
    ("included", "chain"),
    [
        ({"lake.yaml": "lake.yaml"}, "lake.yaml:2: include: a file includes itself, lake.yaml -> lake.yaml: "),
        ({"lake.yaml": "'*.yaml'"}, "lake.yaml:2: include: a file includes itself, lake.yaml -> lake.yaml: "),
        ({"lake.yaml": "./x/../lake.yaml"}, "lake.yaml:2: include: a file includes itself, lake.yaml -> lake.yaml: "),
        (
            {"lake.yaml": "a.yaml", "a.yaml": "b.yaml", "b.yaml": "a.yaml"},
            "b.yaml:1: include: files include one another in a cycle, a.yaml -> b.yaml -> a.yaml: ",
        ),
        (
            {"lake.yaml": "a.yaml", "a.yaml": "b.yaml", "b.yaml": "linked.yaml"},
            "b.yaml:1: include: files include one another in a cycle, lake.yaml -> a.yaml -> b.yaml -> lake.yaml: ",
        ),
    ],
)
def test_files_that_include_themselves(
    included: dict[str, str], chain: str, write_lake: LakeWriter, tmp_path: Path
) -> None:
    if "linked.yaml" in included.values():
        (tmp_path / "linked.yaml").symlink_to("lake.yaml")
    for file, other in included.items():
        write_lake(f"include: [{other}]\n", file, sources=file == "lake.yaml")
    with pytest.raises(ConfigurationProblems) as caught:
        load_lake(tmp_path / "lake.yaml")
    assert [str(problem) for problem in caught.value.problems] == [f"{chain}take one of them out"]


@pytest.mark.parametrize("name", ["", " ", "a\tb", "a\u202eb.yaml"])
def test_names_of_files_that_nobody_can_have_meant(name: str, write_lake: LakeWriter) -> None:
    with pytest.raises(ConfigurationProblems, match=r"lake.yaml:3: include: "):
        load_lake(write_lake(f"include:\n- {json.dumps(name)}\n", sources=True))


def test_a_file_that_is_named_twice(write_lake: LakeWriter) -> None:
    write_lake("measurements: {mem: }\n", "a.yaml")
    with pytest.raises(ConfigurationProblems, match=r"lake.yaml:4: include: is named twice in this list"):
        load_lake(write_lake("include:\n- a.yaml\n- a.yaml\n", sources=True))


def test_aliases_that_nest(write_lake: LakeWriter) -> None:
    chain = "a0: &a0 [x]\n" + "".join(f"a{level}: &a{level} [*a{level - 1}]\n" for level in range(1, 2_000))
    with pytest.raises(ConfigurationProblems, match="nested deeper than 50 levels by aliases"):
        load_lake(write_lake(chain, sources=True))


@pytest.mark.parametrize("nested", ["[" * 10_000, "{a: " * 10_000, "- " * 10_000])
def test_what_is_nested_ten_thousand_deep(nested: str, write_lake: LakeWriter) -> None:
    with pytest.raises(ConfigurationProblems, match="nested deeper than 50 levels"):
        load_lake(write_lake(f"measurements: {nested}" if nested[0] != "-" else nested))
