"""Millions of landed rows, and an export of gigabytes in one file: tables of both engines hold what was written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from influx_lake.config import load_lake
from influx_lake.iceberg.catalogs.opening import open_catalog

pytestmark = [pytest.mark.long, pytest.mark.timeout(4 * 3600)]

ROWS = int(os.environ.get("INFLUX_LAKE_TEST_LANDED_ROWS", "20000000"))
EXPORT_BYTES = int(os.environ.get("INFLUX_LAKE_TEST_EXPORT_BYTES", "5000000000"))
_LINE_BYTES = 170
"""How long a line of the export is, about."""
_FILES = 2
"""Of each day and format."""
DAYS = ("2026-01-02", "2026-01-03")
BOUNDS = ("--start", "2026-01-02", "--end", "2026-01-04")
LAKE = """\
sources:
  json: {{type: landing_zone, path: "{files}/json/{{measurement}}/{{year}}/{{month}}/{{day}}", database: landed,
         timestamp_units: ns, staging: "{engine}/staging", staging_limit: 40GB, engine: {engine}}}
  parquet: {{type: landing_zone, path: "{files}/parquet/{{measurement}}/{{year}}/{{month}}/{{day}}", database: landed,
            format: parquet, tags: [host, zone], staging: "{engine}/staging", staging_limit: 40GB, engine: {engine}}}
  export: {{type: line_protocol, path: "{files}/export.lp", database: exported, staging: "{engine}/staging",
           staging_limit: 40GB, engine: {engine}}}
catalog: {{type: sql, uri: "sqlite:///./{engine}/catalog.db", warehouse: ./{engine}/warehouse}}
defaults: {{partition: {{start: 2026-01-01}}, lag: 0s}}
spark: {{master: "local[2]", conf: {{spark.driver.memory: 2g, spark.local.dir: "{folder}/spark-local"}}}}
measurements: {{json_cpu: {{source: json, measurement: cpu}}, parquet_cpu: {{source: parquet, measurement: cpu}},
               net: {{source: export}}}}
"""
MICROSECONDS_OF_DAYS = 2 * 86_400_000_000
POINTS = """
    select {start} + i * {step} as t, 'h' || (i * 7919 % 200) as host, 'z' || (i % 3) as zone,
        (i * 0.25)::double as usage, i as n, i % 3 = 0 as flag, 'text ' || (i * 31 % 5000) as s
    from range({begin}, {end}) r(i)
"""
"""Points in the order of their times, in microseconds."""
COLUMNS = "host, zone, usage, n, flag, s"


def _points(rows: int, begin: int, end: int) -> str:
    step = MICROSECONDS_OF_DAYS // rows
    start = "epoch_us(timestamp '2026-01-02')"
    return POINTS.format(start=start, step=step, begin=begin, end=end)


def _write(query: str, file: Path, options: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute("set threads = 2; set preserve_insertion_order = true")
        connection.execute(f"copy ({query}) to '{file}' ({options})")


def _land(files: Path, form: str, rows: int) -> None:
    """Files of both days; each file has a stretch of the day."""
    per_file = rows // (len(DAYS) * _FILES)
    for number in range(len(DAYS) * _FILES):
        day = DAYS[number // _FILES].replace("-", "/")
        points = _points(per_file * len(DAYS) * _FILES, number * per_file, (number + 1) * per_file)
        file = files / form / "cpu" / day / f"{number}.{form}"
        if form == "json":
            record = (
                "'cpu' as name, {host: host, zone: zone} as tags, {usage: usage, n: n, flag: flag, s: s} as fields, "
                "t * 1000 as timestamp"
            )
            _write(f"select {record} from ({points})", file, "format json")
        else:
            _write(f"select make_timestamp(t) as timestamp, {COLUMNS} from ({points})", file, "format parquet")


def _export_points(rows: int) -> str:
    """The points of the export; every thousandth text goes over several lines, of which one looks like a point."""
    text = "case when n % 1000 = 0 then 'two' || chr(10) || 'net,host=h0 n=1i 1' || chr(10) else s end"
    return f"select * replace ({text} as s), n * 3 as more, repeat('x', 50) as padding from ({_points(rows, 0, rows)})"


def _export(files: Path, rows: int) -> None:
    """All of them in one file."""
    line = (
        "'net,host=' || host || ',zone=' || zone || ' usage=' || usage || ',n=' || n || 'i,flag=' || flag"
        " || ',more=' || more || 'i,padding=\"' || padding || '\",s=\"' || s || '\" ' || t * 1000"
    )
    plain = "format csv, header false, quote '', escape '', delimiter '\x01'"
    _write(f"select {line} from ({_export_points(rows)})", files / "export.lp", plain)


def _digest(table: str, columns: str) -> list[Any]:
    """The number of rows, and two sums over all of their values, which no order has an effect on."""
    row = f"hash(epoch_us(time), {columns})"
    return duckdb.sql(f"select count(*), sum({row}::hugeint), bit_xor({row}) from {table}").fetchall()


def _loaded(folder: Path, engine: str, name: str, columns: str) -> list[Any]:
    lake = load_lake(folder / f"{engine}.yaml")
    catalog = open_catalog(lake.catalog.name, lake.catalog.properties())
    table = catalog.load_table(next(each.identifier for each in lake.measurements if each.key == name))
    paths = [task.file.file_path.removeprefix("file://") for task in table.scan().plan_files()]
    return _digest(f"read_parquet({paths}, hive_partitioning = false)", columns)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    pytest.importorskip("pyspark", reason="Spark is not installed: make engines")
    made = tmp_path_factory.mktemp("large")
    yield made
    shutil.rmtree(made)


def _load(folder: Path, engine: str, name: str) -> None:
    (folder / engine).mkdir(exist_ok=True)
    config = folder / f"{engine}.yaml"
    config.write_text(LAKE.format(files=folder / "files", engine=engine, folder=folder))
    command = [sys.executable, "-m", "influx_lake.cli", "replicate", name, *BOUNDS, "-c", str(config)]
    environment = {**os.environ, "TMPDIR": str(folder / "tmp")}
    (folder / "tmp").mkdir(exist_ok=True)
    subprocess.run(command, check=True, cwd=folder, env=environment)
    for place in (folder / engine / "staging", folder / "spark-local"):
        shutil.rmtree(place, ignore_errors=True)


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_landed_rows(form: str, folder: Path) -> None:
    rows = ROWS // 2 // (len(DAYS) * _FILES) * len(DAYS) * _FILES
    _land(folder / "files", form, rows)
    wanted = _digest(f"(select make_timestamp(t) as time, {COLUMNS} from ({_points(rows, 0, rows)}))", COLUMNS)
    assert wanted[0][0] == rows
    for engine in ("own", "spark"):
        _load(folder, engine, f"{form}_cpu")
        assert _loaded(folder, engine, f"{form}_cpu", COLUMNS) == wanted, engine
    shutil.rmtree(folder / "files")


def test_an_export_in_one_file(folder: Path) -> None:
    rows, columns = EXPORT_BYTES // _LINE_BYTES, f"{COLUMNS}, more, padding"
    _export(folder / "files", rows)
    wanted = _digest(f"(select make_timestamp(t) as time, * from ({_export_points(rows)}))", columns)
    for engine in ("own", "spark"):
        _load(folder, engine, "net")
        assert _loaded(folder, engine, "net", columns) == wanted, engine
    shutil.rmtree(folder / "files")
