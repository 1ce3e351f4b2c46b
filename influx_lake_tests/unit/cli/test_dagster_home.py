"""Dagster's folder, and the files that are packaged beside those of the repository."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from threading import Barrier

import pytest

from influx_lake.cli.dagster_dev import DagsterDev, dagster_instance
from influx_lake.config import example_lake, load_lake
from influx_lake.errors import ConfigurationError, StorageError

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    (tmp_path / "lake.yaml").write_text(example_lake())
    return tmp_path


def test_the_packaged_files_are_those_of_the_repository() -> None:
    assert (files("influx_lake.cli") / "dagster.yaml").read_text() == (REPOSITORY / "dagster.yaml").read_text()
    assert example_lake() == (REPOSITORY / "lake.yaml").read_text()


def test_the_folder_has_settings_of_its_own_that_stay(root: Path) -> None:
    lake = load_lake(root / "lake.yaml")
    settings = DagsterDev(lake, 0).home / "dagster.yaml"
    assert settings == root / ".lake" / "dagster" / "dagster.yaml"
    assert settings.read_text() == (REPOSITORY / "dagster.yaml").read_text()
    settings.write_text("telemetry: {enabled: false}\n")
    DagsterDev(lake, 0)
    assert settings.read_text() == "telemetry: {enabled: false}\n"


def test_a_dagster_yaml_beside_the_lake_is_the_one(root: Path) -> None:
    (root / "dagster.yaml").write_text("nux: {enabled: false}\n")
    home = DagsterDev(load_lake(root / "lake.yaml"), 0).home
    assert (home / "dagster.yaml").read_text() == "nux: {enabled: false}\n"


def test_a_dagster_yaml_that_cannot_be_written_leaves_the_one_that_exists(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = load_lake(root / "lake.yaml")
    home = DagsterDev(lake, 0).home
    (root / "dagster.yaml").write_text("nux: {enabled: false}\n")

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(StorageError, match="No space left"):
        DagsterDev(lake, 0)
    assert (home / "dagster.yaml").read_text() == (REPOSITORY / "dagster.yaml").read_text()
    assert [each.name for each in home.iterdir()] == ["dagster.yaml"]


def test_the_users_own_home_is_used_as_it_is(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    assert DagsterDev(load_lake(root / "lake.yaml"), 0).home == tmp_path / "home"
    assert not (root / ".lake").exists()


def test_a_port_that_is_taken(root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigurationError, match="--port"):
        DagsterDev(load_lake(root / "lake.yaml"), taken.getsockname()[1])


def test_a_folder_that_cannot_be_made(root: Path) -> None:
    (root / ".lake").write_text("")
    with pytest.raises(StorageError, match="cannot be made"):
        DagsterDev(load_lake(root / "lake.yaml"), 0)


@pytest.mark.slow
def test_commands_that_start_at_once_open_one_instance(root: Path) -> None:
    lake, ready = load_lake(root / "lake.yaml"), Barrier(4)

    def open_it() -> None:
        ready.wait(30)
        dagster_instance(lake).dispose()

    with ThreadPoolExecutor(4) as threads:
        for opened in [threads.submit(open_it) for _ in range(4)]:
            opened.result(60)
    with dagster_instance(lake) as instance:
        for storage in (instance.run_storage, instance.event_log_storage, instance.schedule_storage):
            found, newest = storage.alembic_version()
            assert found == newest
