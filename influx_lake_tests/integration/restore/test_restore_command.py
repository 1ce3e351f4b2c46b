"""`influx-lake restore`: from the lake into another database of the sandbox, and into files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import DAY_NS, FIRST_DAY_NS, CliLake

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
    told = lake.tell("restore", "cpu", "--to", "spare")
    assert told.code == 0, told.err
    assert "4 points" in told.out
    assert "Read back: equal value by value, 2 windows." in told.out
    found = lake.tell("restore", "cpu", "--to", "spare", "--json").object
    assert (found["points"], found["refused"], found["equal"], found["complete"]) == (4, 0, True, True)
    assert not list((lake.folder / ".lake/restore").glob("*"))


def test_files(lake: CliLake) -> None:
    write_mixed(lake)
    loaded(lake)
    for packing, ending in (("gzip", ".lp.gz"), ("zstd", ".lp.zst"), ("none", ".lp")):
        folder = lake.folder / f"exports-{packing}"
        told = lake.tell("restore", "cpu", "--to", f"{folder}/", "--compression", packing)
        assert told.code == 0, told.out + told.err
        assert sorted(path.name for path in folder.iterdir()) == [
            f"cpu_20260101T000000Z_20260102T000000Z{ending}",
            f"cpu_20260102T000000Z_20260103T000000Z{ending}",
        ]
        assert "equal value by value" in told.out
    assert (
        json.loads(lake.tell("restore", "cpu", "--to", f"{lake.folder}/x/", "--json", "--dry-run").out)["points"] == 4
    )
    assert not (lake.folder / "x").exists()
