"""Commands that fail: the exit code, the message, no token anywhere, and the table as it was."""

from __future__ import annotations

import json
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import LAKE, CliLake
from testbed.waiting import wait_until

DAY = ("--start", "2026-01-01", "--end", "2026-01-02")
SUBJECT = "measurement cpu, window 2026-01-01T00:00:00Z/2026-01-02T00:00:00Z: "


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    """A lake with one day of cpu loaded."""
    with Sandbox() as box:
        lake = CliLake(tmp_path, box, capsys)
        lake.write_config()
        lake.fill("cpu", range(3), points=500)
        lake.fill("mem", range(1))
        assert lake.tell("replicate", "cpu", *DAY).code == 0
        yield lake


def fails(lake: CliLake, *words: str, kind: str) -> None:
    """Loading the day again fails with these words, as text and as JSON, and leaves the table as it was."""
    before = lake.metadata()
    result = lake.tell("replicate", "cpu", *DAY)
    assert result.code == 1
    assert result.out == ""
    for word in (SUBJECT, *words):
        assert word in result.err
    result = lake.tell("replicate", "cpu", *DAY, "--json")
    assert result.code == 1
    error = result.object["error"]
    assert (error["type"], error["measurement"], error["window"]) == (kind, "cpu", SUBJECT.split()[3].rstrip(":"))
    assert error["remedy"]
    assert result.object["windows"] == []
    assert lake.metadata() == before


def test_a_wrong_token(lake: CliLake) -> None:
    lake.write_token("apiv3_this_is_not_the_token")
    fails(lake, "did not accept the token", "Correct the source's `token`", kind="AuthenticationFailed")
    result = lake.tell("check")
    assert result.code == 1
    assert "✗ source default: " in result.out
    assert "✓ permission to commit (telemetry): committed a row to it" in result.out
    lake.write_token(str(lake.box.token))
    assert lake.tell("check").code == 0


def test_no_token_where_the_lake_looks_for_it(lake: CliLake) -> None:
    (lake.folder / "token").write_text(" ")
    result = lake.tell("replicate", "cpu", *DAY)
    assert result.code == 2
    assert "token is empty" in result.err


def test_the_measurement_is_gone(lake: CliLake) -> None:
    lake.box.store.drop_table("telemetry", "cpu")
    fails(lake, "there is no measurement 'cpu'", kind="MeasurementNotFound")
    result = lake.tell("check")
    assert result.code == 1
    assert "✗ measurement cpu: is not in the database telemetry" in result.out
    assert "✓ measurement mem" in result.out


def test_the_database_is_gone(lake: CliLake) -> None:
    lake.box.store.drop_database("telemetry")
    fails(lake, "database", kind="DatabaseNotFound")
    assert lake.tell("check").code == 1


def test_the_server_is_down(lake: CliLake) -> None:
    lake.box.stop()
    fails(lake, "cannot be reached", kind="SourceUnavailable")


def test_the_stream_breaks(lake: CliLake) -> None:
    lake.box.faults.fail_after_rows = 10
    files = lake.data_files()
    fails(lake, "broke off", kind="StreamBroken")
    assert lake.data_files() == files


def test_a_stream_that_breaks_once_is_begun_again(lake: CliLake) -> None:
    lake.box.faults.update(fail_after_rows=100, fail_times=1)
    result = lake.tell("replicate", "cpu", *DAY)
    assert result.code == 0
    assert "500 rows (as before)" in result.out


def test_the_source_forgot_rows(lake: CliLake) -> None:
    lake.box.faults.hidden_before = 1_767_225_600 * 10**9 + 12 * 3600 * 10**9
    fails(lake, "would lose 250", "on_shrink", kind="WindowShrank")


def test_the_catalog_is_down(lake: CliLake) -> None:
    lake.write_config(catalog="{type: rest, uri: 'http://127.0.0.1:1', token: catalog-secret-token}")
    for command in (["replicate", "cpu", *DAY], ["replicate", "cpu"], ["plan"], ["status"]):
        result = lake.tell(*command)
        assert result.code == 1
        assert "catalog" in result.err
        assert "catalog-secret-token" not in result.out + result.err
    result = lake.tell("check")
    assert result.code == 1
    assert "✗ catalog lake: " in result.out
    assert "✓ measurement cpu" in result.out


