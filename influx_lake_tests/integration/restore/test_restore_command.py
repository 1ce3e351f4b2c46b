"""`influx-lake restore`: from the lake into another database of the sandbox, and into files."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import DAY_NS, FIRST_DAY_NS, CliLake
from testbed.waiting import wait_until

LAKE = """\
sources:
  default: {{host: {host}, database: telemetry, token: "${{file:token}}", retry: {{budget: 1s}}}}
  spare: {{host: {host}, database: spare, token: "${{file:token}}", retry: {{budget: 5s, first_wait: 10ms}}}}
catalog: {catalog}
defaults: {{partition: {{start: 2026-01-01}}}}
measurements:
  cpu: {{}}
  mem: {{}}
"""

MIXED = (
    'cpu,host=a\\ b,re\\=gion=e\\,u f=0.1,i=-9007199254740993i,u=18446744073709551615u,b=true,s="a \\"b\\" \\\\ c" {0}',
    "cpu,host=h2 f=-0.0,tiny=5e-324 {1}",
    "cpu b=false,big=1e21 {2}",
    'cpu,host=h3 s="two\nlines",other=1 {3}',
)


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        found = CliLake(tmp_path, box, capsys)
        found.write_config(LAKE)
        yield found


def write_mixed(lake: CliLake) -> None:
    times = [FIRST_DAY_NS + 1, FIRST_DAY_NS + 1_000_000_007, FIRST_DAY_NS + DAY_NS, FIRST_DAY_NS + 2 * DAY_NS - 1]
    lake.box.write("telemetry", "\n".join(MIXED).format(*times))


def loaded(lake: CliLake, days: int = 2) -> None:
    end = f"2026-01-{days + 1:02}"
    assert lake.tell("replicate", "cpu", "--start", "2026-01-01", "--end", end).code == 0


def test_points_of_every_type_come_back(lake: CliLake) -> None:
    write_mixed(lake)
    loaded(lake)
    result = lake.tell("restore", "cpu", "--to", "spare")
    assert result.code == 0, result.err
    assert "4 points" in result.out
    assert "Read back: equal value by value, 2 windows." in result.out
    found = lake.tell("restore", "cpu", "--to", "spare", "--json").object
    assert (found["points"], found["refused"], found["equal"], found["complete"]) == (4, 0, True, True)
    assert not list((lake.folder / ".lake/restore").glob("*"))


def test_files(lake: CliLake) -> None:
    write_mixed(lake)
    loaded(lake)
    for packing, ending in (("gzip", ".lp.gz"), ("zstd", ".lp.zst"), ("none", ".lp")):
        folder = lake.folder / f"exports-{packing}"
        result = lake.tell("restore", "cpu", "--to", f"{folder}/", "--compression", packing)
        assert result.code == 0, result.out + result.err
        assert sorted(path.name for path in folder.iterdir()) == [
            f"cpu_20260101T000000Z_20260102T000000Z{ending}",
            f"cpu_20260102T000000Z_20260103T000000Z{ending}",
        ]
        assert "equal value by value" in result.out
    assert (
        json.loads(lake.tell("restore", "cpu", "--to", f"{lake.folder}/x/", "--json", "--dry-run").out)["points"] == 4
    )
    assert not (lake.folder / "x").exists()


def test_what_differs_is_found(lake: CliLake) -> None:
    write_mixed(lake)
    loaded(lake)
    assert lake.tell("restore", "cpu", "--to", "spare").code == 0
    # A point that the lake does not have, in the second of the two windows.
    lake.box.write("spare", f"cpu,host=h2 f=1.5 {FIRST_DAY_NS + DAY_NS + 5}")
    result = lake.tell("restore", "cpu", "--to", "spare")
    assert result.code == 1
    assert (
        "2026-01-02T00:00:00Z/2026-01-03T00:00:00Z: the field 'f' (double) has 0 values in the lake and 1" in result.out
    )
    assert "Read back: 1 of 2 windows differ." in result.out


def test_dead_letters_are_the_points_that_were_refused(lake: CliLake) -> None:
    lake.fill("cpu", range(2), points=500)
    lake.box.write("telemetry", f'cpu,host=h1 other="x" {FIRST_DAY_NS + 11}\ncpu,host=h2 f=1.0 {FIRST_DAY_NS + 12}')
    loaded(lake)
    # There the field is a text, so that no number of it is taken.
    lake.box.write("spare", f"cpu,host=h1 other=1i {FIRST_DAY_NS - 1}")
    result = lake.tell("restore", "cpu", "--to", "spare", "--json")
    assert result.code == 1
    found = result.object
    assert (found["points"], found["refused"], found["equal"]) == (1001, 1, True)
    letters = Path(found["dead_letters"]).read_text().splitlines()
    assert letters[0].startswith("# invalid column type for column 'other'")
    assert letters[1:] == [f'cpu,host=h1 other="x" {FIRST_DAY_NS + 11}']


def test_the_very_measurement_that_the_lake_is_loaded_from(lake: CliLake) -> None:
    write_mixed(lake)
    loaded(lake)
    result = lake.tell("restore", "cpu", "--to", "default")
    assert result.code == 1
    assert "the lake is loaded from this very measurement, and 2 of 2 windows hold points there" in result.err
    assert "--as NAME" in result.err
    assert lake.tell("restore", "cpu", "--to", "default", "--as", "cpu_back").code == 0
    assert lake.tell("restore", "cpu", "--to", "default", "--into-source").code == 0
    assert lake.tell("replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-03").code == 0


def test_a_budget_and_the_rest(lake: CliLake) -> None:
    lake.fill("cpu", range(3), points=100)
    loaded(lake, 3)
    first = lake.tell("restore", "cpu", "--to", "spare", "--max-points", "130", "--json").object
    assert (first["points"], first["complete"], first["equal"]) == (130, False, None)
    # What the lake gets meanwhile is no part of it: the restore goes on with the snapshot that it began with.
    lake.fill("cpu", range(3), points=300)
    loaded(lake, 3)
    rest = lake.tell("restore", "cpu", "--to", "spare", "--json").object
    assert (rest["points"], rest["complete"], rest["resumed"], rest["equal"]) == (170, True, True, True)
    anew = lake.tell("restore", "cpu", "--to", "spare", "--json").object
    assert (anew["resumed"], anew["equal"]) == (False, True)
    assert anew["points"] > 300


@pytest.mark.slow
def test_a_tag_a_snapshot_and_a_range(lake: CliLake) -> None:
    lake.fill("cpu", range(2), points=10)
    loaded(lake)
    assert lake.tell("tag", "cpu", "before").code == 0
    lake.fill("cpu", range(2), points=30)
    loaded(lake)
    counts = [
        lake.tell("restore", "cpu", "--to", "spare", "--as", f"m{number}", "--json", *arguments).object["points"]
        for number, arguments in enumerate(
            (
                ("--tag", "before"),
                ("--snapshot", "before", "--start", "2026-01-02"),
                ("--tag", "before", "--start", "2026-01-01T12:00", "--end", "2026-01-02"),
            )
        )
    ]
    assert counts == [20, 10, 5]
    assert lake.tell("restore", "cpu", "--to", "spare", "--tag", "nothing").code == 2
    result = lake.tell("restore", "cpu", "--to", "spare", "--start", "2027-01-01")
    assert result.code == 1
    assert "holds no window of cpu in this range" in result.err


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("spar", "has no source spar"),
        ("s3://bucket/exports/", "files are written into a folder of this machine"),
    ],
)
def test_no_such_target(lake: CliLake, to: str, said: str) -> None:
    result = lake.tell("restore", "cpu", "--to", to)
    assert (result.code, said in result.err) == (2, True)


@pytest.mark.slow
def test_files_of_a_restore_that_was_killed(lake: CliLake) -> None:
    lake.fill("cpu", range(6), points=2_000)
    loaded(lake, 6)
    folder = lake.folder / "exports"
    arguments = ("restore", "cpu", "--to", f"{folder}/", "--batch-size", "2KB")
    # So slow that it is not done when it is killed.
    process = lake.start(*arguments, "--rate", "4000")
    wait_until(lambda: len([*folder.glob("*.gz")]) >= 2, "the first files are there")
    process.kill()
    process.communicate()
    there = {path: path.stat().st_mtime_ns for path in folder.glob("*.gz")}
    # One of those that are there is gone.
    min(there).unlink()
    found = lake.tell(*arguments, "--json").object
    assert (found["equal"], found["resumed"]) == (True, True)
    kept = [path for path in there if path.exists() and path.stat().st_mtime_ns == there[path]]
    assert found["points"] == 12_000 - 2_000 * len(kept)
    assert len(kept) == len(there) - 1 >= 1
    assert len([*folder.iterdir()]) == 6


def test_the_source_by_another_name_of_its_machine(lake: CliLake) -> None:
    write_mixed(lake)
    lake.write_config(LAKE.replace("database: spare", "database: telemetry").replace("{host}", "{host}", 1))
    loaded(lake)
    text = lake.config.read_text()
    first, _, second = text.partition("spare:")
    lake.config.write_text(f"{first}spare:{second.replace('127.0.0.1', 'localhost', 1)}")
    result = lake.tell("restore", "cpu", "--to", "spare")
    assert result.code == 1
    assert "the lake is loaded from this very measurement" in result.err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_person(lake: CliLake, number: signal.Signals) -> None:
    lake.fill("cpu", range(2), points=2_000)
    loaded(lake)
    arguments = ("restore", "cpu", "--to", "spare")
    lake.box.write("spare", f"other f=1 {FIRST_DAY_NS}")
    process = lake.start(*arguments, "--batch-size", "2KB", "--rate", "2000")
    wait_until(lambda: "cpu" in lake.box.tables("spare"), "the first points are there")
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "The same command goes on with the rest." in err
    found = lake.tell(*arguments, "--json").object
    assert (found["resumed"], found["equal"]) == (True, True)
    assert 0 < found["points"] < 4_000
