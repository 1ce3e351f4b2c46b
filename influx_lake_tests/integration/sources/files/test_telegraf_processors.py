"""Processors that `init --from-telegraf` carries over make of points what the real Telegraf makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from influx_lake.cli.entry import run
from influx_lake.config import load_lake
from influx_lake.config.values.windows import Window, parse_moment
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.replication.window import replicate_window
from influx_lake.sandbox import Sandbox
from influx_lake.sources import open_source
from influx_lake_tests.integration.sources.files.telegraf import run_telegraf

pytestmark = pytest.mark.servers

DAY = Window(parse_moment("2026-06-05"), parse_moment("2026-06-06"))
START = int(DAY.start.timestamp())
POINTS = [
    'http,host=a,method=GET,code=200,region=EU-West bytes=12.0,status="green",path="/api/v1/users/7",load=2.5,n=3i',
    'http,host=b,method=POST,code=404,region=\\ us\\  bytes=7.0,status="red",path="/health",load=-2.5,n=0i',
    'http,host=b,method=PUT,code=50x bytes=1000000.0,status="black",path=" /API ",load=1e-7,n=97i',
    'http,host=c,method=GET bytes=-3.0,path="-",load=98.25,n=-5i',
]
LINES = "".join(f"{point} {(START + number * 7200) * 10**9}\n" for number, point in enumerate(POINTS))
CASES = {
    "rename": """
[[processors.rename]]
  [[processors.rename.replace]]
    tag = "host"
    dest = "hostname"
  [[processors.rename.replace]]
    field = "load"
    dest = "load_percent"
""",
    "converter": """
[[processors.converter]]
  [processors.converter.fields]
    integer = ["bytes"]
    string = ["n"]
    tag = ["path"]
""",
    "converter of tags and texts": """
[[processors.converter]]
  [processors.converter.tags]
    integer = ["code"]
    string = ["method"]
""",
    "enum": """
[[processors.enum]]
  [[processors.enum.mapping]]
    tags = ["method"]
    default = "other"
    [processors.enum.mapping.value_mappings]
      GET = "read"
      POST = "write"
  [[processors.enum.mapping]]
    fields = ["status"]
    dest = "status_code"
    default = 0
    [processors.enum.mapping.value_mappings]
      green = 1
      red = 3
  [[processors.enum.mapping]]
    fields = ["n"]
    dest = "word"
    [processors.enum.mapping.value_mappings]
      0 = "none"
      97 = "many"
""",
    "enum in place": """
[[processors.enum]]
  [[processors.enum.mapping]]
    fields = ["status"]
    default = -1
    [processors.enum.mapping.value_mappings]
      green = 1
      red = 3
""",
    "date": """
[[processors.date]]
  tag_key = "month"
  date_format = "Jan"
[[processors.date]]
  field_key = "when"
  date_format = "Monday, 02-Jan-06 15:04:05.000 -0700 (PM) 1/2 3:04 MST"
  date_offset = "1h30m"
[[processors.date]]
  field_key = "berlin"
  date_format = "2006-01-02 15:04"
  timezone = "Europe/Berlin"
[[processors.date]]
  field_key = "seconds"
  date_format = "unix"
[[processors.date]]
  field_key = "nanoseconds"
  date_format = "unix_ns"
""",
    "strings": """
[[processors.strings]]
  [[processors.strings.lowercase]]
    tag = "region"
  [[processors.strings.trim]]
    tag = "region"
  [[processors.strings.trim]]
    field = "path"
    dest = "trimmed"
  [[processors.strings.trim_prefix]]
    field = "path"
    prefix = "/api"
    dest = "rest"
  [[processors.strings.trim_suffix]]
    field = "path"
    suffix = "7"
    dest = "stem"
  [[processors.strings.replace]]
    tag = "method"
    old = "GET"
    new = ""
  [[processors.strings.left]]
    field = "status"
    width = 2
  [[processors.strings.uppercase]]
    tag_key = "code"
""",
    "regex": r"""
[[processors.regex]]
  [[processors.regex.tags]]
    key = "code"
    pattern = "^(\\d)\\d\\d$"
    replacement = "${1}xx"
    result_key = "class"
  [[processors.regex.fields]]
    key = "path"
    pattern = "/(?P<part>\\w+)"
    replacement = "<${part}>"
""",
    "override and template": """
[[processors.override]]
  order = 1
  [processors.override.tags]
    pipeline = "1.0"
