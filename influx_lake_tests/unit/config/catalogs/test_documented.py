"""Each lake.yaml of docs/catalogs.md is one that loads."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from influx_lake.config import load_lake

PAGE = (Path(__file__).parents[4] / "docs" / "catalogs.md").read_text()
WRITTEN = [dedent(text) for text in re.findall(r"^ *```yaml\n(.*?)^ *```", PAGE, re.MULTILINE | re.DOTALL)]
REST = "sources: {default: {type: line_protocol, path: ./points.lp, database: telemetry}}\nmeasurements: {cpu: }\n"


@pytest.mark.parametrize("number", range(len(WRITTEN)))
def test_it_loads(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r"\$\{(\w+)\}", WRITTEN[number]):
        monkeypatch.setenv(name, "lake:s3cret-of-the-page")
    (tmp_path / "lake.yaml").write_text(REST + WRITTEN[number])
    lake = load_lake(tmp_path / "lake.yaml")
    assert lake.catalog.properties()["type"] in ("rest", "sql", "in-memory", "glue", "hive")
    assert not lake.warnings


def test_every_kind_has_its_section() -> None:
    table, _, sections = PAGE.partition("\n## ")
    linked = set(re.findall(r"^\| \[.*?\]\(#([\w-]+)\)", table, re.MULTILINE))
    headings = re.findall(r"^## (.*)$", f"## {sections}", re.MULTILINE)
    assert linked == {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in headings}
    assert len(WRITTEN) >= len(linked)
