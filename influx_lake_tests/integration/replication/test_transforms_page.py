"""The examples of docs/transforms.md are run as they stand there, and so are their tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from influx_lake.config import load_lake
from influx_lake.config.values.windows import Window, parse_moment
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.replication.window import replicate_window
from influx_lake.sandbox import Sandbox
from influx_lake.sources import open_source

PAGE = Path(__file__).parents[3] / "docs" / "transforms.md"
DAY = Window(parse_moment("2026-01-05"), parse_moment("2026-01-06"))
LAKE = """\
sources: {{default: {{host: "{host}", database: telemetry, token: "{token}"}}}}
catalog: {{type: sql, uri: "sqlite:///catalog.db", warehouse: warehouse}}
"""
_EXAMPLE = re.compile(
    r"```yaml\n(?P<yaml>(?:defaults:|measurements:)\n.*?)```\n\n```text\n(?P<table>.*?)```", re.DOTALL
)
_POINTS = re.compile(r"```lineprotocol\n(.*?)```", re.DOTALL)
_CHANGING = "loaded_at", "ingested_at", "run_id"


@dataclass(frozen=True)
class Example:
    """An example of the page.

    Attributes:
        title: The heading that it stands under.
        yaml: What it adds to a lake.yaml.
        table: The table, as the page shows it.
    """

    title: str
    yaml: str
    table: str


def examples() -> list[Example]:
    """The examples of the page, in its order."""
    text, found = PAGE.read_text(), []
    for each in _EXAMPLE.finditer(text):
        title = re.findall(r"^#+ (.*)$", text[: each.start()], re.MULTILINE)[-1]
        found.append(Example(title, each["yaml"], each["table"]))
    return found


def points() -> str:
    """The points of the page, with times in nanoseconds."""
    [block] = _POINTS.findall(PAGE.read_text())
    lines = []
    for line in block.splitlines():
        point, _, time = line.rpartition(" ")
        lines.append(f"{point} {int(parse_moment(time).timestamp()) * 10**9}")
    return "\n".join(lines)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as box:
        box.write("telemetry", points())
        yield box


def loaded(box: Sandbox, yaml: str, folder: Path) -> str:
    """The table that a lake.yaml makes, as text."""
    path = folder / "lake.yaml"
    path.write_text(LAKE.format(host=box.url, token=box.token) + yaml)
    lake = load_lake(path)
    catalog = open_catalog("lake", lake.catalog.properties())
    source = open_source(lake.sources["default"])
    try:
        for measurement in lake.measurements:
            replicate_window(source, catalog, measurement, DAY, run_id="run")
    finally:
        source.close()
    [table] = {measurement.identifier for measurement in lake.measurements}
    rows = catalog.load_table(table).scan().to_arrow().to_pylist()
    names = list(rows[0])
    cells = sorted([_cell(name, row[name]) for name in names] for row in rows)
    widths = [max(len(row[at]) for row in [names, *cells]) for at in range(len(names))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [names, *cells]]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _cell(name: str, value: object) -> str:
    if name in _CHANGING:
        return "(changes)"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, list):
        return ", ".join(f"{key}={each}" for key, each in value)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.title)
def test_an_example_gives_the_table_that_stands_below_it(example: Example, box: Sandbox, tmp_path: Path) -> None:
    assert loaded(box, example.yaml, tmp_path) == example.table


def test_every_example_has_its_table() -> None:
    text = PAGE.read_text()
    assert len(examples()) == text.count("```yaml\n") == text.count("```text\n")