[[processors.template]]
  order = 2
  tag = "topic"
  template = '{{ .Tag "host" }}.{{ .Name }}/{{ .Tag "code" }}'
""",
    "scale and defaults": """
[[processors.scale]]
  [[processors.scale.scaling]]
    factor = 10.0
    offset = -5.0
    fields = ["load"]
  [[processors.scale.scaling]]
    input_minimum = 0.0
    input_maximum = 50.0
    output_minimum = 50.0
    output_maximum = 100.0
    fields = ["n"]
[[processors.defaults]]
  [processors.defaults.fields]
    status = "unknown"
  [processors.defaults.tags]
    code = "000"
""",
    "filter": """
[[processors.filter]]
  [[processors.filter.rule]]
    tags = {method = ["GET", "PO*"], code = ["*"]}
""",
    "choice": """
[[processors.override]]
  fieldexclude = ["b*", "status"]
  taginclude = ["host", "method"]
""",
    "starlark": """
[[processors.starlark]]
  source = '''
def apply(metric):
    busy = metric.fields["load"]
    metric.fields["idle"] = 100 - busy
    metric.fields["critical"] = metric.fields["idle"] < 5 or metric.fields["n"] >= 97
    metric.fields["ratio"] = metric.fields["n"] / 4
    metric.fields["level"] = "high" if busy > 2 else "low"
    metric.tags["method"] = metric.tags["method"].lower()
    metric.fields.pop("bytes")
    return metric
'''
""",
    "one after the other": """
[[processors.rename]]
  order = 1
  [[processors.rename.replace]]
    field = "load"
    dest = "busy"
[[processors.starlark]]
  order = 2
  source = '''
def apply(metric):
    metric.fields["idle"] = 100.0 - metric.fields["busy"]
    return metric
'''
[[processors.rename]]
  order = 3
  [[processors.rename.replace]]
    field = "idle"
    dest = "idle_percent"
  [[processors.rename.replace]]
    field = "busy"
    dest = "load"
""",
}


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as box:
        box.write("raw", LINES)
        yield box


def rows(box: Sandbox, folder: Path, database: str, lake: Path | None = None) -> list[dict[str, Any]]:
    """The rows of the table that points of a database become."""
    config = lake or folder / "plain.yaml"
    if lake is None:
        config.write_text(
            f"sources: {{default: {{host: '{box.url}', database: {database}, token: {box.token}}}}}\n"
            "catalog: {type: sql, uri: 'sqlite:///plain.db', warehouse: plain}\nmeasurements: {http: {}}\n"
        )
    loaded = load_lake(config)
    [measurement] = loaded.measurements
    source, catalog = open_source(loaded.sources["default"]), open_catalog("lake", loaded.catalog.properties())
    try:
        replicate_window(source, catalog, measurement, DAY, run_id="test")
    finally:
        source.close()
    table = catalog.load_table(measurement.identifier).scan().to_arrow()
    return sorted(table.to_pylist(), key=lambda row: row["time"])


@pytest.mark.parametrize("case", CASES)
def test_the_table_has_what_telegraf_makes_of_the_points(
    case: str, box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_telegraf(tmp_path, LINES, CASES[case] + '[[outputs.file]]\nfiles = ["out.lp"]\ndata_format = "influx"\n')
    database = "".join(filter(str.isalpha, case))
    box.write(database, (tmp_path / "out.lp").read_text())
    output = f'[[outputs.influxdb_v3]]\nurls = ["{box.url}"]\ndatabase = "raw"\ntoken = "$RAW_TOKEN"\n'
    monkeypatch.setenv("RAW_TOKEN", str(box.token))
    (tmp_path / "telegraf.conf").write_text(f'[[inputs.exec]]\nname_override = "http"\n{CASES[case]}{output}')
    lake = tmp_path / "lake.yaml"
    command = ["init", "--from-telegraf", str(tmp_path / "telegraf.conf"), "--start", "2026-06-05", "-c", str(lake)]
    assert run(command) == 0
    assert "Not carried over" not in lake.read_text()
    expected, found = rows(box, tmp_path, database), rows(box, tmp_path, "raw", lake)
    names = {name for row in expected for name in row}
    extra = {name for row in found for name, value in row.items() if value is not None} - names
    assert {name for name in extra if not name.endswith("_source")} == set()
    assert [{name: row.get(name) for name in names} for row in found] == expected
