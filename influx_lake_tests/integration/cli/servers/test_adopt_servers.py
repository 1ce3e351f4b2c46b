"""`influx-lake adopt` on tables whose points are in real servers of InfluxDB 1 and 2."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from influx_lake.cli.entry import run
from influx_lake_tests.integration.plugin_tables import append, as_in_core_3_6
from testbed.influxdb_servers import DATABASE, ORG, TOKEN, Server, influxdb1, influxdb2
from testbed.local_catalog import local_catalog

pytestmark = pytest.mark.servers

START_NS = 1_767_225_600 * 10**9  # 2026-01-01
DAY_NS = 86_400 * 10**9
ABSENT = {"host": "", "usage": 0.0, "cores": 0, "state": ""}
ROWS: list[list[dict[str, Any]]] = [
    [
        {"time": START_NS + day * DAY_NS, "host": "a", "usage": 1.5, "state": "ok"},
        {"time": START_NS + day * DAY_NS + 1001, "host": "a", "cores": 2},
        {"time": START_NS + day * DAY_NS + 1000, "usage": 3.0},
    ]
    for day in range(3)
]
POINTS = "\n".join(
    f'cpu,host=a usage=1.5,state="ok" {one["time"]}\ncpu,host=a cores=2i {other["time"]}\ncpu usage=3 {third["time"]}'
    for one, other, third in ROWS
)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Server, str]]]:
    with (
        influxdb1(tmp_path_factory.mktemp("v1"), "1.8") as v1,
        influxdb2(tmp_path_factory.mktemp("v2")) as v2,
    ):
        v1.write(POINTS)
        v2.write(POINTS)
        of_v2 = f"type: influxdb2, host: '{v2.url}', org: {ORG}, bucket: {DATABASE}, token: '${{file:token}}'"
        yield {
            "v1": (v1, f"type: influxdb1, host: '{v1.url}', database: {DATABASE}"),
            "v2": (v2, of_v2),
            "v2 by Flux": (v2, f"{of_v2}, query_language: flux"),
        }


@pytest.mark.parametrize("name", ["v1", "v2", "v2 by Flux"])
def test_a_table_of_the_plugin(
    name: str,
    servers: dict[str, tuple[Server, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("token").write_text(TOKEN)
    _, source = servers[name]
    Path("lake.yaml").write_text(
        f"""\
sources: {{default: {{{source}}}}}
catalog: {{type: sql, uri: 'sqlite:///./catalog.db', warehouse: ./warehouse}}
defaults: {{namespace: default, time_type: timestamp, partition: {{every: day, start: 2026-01-01}}}}
measurements: {{cpu: {{}}}}
"""
    )
    catalog = local_catalog(tmp_path)
    for rows in (ROWS[0], ROWS[0], ROWS[1]):
        append(catalog, "default.cpu", as_in_core_3_6(rows, ABSENT))

    def adopt(*arguments: str) -> tuple[int, dict[str, Any]]:
        code = run(["adopt", "cpu", "--end", "2026-01-04", *arguments, "--json"])
        captured = capsys.readouterr()
        assert TOKEN not in captured.out + captured.err
        return code, json.loads(captured.out)["measurements"][0]

    _, found = adopt("--dry-run")
    assert found["windows"] == {"equal": 0, "loaded": 3, "kept": 0, "done": 0}
    assert [found["rows"][each] for each in ("missing", "doubled", "changed", "gone")] == [3, 3, 6, 0]
    assert adopt()[0] == 0
    table = catalog.load_table("default.cpu").scan().to_arrow().sort_by("time_ns").to_pylist()
    names = [*ABSENT, "time_ns"]
    assert sorted(([row[each] for each in names] for row in table), key=lambda row: row[-1]) == sorted(
        ([row.get(each) for each in ABSENT] + [row["time"]] for rows in ROWS for row in rows), key=lambda row: row[-1]
    )
    assert adopt("--dry-run")[0] == 0
    assert run(["verify", "--profile", "--end", "2026-01-04"]) == 0
