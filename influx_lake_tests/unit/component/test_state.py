"""Discovery as the component's state, in Dagster's stores of it. The sources are files: no server is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from influx_lake.cli.commands.services.ui import lakes_of_the_ui
from influx_lake.cli.dagster_dev import dagster_instance, report_loaded
from influx_lake.cli.entry import run
from influx_lake.cli.output import output
from influx_lake.component import InfluxLakeComponent
from influx_lake.config import Discovered, load_lake, read_discovered, write_discovered
from influx_lake.errors import ConfigurationError
from influx_lake.orchestration.dagster_internals import defs_state_storage_of

LAKE = """\
sources: {default: {type: line_protocol, path: "POINTS", database: telemetry}}
defaults: {partition: {every: day, start: 2026-01-01}}
measurements: {"*": {}}
"""
PROJECT = """\
[tool.dg]
directory_type = "project"
[tool.dg.project]
root_module = "plant_of_state"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with a lake of whatever is in `points.lp`."""
    import sys

    root = tmp_path / "project"
    folder = root / "plant_of_state" / "defs" / "lake"
    folder.mkdir(parents=True)
    for package in (root / "plant_of_state", root / "plant_of_state" / "defs"):
        (package / "__init__.py").write_text("")
    (root / "pyproject.toml").write_text(PROJECT)
    points(root, "cpu")
    (folder / "lake.yaml").write_text(LAKE.replace("POINTS", str(root / "points.lp")))
    declare(root)
    monkeypatch.syspath_prepend(str(root))
    yield root
    for name in [name for name in sys.modules if name.partition(".")[0] == "plant_of_state"]:
        del sys.modules[name]


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with ExitStack() as stack:
        instance = stack.enter_context(dg.DagsterInstance.local_temp(str(tmp_path)))
        stack.enter_context(defs_state_storage_of(instance))
        yield instance


def points(root: Path, *names: str) -> None:
    (root / "points.lp").write_text("".join(f"{name},host=a value=1 1767225600000000000\n" for name in names))


def declare(root: Path, **attributes: Any) -> None:
    document = {"type": "influx_lake.InfluxLakeComponent", "attributes": {"config": "lake.yaml", **attributes}}
    (root / "plant_of_state" / "defs" / "lake" / "defs.yaml").write_text(yaml.safe_dump(document))


def component_of(root: Path) -> InfluxLakeComponent:
    (found,) = dg.ComponentTree.for_project(root).get_all_components(of_type=InfluxLakeComponent)
    return found


def tables_of(root: Path, below: str = "telemetry") -> set[str]:
    definitions = dg.ComponentTree.for_project(root).build_defs()
    keys = (key.path for key in definitions.resolve_all_asset_keys())
    return {path[-1] for path in keys if path[0] == below}


def refresh(root: Path) -> InfluxLakeComponent:
    component = component_of(root)
    asyncio.run(component.refresh_state(root))
    return component


LOCAL, VERSIONED = "LOCAL_FILESYSTEM", "VERSIONED_STATE_STORAGE"


@pytest.mark.slow
@pytest.mark.parametrize("store", [LOCAL, VERSIONED])
def test_what_is_found_is_the_state(store: str, project: Path, instance: dg.DagsterInstance) -> None:
    declare(project, defs_state={"management_type": store, "refresh_if_dev": False})
    assert tables_of(project) == set()

    component = refresh(project)
    assert component.defs_state_config.key == "InfluxLakeComponent[lake]"
    assert instance.defs_state_storage is not None
    assert instance.defs_state_storage.get_latest_version("InfluxLakeComponent[lake]")
    assert tables_of(project) == {"cpu"}

    points(project, "cpu", "mem")
    assert tables_of(project) == {"cpu"}
    refresh(project)
    assert tables_of(project) == {"cpu", "mem"}

    # Its table stays, and it is marked.
    points(project, "mem")
    refresh(project)
    definitions = dg.ComponentTree.for_project(project).build_defs()
    specs = {
        spec.key.path[-1]: spec for spec in definitions.resolve_all_asset_specs() if spec.key.path[0] == "telemetry"
    }
    assert specs.keys() == {"cpu", "mem"}
    assert specs["cpu"].tags["influx_lake/gone"] == "true"
    assert "influx_lake/gone" not in specs["mem"].tags


@pytest.mark.slow
@pytest.mark.parametrize("store", [LOCAL, VERSIONED])
def test_the_sensor_changes_the_state(store: str, project: Path, instance: dg.DagsterInstance) -> None:
    declare(project, defs_state={"management_type": store, "refresh_if_dev": False})
    refresh(project)

    component_of(project).keep(
        instance, lambda known: known.updated({"default": [*known.measurements["default"], "net"]})
    )

    assert tables_of(project) == {"cpu", "net"}


def test_state_is_local_and_asks_nobody_unless_it_is_told_otherwise(project: Path) -> None:
    config = component_of(project).defs_state_config
    assert (config.management_type.value, config.refresh_if_dev) == (LOCAL, False)


@pytest.mark.slow
def test_the_command_line_and_dagster_know_the_same(project: Path, instance: dg.DagsterInstance) -> None:
    folder = project / "plant_of_state" / "defs" / "lake"
    # What `influx-lake discover` found before the project was one.
    write_discovered(folder, {"default": ["disk"]})
    assert tables_of(project) == {"disk"}

    refresh(project)
    assert [each.name for each in load_lake(folder / "lake.yaml").measurements] == ["cpu", "disk"]
    (state,) = (project / "plant_of_state" / "defs" / ".local_defs_state").glob("*/state")
    assert Discovered.of_text(state.read_text()) == read_discovered(folder)


@pytest.mark.slow
def test_a_lake_without_discovery_has_no_state(project: Path, instance: dg.DagsterInstance) -> None:
    lake = project / "plant_of_state" / "defs" / "lake" / "lake.yaml"
    lake.write_text(lake.read_text().replace('"*": {}', "cpu: {}"))
    (project / "points.lp").unlink()

    assert tables_of(project) == {"cpu"}
    refresh(project)
    assert not (project / "plant_of_state" / "defs" / ".local_defs_state").exists()
    assert not (lake.parent / ".lake").exists()
    assert instance.defs_state_storage is not None
    assert not instance.defs_state_storage.get_latest_defs_state_info()


@pytest.mark.slow
def test_a_refresh_that_fails_leaves_the_state(project: Path, instance: dg.DagsterInstance) -> None:
    refresh(project)
    (project / "points.lp").unlink()
    with pytest.raises(Exception, match=r"points\.lp"):
        refresh(project)
    assert tables_of(project) == {"cpu"}


@pytest.mark.slow
def test_a_damaged_state_is_named(project: Path, instance: dg.DagsterInstance) -> None:
    refresh(project)
    (state,) = (project / "plant_of_state" / "defs" / ".local_defs_state").glob("*/state")
    state.write_text("{")
    with pytest.raises(Exception, match="InfluxLakeComponent") as caught:
        tables_of(project)
    assert "dg utils refresh-defs-state" in str(caught.value.__cause__)


@pytest.mark.slow
def test_the_ui_asks_for_first_points_and_records_under_translated_keys(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    defs, lake = project / "plant_of_state" / "defs" / "lake", project / "lake.yaml"
    text = (defs / "lake.yaml").read_text()
    lake.write_text(text)
    (defs / "lake.yaml").unlink()
    declare(
        project,
        config="../../../lake.yaml",
        translation={"key_prefix": ["bronze"]},
        defs_state={"management_type": VERSIONED, "refresh_if_dev": False},
    )
    with dagster_instance(load_lake(lake)) as instance, defs_state_storage_of(instance):
        refresh(project)
        # Its state has no first point.
        lake.write_text(text.replace('"*": {}', 'cpu: {partition: {start: first_point}}, "m*": {}'))
        assert tables_of(project, below="bronze") == set()

        with output(as_json=False) as out:
            (served,) = lakes_of_the_ui(load_lake(lake), out)

        assert tables_of(project, below="bronze") == {"cpu"}
        assert run(["replicate", "cpu", "--end", "2026-01-02", "-c", str(lake)]) == 0
        assert report_loaded(served).windows == 1
        assert instance.get_materialized_partitions(dg.AssetKey(["bronze", "telemetry", "cpu"])) == {"2026-01-01"}


def test_a_component_that_was_not_loaded_says_so() -> None:
    with pytest.raises(ConfigurationError, match="placed"):
        _ = InfluxLakeComponent(config="lake.yaml").lake


@pytest.mark.slow
def test_discover_on_the_command_line_changes_the_state(
    project: Path, instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    refresh(project)
    points(project, "cpu", "mem")

    assert run(["discover", "-c", str(project / "plant_of_state" / "defs" / "lake" / "lake.yaml")]) == 0

    assert "Kept by Dagster too: InfluxLakeComponent[lake]" in capsys.readouterr().out
    assert tables_of(project) == {"cpu", "mem"}


@pytest.mark.slow
def test_discover_beside_a_project_that_does_not_load(
    project: Path, instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(project, name="not a name")
    assert run(["discover", "-c", str(project / "plant_of_state" / "defs" / "lake" / "lake.yaml")]) == 0
    assert "the project does not load" in capsys.readouterr().err
