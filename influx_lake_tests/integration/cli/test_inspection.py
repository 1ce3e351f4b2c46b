"""`schema` and `preview`: what a measurement becomes in its table, before there is one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import FIRST_DAY_NS, CliLake

LAKE = """\
sources:
  default: {{host: {host}, database: telemetry, token: "${{file:token}}", retry: {{budget: 1s}}}}
catalog: {{type: rest, uri: "http://127.0.0.1:1"}}
measurements:
  cpu:
    tags: {{exclude: [serial]}}
    duplicates: keep
    fields: {{exclude: [steal]}}
    rename: {{host: hostname, time: timestamp}}
    map: {{region: {{eu: Europe}}}}
    types: {{text: long, version: double}}
    on_cast_error: quarantine
    constants: {{version: "1.5"}}
    metadata_columns: [loaded_at]
    computed: {{used: "round(100 - idle, 1)"}}
    where: hostname <> 'test'
  plain: {{}}
"""


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        lake = CliLake(tmp_path, box, capsys)
        # No catalog answers: neither command asks it.
        lake.write_config(LAKE)
        lines = [
            f'cpu,host={host},region=eu,serial=s{number} idle={number}.25,steal=1,text="{text}" {FIRST_DAY_NS + time}'
            for number, (host, text, time) in enumerate([("a", "7", 0), ("test", "8", 1000), ("b", "no", 3600 * 10**9)])
        ]
        lines += [f"plain,t=x big={number}u {FIRST_DAY_NS + number}" for number in range(3)]
        box.write("telemetry", "\n".join(lines))
        yield lake


def test_the_columns_of_a_source_beside_those_of_its_table(lake: CliLake) -> None:
    result = lake.tell("schema", "cpu", "--json")
    assert result.code == 0, result.err
    assert result.object["table"] == "telemetry.cpu"
    assert result.object["rows"] == [
        "only rows where hostname <> 'test'",
        "only points that have one of the fields",
        "points that only a tag told apart that is left out are rows of the same time and tags",
    ]
    found = {
        (tuple(each["name"] for each in line["source"]), line["column"]): (
            line["transform"],
            line["type"],
            line["notes"],
        )
        for line in result.object["columns"]
    }
    assert found == {
        (("time",), "timestamp"): ("renamed", "timestamptz", ["time"]),
        (("host",), "hostname"): ("renamed", "string", ["tag"]),
        (("region",), "region"): ("mapped: eu → Europe", "string", ["tag"]),
        (("idle",), "idle"): (None, "double", []),
        (("text",), "text"): ("cast to long", "long", ["rows that cannot be cast go to the quarantine"]),
        ((), "loaded_at"): ("When the row was loaded", "timestamptz", ["changes from load to load, not compared"]),
        ((), "version"): (
            "constant '1.5', cast to double",
            "double",
            ["rows that cannot be cast go to the quarantine"],
        ),
        (("idle",), "used"): ("round(100 - idle, 1)", "double", []),
        (("serial",), None): (None, None, ["left out by `tags`"]),
        (("steal",), None): (None, None, ["left out by `fields`"]),
    }
    shown = lake.tell("schema", "cpu").out
    assert "cpu of default → telemetry.cpu" in shown
    assert "mapped: eu → Europe" in shown


def test_rows_as_their_table_would_have_them(lake: CliLake) -> None:
    result = lake.tell("preview", "cpu", "--window", "2026-01-01", "--json")
    assert result.code == 0, result.err
    [row] = result.object["rows"]
    assert row.pop("loaded_at") is not None
    assert row == {
        "timestamp": "2026-01-01T00:00:00+00:00",
        "hostname": "a",
        "region": "Europe",
        "idle": 0.25,
        "text": 7,
        "version": 1.5,
        "used": 99.8,
    }
    assert result.object["quarantined_rows"] == 1
    assert result.object["read"] == "2026-01-01T00:00:00Z/2026-01-02T00:00:00Z"
    shown = lake.tell("preview", "cpu", "--window", "2026-01-01").out
    assert "hostname" in shown
    assert "1 row, 1 more would go to the quarantine" in shown
    assert not (lake.folder / "warehouse").exists()


def test_a_long_table_is_shown_with_what_its_rows_are_made_of(lake: CliLake) -> None:
    lake.write_config(LAKE.replace("    on_cast_error: quarantine\n", "").replace("  plain: {{}}", "    layout: long"))
    result = lake.tell("schema", "cpu", "--json").object
    found = {line["column"]: (line["transform"], line["type"]) for line in result["columns"] if line["column"]}
    assert found["tags"] == ("The tags that the point has, and their values", "map<string, string>")
    assert found["metric_name"] == ("The field", "string")
    assert {line["column"]: line["transform"] for line in result["wide"]}["used"] == "round(100 - idle, 1)"
    shown = lake.tell("preview", "cpu", "--window", "2026-01-01", "--rows", "1").out
    assert "hostname=a, region=Europe" in shown


def test_no_more_is_read_than_is_shown(lake: CliLake) -> None:
    result = lake.tell("preview", "cpu", "--window", "2026-01-01T05:00Z", "--rows", "1", "--json")
    assert result.object["read"] == "2026-01-01T00:00:00Z/2026-01-01T00:05:37.500000Z"
    assert [row["hostname"] for row in result.object["rows"]] == ["a"]


def test_times_finer_than_a_microsecond_are_shown(lake: CliLake) -> None:
    result = lake.tell("preview", "plain", "--window", "2026-01-01", "--json")
    assert [(row["big"], row["time_ns"]) for row in result.object["rows"]] == [
        (str(number), FIRST_DAY_NS + number) for number in range(3)
    ]
    assert {"name": "big", "type": "decimal(20, 0)"} in result.object["columns"]


def test_a_window_without_rows_says_so(lake: CliLake) -> None:
    result = lake.tell("preview", "cpu", "--window", "2026-03-01")
    assert result.code == 0
    assert "The source has no rows of this window: name another with --window." in result.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["preview", "cpu", "--window", "yesterday"], "--window 'yesterday' is no date or time"),
        (["preview", "disk"], "has no measurement disk"),
        (["schema", "disk"], "has no measurement disk"),
    ],
)
def test_mistakes_are_reported(lake: CliLake, arguments: list[str], said: str) -> None:
    result = lake.tell(*arguments)
    assert result.code == 2
    assert said in result.err


def test_an_expression_that_cannot_be_computed_is_reported(lake: CliLake) -> None:
    lake.write_config(LAKE.replace("100 - idle", "100 - busy"))
    for command in ("schema", "preview"):
        result = lake.tell(command, "cpu")
        assert result.code == 2
        assert "names busy" in result.err