def test_the_warehouse_is_a_file(lake: CliLake) -> None:
    (lake.folder / "file").write_text("")
    lake.write_config(catalog="{type: sql, uri: 'sqlite:///./catalog.db', warehouse: ./file}")
    result = lake.tell("check")
    assert result.code == 1
    assert "✗ permission to write files" in result.out
    assert lake.catalog.list_namespaces() == [("telemetry",)]


def test_the_first_failure_ends_it_unless_configured_otherwise(lake: CliLake) -> None:
    lake.write_config(LAKE.replace("cpu: {{}}", "gone: {{}}\n  cpu: {{}}"))
    range_ = ("--start", "2026-01-01", "--end", "2026-01-03")
    result = lake.tell("replicate", "gone", "cpu", *range_)
    assert (result.code, result.out) == (1, "")
    assert "0 windows loaded, 1 failed, 3 not tried." in result.err
    result = lake.tell("replicate", "gone", "cpu", *range_, "--keep-going", "--json")
    assert result.code == 1
    assert [len(each["windows"]) for each in result.object["measurements"]] == [0, 2]
    assert [each["window"][:10] for each in result.object["failures"]] == ["2026-01-01", "2026-01-02"]
    assert lake.rows() == 1000


@pytest.mark.slow
@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, *(pytest.param(each, marks=pytest.mark.slow) for each in (signal.SIGTERM, signal.SIGINT))],
)
def test_killed_while_it_writes(lake: CliLake, number: signal.Signals) -> None:
    """The table is as it was, and doing it again repairs it."""
    lake.fill_much("cpu", 0, points=400_000)
    before, files = lake.metadata(), lake.data_files()
    lake.box.faults.batch_delay = 0.1
    process = lake.start("replicate", "cpu", *DAY)
    wait_until(lambda: lake.data_files() - files or process.poll() is not None, "a file that is being written")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    assert "Traceback" not in err
    assert str(lake.box.token) not in out + err
    assert (lake.metadata(), lake.rows()) == (before, 500)
    if number is not signal.SIGKILL:
        assert lake.data_files() == files
    lake.box.faults.batch_delay = 0
    result = lake.tell("replicate", "cpu", *DAY, "--json").object
    assert (result["rows"], result["windows"][0]["previous_rows"], lake.rows()) == (400_500, 500, 400_500)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "form"),
    [
        (signal.SIGINT, ()),
        *(
            pytest.param(number, form, marks=pytest.mark.slow)
            for number, form in ((signal.SIGTERM, ()), (signal.SIGINT, ("--json",)), (signal.SIGTERM, ("--json",)))
        ),
    ],
)
def test_a_stopped_load_says_what_is_done_and_how_to_go_on(
    lake: CliLake, number: signal.Signals, form: tuple[str, ...]
) -> None:
    lake.fill_much("cpu", 1, points=400_000)
    files = lake.data_files()
    lake.box.faults.batch_delay = 0.1
    process = lake.start("replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-04", *form)
    # The first day is there, and a file of the second is being written.
    wait_until(lambda: len(lake.data_files() - files) > 1 or process.poll() is not None, "a file of the second day")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 128 + number
    assert "Stopped: 1 window of 3 loaded, 2 left." in err
    assert "cpu: 1 window loaded, 2026-01-01T00:00:00Z/2026-01-02T00:00:00Z" in err
    command = next(line for line in err.splitlines() if line.startswith("  influx-lake replicate"))
    assert "telemetry.cpu --start 2026-01-02T00:00:00Z --end 2026-01-04T00:00:00Z" in command
    if form:
        document = json.loads(out)
        assert document["stopped"]
        assert [len(each["windows"]) for each in document["left"]] == [2]
    lake.box.faults.batch_delay = 0
    assert lake.tell(*shlex.split(command)[1:-2]).code == 0
    assert lake.tell("verify", "cpu", "--start", "2026-01-01", "--end", "2026-01-04").code == 0


def test_a_range_before_the_first_partition_is_reported(lake: CliLake) -> None:
    early = ("--start", "2025-06-01", "--end", "2025-06-03")
    for command in ("replicate", "plan", "verify"):
        result = lake.tell(command, "cpu", *early)
        assert result.code == 2, command
        assert "the range lies before the first partition: cpu begins at 2026-01-01T00:00:00Z" in result.err
    result = lake.tell("replicate", "cpu", "--start", "2025-12-31", "--end", "2026-01-02")
    assert result.code == 0
    assert "The time before the first partition is left out: cpu begins at 2026-01-01T00:00:00Z" in result.err
    assert "1 window, " in result.out
    assert lake.tell("replicate", "cpu", *early, "--every", "1d").code == 0
