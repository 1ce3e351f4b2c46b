"""The sandbox's token and port."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from influx_lake.cli.sandboxes import is_listening, running_sandbox, sandbox_of, token_file
from influx_lake.config import load_lake
from influx_lake.errors import ConfigurationError, StorageError


def test_the_token_is_the_owners_alone_and_stays(tmp_path: Path) -> None:
    with running_sandbox(tmp_path / "box") as box:
        first = box.token
    path = token_file(tmp_path / "box")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().strip() == first
    with running_sandbox(tmp_path / "box") as again:
        assert again.token == first


def test_an_empty_token_file_gets_a_token(tmp_path: Path) -> None:
    token_file(tmp_path).write_text("")
    with running_sandbox(tmp_path, in_memory=True) as box:
        assert box.token == token_file(tmp_path).read_text().strip() != ""


def test_data_stay_unless_they_are_in_memory(tmp_path: Path) -> None:
    with running_sandbox(tmp_path) as box:
        box.write("telemetry", "cpu value=1 1")
    with running_sandbox(tmp_path) as box:
        assert box.row_count("telemetry", "cpu") == 1
    with running_sandbox(tmp_path, in_memory=True) as box:
        assert box.store.database_names() == []


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{port}.*--port"):
            running_sandbox(tmp_path, port=port).__enter__()


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="token"):
        running_sandbox(tmp_path / "file" / "box").__enter__()


def lake(folder: Path, host: str) -> Path:
    path = folder / "lake.yaml"
    path.write_text(f"sources: {{default: {{host: '{host}', database: telemetry}}}}\nmeasurements: {{cpu: {{}}}}\n")
    return path


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.mark.parametrize("host", ["127.0.0.1", "http://localhost"])
def test_a_lakes_own_sandbox_is_started_where_its_source_looks_for_it(tmp_path: Path, port: int, host: str) -> None:
    with running_sandbox(tmp_path / ".lake" / "sandbox") as box:
        box.write("telemetry", "cpu value=1 1")
    with sandbox_of(load_lake(lake(tmp_path, f"{host}:{port}"))) as started:
        assert started is not None
        assert started.port == port
        assert is_listening("127.0.0.1", port)
    assert not is_listening("127.0.0.1", port)


def test_no_sandbox_without_its_data(tmp_path: Path, port: int) -> None:
    with sandbox_of(load_lake(lake(tmp_path, f"127.0.0.1:{port}"))) as started:
        assert started is None
    assert os.listdir(tmp_path) == ["lake.yaml"]


def test_no_sandbox_for_a_server_elsewhere_or_one_that_runs(tmp_path: Path) -> None:
    folder = tmp_path / ".lake" / "sandbox"
    with running_sandbox(folder) as box, sandbox_of(load_lake(lake(tmp_path, box.url))) as started:
        assert started is None
    with sandbox_of(load_lake(lake(tmp_path, "https://influx.example.com"))) as started:
        assert started is None
