"""The project that `influx-lake new` writes."""

from __future__ import annotations

import importlib
import sys
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster.components.core.component_tree import ComponentTree

from influx_lake.cli.demo.workspace import Workspace
from influx_lake.cli.dg_project import code_location
from influx_lake.cli.project.scaffold import write_project
from influx_lake.config import Lake as LakeConfig
from influx_lake.config import example_lake, load_lake, write_discovered
from influx_lake.errors import ConfigurationError
from influx_lake.orchestration.location import current_lake
from influx_lake_tests.unit.orchestration.conftest import catalog_resource, instance, lake
from influx_lake_tests.unit.orchestration.fakes import START, Lake, cpu

__all__ = ["catalog_resource", "instance", "lake"]

REPOSITORY = Path(__file__).parents[3]
NAME = "a_lake_of_tests"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / NAME
    write_project(folder)
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


@pytest.mark.slow
def test_it_is_a_lake_with_an_asset_on_top(project: Path) -> None:
    config = load_lake(project / "lake.yaml")
    assert config.name == NAME
    assert {each.name for each in config.measurements} == {"cpu", "mem", "disk", "net"}
    texts = [path.read_text() for path in project.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert not [text for text in texts if "my_lake" in text]
    assert tomllib.loads((project / "pyproject.toml").read_text())["tool"]["dg"]["project"]["root_module"] == NAME

    definitions = ComponentTree.for_project(project).build_defs()

    keys = {key.to_user_string() for key in definitions.resolve_all_asset_keys()}
    assert {"telemetry/cpu", "telemetry/quiet_hosts", f"influxdb/{NAME}/telemetry/cpu"} <= keys
    assert f"{NAME}_iceberg_io_manager" in (definitions.resources or {})


def test_the_demonstration_may_fill_its_lake_and_no_other(tmp_path: Path) -> None:
    write_project(tmp_path / NAME, demo=True)
    Workspace(tmp_path / NAME).prepare()
    config = load_lake(tmp_path / NAME / "lake.yaml")
    assert (config.name, config.awaits_first_points) == (NAME, True)
    write_project(tmp_path / "its_own")
    with pytest.raises(ConfigurationError, match="is not the example's"):
        Workspace(tmp_path / "its_own").prepare()


def test_the_ui_opens_the_project_that_the_lake_lies_in(project: Path, tmp_path: Path) -> None:
    assert code_location(project) == ["-m", f"{NAME}.definitions", "--working-directory", str(project)]
    assert code_location(tmp_path) == ["-m", "influx_lake.definitions"]
    (tmp_path / "pyproject.toml").write_text(
        "[tool.dg.project]\nroot_module = 'a'\ncode_location_target_module = 'b.c'"
    )
    (tmp_path / "src").mkdir()
    assert code_location(tmp_path) == ["-m", "b.c", "--working-directory", str(tmp_path / "src")]
    (tmp_path / "pyproject.toml").write_text("[tool.dg]\nproject = 3")
    assert code_location(tmp_path) == ["-m", "influx_lake.definitions"]


def test_a_host_that_says_less_than_the_others_is_a_row(project: Path, lake: Lake, tmp_path: Path) -> None:
    moments = {host: range(20 if host < 9 else 3) for host in range(10)}
    lake.source.points = [
        (START + timedelta(days=day, minutes=minute), f"host{host}", 1.0)
        for day in range(2)
        for host, minutes in moments.items()
        for minute in minutes
    ]
    assert lake.run(lake.cpu(), keys=("2026-01-01", "2026-01-02")).success
    example: Any = importlib.import_module(f"{NAME}.defs.quiet_hosts")

    run = lake.run(lake.cpu(), example.hosts_of(unnamed(tmp_path), cpu()), key="2026-01-02")

    assert run.success
    last = START + timedelta(days=1, minutes=2)
    assert lake.rows("telemetry", "quiet_hosts") == [{"host": "host9", "time": last, "points": 3}]
    assert run.partitions["2026-01-02"]["dagster/partition_row_count"] == 1


def test_a_lake_without_cpu_has_no_example(project: Path) -> None:
    (project / "lake.yaml").write_text("sources: {default: {host: h, database: d}}\nmeasurements: {mem: {}}")
    example: Any = importlib.import_module(f"{NAME}.defs.quiet_hosts")
    definitions: dg.Definitions = example.quiet_hosts()
    assert not definitions.assets


@pytest.mark.parametrize("written", ["", "# A lake of one's own.\n"])
def test_the_clone_has_such_an_asset_on_its_example_alone(
    written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert code_location(REPOSITORY) == ["-m", "demo_definitions", "--working-directory", str(REPOSITORY)]
    monkeypatch.syspath_prepend(str(REPOSITORY))
    (tmp_path / "lake.yaml").write_text(example_lake() + written)
    write_discovered(tmp_path, {"default": ["cpu"]}, first_points={("default", "cpu"): START})
    monkeypatch.setenv("INFLUX_LAKE_CONFIG", str(tmp_path / "lake.yaml"))
    current_lake.cache_clear()

    definitions: dg.Definitions = importlib.import_module("demo_definitions").defs()

    current_lake.cache_clear()
    keys = {key.to_user_string() for key in definitions.resolve_all_asset_keys()}
    assert {"telemetry/cpu", "telemetry/cpu_hourly"} <= keys
    assert ("telemetry/quiet_hosts" in keys) == (not written)
    dg.Definitions.validate_loadable(definitions)


def unnamed(folder: Path) -> LakeConfig:
    (folder / "lake.yaml").write_text("sources: {default: {host: h, database: telemetry}}\nmeasurements: {cpu: {}}")
    return load_lake(folder / "lake.yaml")


@pytest.mark.parametrize("name", ["My-Lake", "1st", "class", "influx_lake", "json", "räume"])
def test_names_that_no_package_can_have(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        write_project(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    write_project(tmp_path / NAME)
    with pytest.raises(ConfigurationError, match="already there"):
        write_project(tmp_path / NAME)
