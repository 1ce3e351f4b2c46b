"""What `init` refuses, and what it writes for files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from influx_lake.cli.entry import run
from influx_lake.config import load_lake

HOST = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("INFLUXDB3_TOKEN", "INFLUXDB2_TOKEN", "INFLUX_TOKEN", "INFLUXDB1_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "nothing says what the source is. Give --host for a server, or --type line_protocol"),
        (["--type", "influxdb4", "--host", HOST], "'influxdb4' is not one of influxdb3, influxdb2, influxdb1"),
        (["--type", "influxdb2", "--host", HOST, "--database", "a"], "org: is missing"),
        (["--type", "influxdb3", "--host", HOST], "database: is missing"),
        (["--type", "influxdb3", "--host", HOST, "--database", "a", "--org", "o"], "org: unknown option"),
        (["--type", "influxdb1", "--host", HOST, "--database", "plant_*"], "a pattern stands for many"),
        (
            ["--type", "influxdb1", "--host", HOST, "--database", "a", "--username", "u"],
            "INFLUXDB1_PASSWORD is not set",
        ),
        (["--type", "line_protocol", "--database", "a"], "path: is missing"),
        (["--type", "line_protocol", "--database", "a", "--path", "x", "--set", "precision=h"], "'h' is not one of ns"),
        (["--type", "line_protocol", "--database", "a", "--path", "x", "--set", "precision"], "is not NAME=VALUE"),
        (["--type", "line_protocol", "--database", "a", "--path", "x", "--set", "a=[1"], "the value is no YAML"),
        (["--type", "line_protocol", "--database", "a", "--path", "x", "--set", "path.y=z"], "with nothing below it"),
        (["--type", "influxdb3", "--host", HOST, "--database", "a", "--set", "token=abc"], "a secret is written here"),
        (["--type", "landing_zone", "--database", "a", "--path", "x/{measurement}"], "needs dates from the year down"),
        (
            [
                "--type",
                "line_protocol",
                "--database",
                "a",
                "--path",
                "s3://b",
                "--set",
                "storage.s3.secret-access-key=k",
            ],
            "a secret is written here",
        ),
        (["--type", "auto", "--host", "ftp://h", "--database", "a"], "the scheme must be http or https"),
        (["--host", "ftp://h", "--database", "a"], "the scheme must be http or https"),
    ],
)
def test_what_is_missing_or_wrong_is_named(
    options: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", *options]) == 2
    assert said in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_nobody_answers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "--host", HOST, "--database", "a"]) == 1
    assert "cannot be reached" in capsys.readouterr().err
    assert not (folder / "lake.yaml").exists()


def written(capsys: pytest.CaptureFixture[str], *options: str) -> Any:
    """What the command told, and the source of the lake.yaml that it wrote."""
    capsys.readouterr()
    assert run(["init", *options, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_files_of_line_protocol(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "exports").mkdir()
    (folder / "exports" / "a.lp").write_text("cpu,host=a v=1 1767225600\nmem v=2 1767225600\n")
    (folder / "more.lp").write_text("o'brien v=2 1767225600\n")
    paths = ["--path", "exports/*.lp", "--path", str(folder / "more.lp")]
    told = written(capsys, "--type", "line_protocol", "--database", "old", *paths, "--set", "precision=s")
    assert told["measurements"] == ["cpu", "mem", "o'brien"]
    assert told["source"]["path"] == ["exports/*.lp", "more.lp"]
    lake = load_lake(folder / "lake.yaml")
    assert [each.name for each in lake.measurements] == told["measurements"]
    assert run(["replicate", "--all", "--start", "2026-01-01", "--end", "2026-01-02", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 3


def test_folders_by_date(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day = folder / "landed" / "cpu" / "2026" / "01" / "01"
    day.mkdir(parents=True)
    (day / "a.json").write_text(
        '{"name": "cpu", "tags": {"host": "a"}, "fields": {"v": 1.5}, "timestamp": 1767225600}\n'
    )
    path = "landed/{measurement}/{year}/{month}/{day}"
    told = written(capsys, "--type", "landing_zone", "--database", "d", "--path", path, "--set", "tags=[region]")
    assert (told["measurements"], told["source"]["tags"]) == (["cpu"], ["region"])
    assert run(["replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-02", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 1


@pytest.mark.parametrize("before", ["name: north\nsources: {}\n", "name: north\nsources: [\n", "name: [a]\n"])
def test_the_name_of_a_lake_that_is_written_anew_stays(
    before: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.lp").write_text("cpu,host=a v=1 1767225600000000000\n")
    (folder / "lake.yaml").write_text(before)
    written(capsys, "--force", "--type", "line_protocol", "--database", "old", "--path", "a.lp")
    # What is no YAML, or no name, says nothing.
    assert load_lake(folder / "lake.yaml").name == ("north" if "{}" in before else None)


def test_a_first_point_of_1970_is_no_start(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.lp").write_text("cpu v=1 1\ncpu v=2 1767225600000000000\n")
    files = ("init", "--type", "line_protocol", "--database", "old", "--path", "a.lp")
    assert run([*files]) == 2
    assert "Give --start, the first day that is to be loaded" in capsys.readouterr().err
    assert not (folder / "lake.yaml").exists()
    assert run([*files, "--start", "2026-01-01"]) == 0
