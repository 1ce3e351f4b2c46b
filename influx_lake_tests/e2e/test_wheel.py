"""The wheel, in a project that `create-dagster` makes, in an environment that holds nothing of the clone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import duckdb
import pytest
from pyiceberg.catalog import load_catalog

from influx_lake_tests.e2e.dagster_site import REPOSITORY
from influx_lake_tests.e2e.dg_project import BIN, LINES, DgProject

pytestmark = [pytest.mark.wheel, pytest.mark.slow, pytest.mark.timeout(900)]

TYPE = "influx_lake.InfluxLakeComponent"
SOUTH = """\
type: influx_lake.InfluxLakeComponent
attributes:
  sources:
    default:
      type: landing_zone
      path: LANDED/{measurement}/year={year}/month={month}/day={day}
      format: csv
      tags: [host]
      database: plant
  defaults: {namespace: south, partition: {every: day, start: 2026-01-01}}
  measurements:
    cpu: {}
"""


def uv(*arguments: str) -> None:
    done = subprocess.run([str(BIN / "uv"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def project(tmp_path: Path) -> DgProject:
    """A project whose environment has the wheel, in the versions of the lock."""
    uv("build", "--quiet", "--wheel", "--out-dir", str(tmp_path / "dist"), str(REPOSITORY))
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    programs = tmp_path / "venv" / "bin"
    uv("venv", "--quiet", str(programs.parent))
    project = DgProject.create(tmp_path, programs)
    locked = ("--quiet", "--python", str(programs / "python"), "--constraint", str(REPOSITORY / "requirements.lock"))
    uv("pip", "install", *locked, f"influx-lake[dg,files] @ {wheel.as_uri()}", "--editable", str(project.root))
    return project


def rows_of(lake: Path, table: str) -> list[tuple[object, ...]]:
    """What DuckDB reads of a table."""
    catalog = load_catalog("lake", type="sql", uri=f"sqlite:///{lake}/catalog.db", warehouse=f"{lake}/warehouse")
    location = catalog.load_table(table).metadata_location
    return duckdb.sql(f"SELECT host, usage FROM iceberg_scan('{location}') ORDER BY host").fetchall()


def test_two_lakes_in_a_project(project: DgProject) -> None:
    folder = project.root.parent
    landed = folder / "landed" / "cpu" / "year=2026" / "month=01" / "day=02"
    landed.mkdir(parents=True)
    (landed / "points.csv").write_text("timestamp,host,usage\n1767312000,a,3.5\n")
    (folder / "points.lp").write_text(LINES)
    files = ("--type", "line_protocol", "--path", str(folder / "points.lp"))
    project.dg("scaffold", "defs", TYPE, "north", *files, "--measurements", "cpu", "--start", "2026-01-01")
    (project.defs / "south").mkdir()
    (project.defs / "south" / "defs.yaml").write_text(SOUTH.replace("LANDED", str(folder / "landed")))

    package = project.run("python", "-c", "import influx_lake; print(influx_lake.__file__)").strip()
    assert Path(package).is_relative_to(project.programs.parent)
    assert "loaded successfully" in project.dg("check", "defs")
    assert {"north/cpu", "south/cpu"} <= project.assets().keys()

    project.dg("launch", "--assets", "north/cpu", "--partition", "2026-01-01")
    project.dg("launch", "--assets", "south/cpu", "--partition", "2026-01-02")

    assert rows_of(project.defs / "north" / ".lake", "north.cpu") == [("a", 1.5), ("b", 2.5)]
    assert rows_of(project.defs / "south" / ".lake", "south.cpu") == [("a", 3.5)]
