"""Windows in parts from real InfluxDB 1.8 and 2: equal to whole ones, also where parts have fields of other types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from influx_lake.cli.entry import run
from influx_lake.config import load_lake
from influx_lake.iceberg.catalogs.opening import open_catalog
from testbed.influxdb_servers import TOKEN, Server, influxdb1, influxdb2

pytestmark = pytest.mark.servers

FIRST_NS = 1_767_225_600 * 10**9  # 2026-01-01
HOUR_NS = 3_600 * 10**9
HOURS = 31 * 24
RANGE = ("--start", "2026-01-01", "--end", "2026-02-01")


@pytest.fixture(params=["influxdb1", "influxdb2"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    with (influxdb1 if request.param == "influxdb1" else influxdb2)(tmp_path / "server") as found:
        yield found


def lines(*, mixed: bool) -> Iterator[str]:
    """Hourly points of a month; a week is without any, a field comes later, and types differ between shards."""
    for hour in range(HOURS):
        if 168 <= hour < 336:
            continue
        value = f"{hour}i" if mixed and hour < 336 else f"{hour / 3}"
        late = f",late={hour}i" if hour > 600 else ""
        yield f'm,host=h{hour % 3} value={value},text="t{hour}"{late} {FIRST_NS + hour * HOUR_NS + hour}'


def load(folder: Path, server: Server, table: str, split: str) -> dict[str, object]:
    """Load the month."""
    options = {**server.options, **({"token": "${TOKEN}"} if server.options["type"] == "influxdb2" else {})}
    options["retry"] = {"budget": "10s"}
    measurement = {
        "table": table,
        "types": {},
        "on_type_conflict": "new_column",
        "partition": {"every": "month", "start": "2026-01-01", **({"split": split} if split else {})},
    }
    (folder / "lake.yaml").write_text(
        json.dumps(
            {
                "sources": {"default": options},
                "catalog": {"type": "sql", "uri": f"sqlite:///{folder}/c.db", "warehouse": f"{folder}/w"},
                "measurements": {"m": measurement},
            }
        )
    )
    assert run(["replicate", "m", *RANGE, "-c", str(folder / "lake.yaml")]) == 0
    assert run(["verify", "m", "--values", *RANGE, "-c", str(folder / "lake.yaml")]) == 0
    lake = load_lake(folder / "lake.yaml")
    catalog = open_catalog("lake", lake.catalog.properties())
    scan = catalog.load_table(("telemetry", table)).scan()
    files = [task.file.file_path.removeprefix("file://") for task in scan.plan_files()]
    rows = duckdb.sql(f"select * from read_parquet({files}, union_by_name = true) order by all")
    return {"columns": rows.columns, "rows": rows.fetchall()}


def test_a_month_in_weeks(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", TOKEN)
    server.write("\n".join(lines(mixed=server.options["type"] == "influxdb1")))
    whole = load(tmp_path, server, "whole", "")
    assert load(tmp_path, server, "parts", "7d") == whole
    assert len(whole["rows"]) == HOURS - 168  # type: ignore[arg-type]
