"""A component whose state lives in the code server: it asks the sources when it starts, and runs take its answers."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from influx_lake_tests.e2e.dagster_site import REPOSITORY, DagsterSite

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

PACKAGE = "plant_of_servers"
DEFINITIONS = REPOSITORY / "influx_lake" / "cli" / "project" / "my_lake" / "my_lake" / "definitions.py"


def points(root: Path, *names: str) -> None:
    (root / "points.lp").write_text("".join(f"{name},host=a value=1 1767225600000000000\n" for name in names))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    defs = tmp_path / PACKAGE / "defs"
    (defs / "lake").mkdir(parents=True)
    for package in (tmp_path / PACKAGE, defs):
        (package / "__init__.py").write_text("")
    (tmp_path / PACKAGE / "definitions.py").write_text(DEFINITIONS.read_text())
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.dg]\ndirectory_type = "project"\nproject = {{root_module = "{PACKAGE}"}}\n'
    )
    lake = {
        "sources": {"default": {"type": "line_protocol", "path": str(tmp_path / "points.lp"), "database": "telemetry"}},
        "defaults": {"partition": {"every": "day", "start": "2026-01-01"}},
        "measurements": {"*": {}},
        "automation": "false",
        "defs_state": {"management_type": "LEGACY_CODE_SERVER_SNAPSHOTS"},
    }
    document = {"type": "influx_lake.InfluxLakeComponent", "attributes": lake}
    (defs / "lake" / "defs.yaml").write_text(yaml.safe_dump(document))
    module = {
        "module_name": f"{PACKAGE}.definitions",
        "working_directory": str(tmp_path),
        "location_name": "influx_lake",
    }
    (tmp_path / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [{"python_module": module}]}))
    return tmp_path


def test_the_code_server_asks_when_it_starts_and_its_runs_do_not(project: Path) -> None:
    points(project, "cpu")
    with DagsterSite(project, workspace=project / "workspace.yaml") as site:
        assert "telemetry/cpu" in site.asset_keys()

        points(project, "cpu", "mem")
        assert {"telemetry/cpu", "telemetry/mem"} <= site.asset_keys()

        # The code server knows of it, whatever the source lists now.
        points(project, "cpu")
        [run] = site.ended_runs(site.launch(["telemetry", "cpu"], ["2026-01-01"]), seconds=120)
        assert run["status"] == "SUCCESS", site.failures([run])
        assert not list(project.rglob(".local_defs_state"))
        assert not list(project.rglob("measurements.json"))
