"""Exit codes, and how failures are told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from influx_lake.cli.checking import checks
from influx_lake.cli.entry import run

TEN_MISTAKES = """\
sources:
  default: {host: http://127.0.0.1:8181, databse: telemetry}
defaults:
  lag: soon
  on_shrink: panic
  write: {compression: zip, target_file_size: big}
measurements:
  cpu: {partition: {every: dayly}}
  mem: {partition: {timezone: Mars/Base}}
  disk: {owners: [nobody], table: a/b}
nonsense: 1
"""


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "lake.yaml"
    path.write_text(TEN_MISTAKES)
    return path


@pytest.fixture
def defect(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A lake whose check meets an error that nobody foresaw, which holds a secret."""

    def fail(session: checks.Session) -> None:
        assert session.lake.sources["default"].token is not None
        raise ZeroDivisionError(f"with {session.lake.sources['default'].token.reveal()}")

    monkeypatch.setenv("SECRET_TOKEN", "apiv3_very_secret")
    monkeypatch.setattr(checks, "run_checks", fail)
    path = tmp_path / "lake.yaml"
    path.write_text(
        "sources: {default: {host: http://127.0.0.1:1, database: d, token: '${SECRET_TOKEN}'}}\n"
        "measurements: {cpu: {}}\n"
    )
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["replicate"],
        ["replicate", "cpu", "--all"],
        ["replicate", "cpu", "--start", "yesterday"],
        ["replicate", "cpu", "--every", "0s"],
        ["replicate", "cpu", "--every", "5 parsecs"],
        ["status", "--no-such-option"],
        ["sandbox", "--port", "70000"],
        ["check", "-c", "no/such/lake.yaml"],
    ],
)
def test_bad_usage_is_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.strip() or "Usage" in captured.out
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    "arguments", [["replicate", "--json"], ["nonsense", "--json"], ["check", "-c", "no", "--json"]]
)
def test_bad_usage_as_json_is_one_object(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out)["error"]["message"]
    assert captured.err == ""


def test_the_hint_names_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    run(["replicate"])
    assert "influx-lake replicate --help" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "plan", "status", "discover", "ui"])
def test_all_mistakes_of_a_lake_are_reported_with_their_lines(
    command: str, broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "-c", str(broken)]) == 2
    captured = capsys.readouterr().err
    # line 6 holds two, and line 2 lacks the database as well
    assert {line for line in range(2, 12) if f"lake.yaml:{line}: " in captured} == {2, 4, 5, 6, 8, 9, 10, 11}
    assert "did you mean day?" in captured
    assert os.listdir(broken.parent) == ["lake.yaml"]


def test_all_mistakes_of_a_lake_as_json(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "-c", str(broken), "--json"]) == 2
    problems = json.loads(capsys.readouterr().out)["error"]["problems"]
    assert len(problems) >= 10
    assert {"file": str(broken), "line": 4, "path": "defaults.lag"}.items() <= problems[2].items()


def test_a_defect_is_reported_without_traceback_and_without_secret(
    defect: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", "-c", str(defect)]) == 1
    captured = capsys.readouterr().err
    assert "unexpected ZeroDivisionError: with **********" in captured
    assert "--debug" in captured
    assert "Traceback" not in captured


def test_debug_shows_the_traceback_without_the_secret(defect: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--debug", "check", "-c", str(defect)]) == 1
    captured = capsys.readouterr().err
    assert "Traceback" in captured
    assert "apiv3_very_secret" not in captured


def test_a_defect_as_json(defect: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "-c", str(defect), "--json"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["error"]["type"] == "ZeroDivisionError"
    assert "apiv3_very_secret" not in captured.out + captured.err


def test_what_a_library_prints_does_not_spoil_the_json(
    defect: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def chatty(session: checks.Session) -> list[checks.Check]:
        sys.stdout.write("Welcome!\n")
        return []

    monkeypatch.setattr(checks, "run_checks", chatty)
    assert run(["check", "-c", str(defect), "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["ok"] is True
    assert captured.err == "Welcome!\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals(
    number: signal.Signals,
    code: int,
    defect: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    unwound = []

    def interrupted(session: checks.Session) -> None:
        try:
            signal.raise_signal(number)
        finally:
            unwound.append(session)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(checks, "run_checks", interrupted)
    assert run(["check", "-c", str(defect)]) == code
    assert len(unwound) == 1
    assert signal.getsignal(signal.SIGTERM) is before
    assert "Traceback" not in capsys.readouterr().err


def test_help_is_quick_to_come() -> None:
    """What takes seconds to import is imported by the command that needs it."""
    heavy = ["dagster", "pyarrow", "pyiceberg", "pydantic", "influxdb_client_3", "datafusion", "duckdb"]
    program = (
        "import sys\nfrom influx_lake.cli.entry import run\nassert run(['--help']) == 0\n"
        f"loaded = [name for name in {heavy} if name in sys.modules]\nassert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    from influx_lake import __version__

    assert run(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_the_schema_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "lake.yaml"
