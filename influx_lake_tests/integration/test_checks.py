"""Checks of measurements, in runs of a lake's own definitions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from influx_lake.config import load_lake
from influx_lake.orchestration.checks import QUARANTINE_CHECK
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.sandbox import Sandbox

START_NS = 1_767_225_600_000_000_000

LAKE = """
sources:
  default: {{type: influxdb3, host: "{url}", database: {database}, token: "${{BOX_TOKEN}}"}}
catalog: {{name: lake, type: sql, uri: "sqlite:///catalog.db", warehouse: warehouse}}
defaults: {{namespace: telemetry, on_type_conflict: quarantine, adopt: true}}
measurements:
  cpu: {{}}
  mem: {{on_type_conflict: fail}}
"""


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox() as box:
        monkeypatch.setenv("BOX_TOKEN", str(box.token))
        yield box


def load_cpu(folder: Path, box: Sandbox, database: str) -> dg.ExecuteInProcessResult:
    """Materialise a day of cpu, with what is checked afterwards."""
    path = folder / "lake.yaml"
    path.write_text(LAKE.format(url=box.url, database=database))
    definitions = build_definitions(load_lake(path))
    job = dg.define_asset_job("cpu_alone", selection=dg.AssetSelection.assets(["telemetry", "cpu"]))
    resolved = dg.Definitions.merge(definitions, dg.Definitions(jobs=[job])).resolve_job_def("cpu_alone")
    return resolved.execute_in_process(partition_key="2026-01-01")


def test_only_a_measurement_with_a_quarantine_is_checked_for_it(tmp_path: Path, box: Sandbox) -> None:
    path = tmp_path / "lake.yaml"
    path.write_text(LAKE.format(url=box.url, database="telemetry"))
    keys = build_definitions(load_lake(path)).resolve_asset_graph().asset_check_keys
    assert {(key.asset_key.path[-1], key.name) for key in keys} == {("cpu", QUARANTINE_CHECK)}


def test_rows_in_quarantine_turn_the_check_yellow(tmp_path: Path, box: Sandbox) -> None:
    box.write("before", f"cpu,host=a value=1 {START_NS}")
    box.write("after", f'cpu,host=a value="one",other=2i {START_NS}')
    box.write("after", f"cpu,host=b other=3i {START_NS + 1000}")

    [clean] = load_cpu(tmp_path, box, "before").get_asset_check_evaluations()
    assert (clean.check_name, clean.passed) == (QUARANTINE_CHECK, True)

    result = load_cpu(tmp_path, box, "after")
    [found] = result.get_asset_check_evaluations()
    assert result.success
    assert (found.passed, found.severity, found.metadata["rows"].value) == (False, dg.AssetCheckSeverity.WARN, 1)
    assert "'value' is string in the source and double in the table" in str(found.metadata["reasons"].value)
    assert found.description == "1 rows in telemetry.cpu__quarantine"
