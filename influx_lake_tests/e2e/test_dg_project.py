"""The component in a project, through `dg`."""

from __future__ import annotations

import json

import pytest

from influx_lake_tests.e2e.dg_project import LINES, DgProject

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TYPE = "influx_lake.InfluxLakeComponent"

PATTERNS = """\
type: influx_lake.InfluxLakeComponent
attributes:
  sources: {default: {type: line_protocol, path: POINTS, database: patterns}}
  defaults: {partition: {every: day, start: 2026-01-01}}
  measurements: {"*": {}}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> DgProject:
    folder = tmp_path_factory.mktemp("dg")
    (folder / "points.lp").write_text(LINES)
    return DgProject.create(folder)


def test_a_lake_is_scaffolded_checked_listed_and_launched(project: DgProject) -> None:
    listed = json.loads(project.dg("list", "components", "--json"))
    assert {"key": TYPE, "summary": "The measurements of a lake as assets."} in listed["items"]

    points = str(project.root.parent / "points.lp")
    files = ("--type", "line_protocol", "--path", points)
    project.dg("scaffold", "defs", TYPE, "north", *files, "--measurements", "cpu", "--start", "2026-01-01")
    project.dg(
        "scaffold", "defs", TYPE, "south", "--json-params", json.dumps({"config": "src/plant/defs/north/lake.yaml"})
    )
    south = project.defs / "south" / "defs.yaml"
    assert "config: ../north/lake.yaml" in south.read_text()
    south.unlink()

    checked = project.dg("check", "defs")
    assert "validated successfully" in checked
    assert "loaded successfully" in checked
    asset = project.assets()["north/cpu"]
    assert asset["dependency_keys"] == ["influxdb/north/north/cpu"]
    assert asset["source"].endswith("north/defs.yaml:1")

    (project.defs / "patterns").mkdir()
    (project.defs / "patterns" / "defs.yaml").write_text(PATTERNS.replace("POINTS", points))
    assert "patterns/cpu" not in project.assets()
    project.dg("utils", "refresh-defs-state")
    assert {"north/cpu", "patterns/cpu"} <= project.assets().keys()

    project.dg("launch", "--assets", "north/cpu", "--partition", "2026-01-01")
    lake = project.defs / "north" / "lake.yaml"
    status = json.loads(project.run("influx-lake", "status", "-c", str(lake), "--json"))
    assert [each["rows"] for each in status["measurements"]] == [2]


def test_mistakes_are_reported_with_their_lines(project: DgProject) -> None:
    folder = project.defs / "wrong"
    refused = project.dg("scaffold", "defs", TYPE, "wrong", "--type", "influxdb4", fails=True)
    assert "did you mean influxdb3" in refused
    assert "Traceback" not in refused
    folder.mkdir(exist_ok=True)
    (folder / "defs.yaml").write_text(
        f"type: {TYPE}\nattributes:\n  sources:\n    default: {{host: h, database: d}}\n"
        "  defaults:\n    partition: {every: dayly}\n  measurements:\n    cpu: {on_shrink: loose}\n"
    )
    try:
        yaml = project.dg("check", "yaml", fails=True)
        assert "defs.yaml:6" in yaml
        defs = project.dg("check", "defs", "--no-check-yaml", fails=True)
        assert "defs.yaml:6: defaults.partition.every" in defs
        assert "defs.yaml:8: measurements.cpu.on_shrink" in defs
    finally:
        (folder / "defs.yaml").unlink()
