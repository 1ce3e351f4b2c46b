"""`influx-lake certify`, on a lake that was proved and then changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyiceberg.expressions import EqualTo

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import DAY_NS, FIRST_DAY_NS, CliLake

RANGE = ("--end", "2026-01-05")


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        lake = CliLake(tmp_path, box, capsys)
        lake.write_config()
        lake.fill("cpu", range(4))
        lake.fill("mem", range(1), points=10)
        lake.tell("replicate", "--all", *RANGE)
        lake.tell("verify", "cpu", "--values", *RANGE)
        yield lake


def test_what_is_proved_and_what_is_not_as_json_and_as_a_page(lake: CliLake) -> None:
    out = lake.folder / "report.json"
    result = lake.tell("certify", "--out", str(out), *RANGE, "--check", "--json")
    assert result.code == 0
    document = json.loads(out.read_text())
    assert result.object == document
    assert document["schema"] == "influx-lake-certificate-1"
    assert (document["windows"], document["windows_proved"]) == (8, 4)
    cpu, mem = document["measurements"]
    [proof] = cpu["proved"]
    assert (proof["start"], proof["end"], proof["rows"]) == ("2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z", 400)
    assert (proof["snapshot"], proof["snapshot_exists"]) == (cpu["current_snapshot"], True)
    assert proof["check"]["holds"]
    assert proof["check"]["digest"] == proof["digest"]
    assert datetime.fromisoformat(proof["proved_at"]) <= datetime.now(UTC)
    [rest] = mem["unproved"]
    assert (rest["windows"], rest["was_proved"]) == (4, False)
    page = lake.folder / "report.html"
    assert lake.tell("certify", "-m", "cpu", "--out", str(page), *RANGE).code == 0
    assert proof["digest"] in page.read_text()
    assert "<script" not in page.read_text()


def test_windows_that_changed_are_reported_with_the_reason(lake: CliLake) -> None:
    lake.box.write("telemetry", f"cpu,host=late value=1i {FIRST_DAY_NS + DAY_NS + 1}")
    lake.tell("replicate", "cpu", "--start", "2026-01-02", "--end", "2026-01-03")
    [cpu] = lake.tell("certify", "-m", "cpu", *RANGE, "--json").object["measurements"]
    [stale] = cpu["unproved"]
    assert (cpu["windows_proved"], stale["windows"], stale["was_proved"]) == (3, 1, True)
    assert stale["why"].startswith("loaded again at ")
    [proof] = cpu["proved"]
    assert proof["changed_since"] == [{"start": "2026-01-02T00:00:00Z", "end": "2026-01-03T00:00:00Z"}]


def test_a_check_finds_rows_that_are_gone_though_nothing_says_so(lake: CliLake) -> None:
    table = lake.catalog.load_table(("telemetry", "cpu"))
    table.delete(EqualTo("value", 3))
    changed = lake.catalog.load_table(("telemetry", "cpu"))
    # As if the record were of the snapshot that others made.
    head, text = str(changed.metadata.current_snapshot_id), changed.properties["influx-lake.proved"]
    told = json.loads(text)
    told[""]["as_of"] = told[""]["ranges"][0]["snapshot"] = head
    with changed.transaction() as change:
        change.set_properties({"influx-lake.proved": json.dumps(told)})
    assert lake.tell("certify", "-m", "cpu", *RANGE).code == 0
    found = lake.tell("certify", "-m", "cpu", *RANGE, "--check")
    assert found.code == 1
    assert "the lake has other rows than were proved" in found.out


def test_a_list_of_no_known_kind_is_refused(lake: CliLake) -> None:
    assert lake.tell("certify", "--out", str(lake.folder / "report.pdf")).code == 2
