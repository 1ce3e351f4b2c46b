"""A measurement that shares its table is proved and deleted at its source alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from influx_lake.cli.entry import run
from influx_lake.config import load_lake
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.proofs.offloaded import offloaded_from
from influx_lake.iceberg.scan.reader import open_table
from influx_lake_tests.integration.cli_lake import SQLITE
from influx_lake_tests.integration.offload.test_offload_servers import lines
from testbed.influxdb_servers import influxdb1

pytestmark = pytest.mark.servers
RANGE = ("--end", "2026-01-05")
LAKE = """\
sources:
  default: {source}
catalog: {catalog}
defaults: {{namespace: telemetry, offload: {{after: 90d}}, metadata_columns: [measurement]}}
measurements: {{cpu: {{table: all}}, mem: {{table: all}}}}
"""


def test_its_neighbours_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with influxdb1(tmp_path / "server") as server:
        config = tmp_path / "lake.yaml"
        text = LAKE.format(source=json.dumps(dict(server.options)), catalog=SQLITE)
        config.write_text(text)
        server.write("\n".join(lines(name, range(4)) for name in ("cpu", "mem")))

        def tell(*arguments: str) -> tuple[int, Any]:
            capsys.readouterr()
            code = run([*arguments, "-c", str(config), "--json"])
            return code, json.loads(capsys.readouterr().out)

        assert tell("replicate", "--all", *RANGE)[0] == 0
        assert tell("verify", "cpu", "--values", *RANGE)[0] == 0
        code, told = tell("offload", "run", "--yes")
        cpu, mem = told["measurements"]
        assert (code, [each["outcome"] for each in cpu["results"]], mem["windows"]) == (0, ["deleted"] * 4, [])
        assert tell("replicate", "cpu", "--start", "2026-01-01", *RANGE)[0] in (0, 1)
        assert tell("verify", "mem", "--values", *RANGE)[0] == 0
        lake = load_lake(config)
        catalog = open_catalog("lake", lake.catalog.properties())
        of_cpu, of_mem = (open_table(catalog, each.identifier, each.share) for each in lake.measurements)
        assert (len(offloaded_from(of_cpu)), len(offloaded_from(of_mem))) == (1, 0)
        assert of_cpu.scan().to_arrow().num_rows == 48
