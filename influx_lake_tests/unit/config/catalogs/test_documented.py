"""Each lake.yaml of docs/catalogs.md and docs/stores.md is one that loads."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from influx_lake.config import load_lake

DOCS = Path(__file__).parents[4] / "docs"
REST = "sources: {default: {type: line_protocol, path: ./points.lp, database: telemetry}}\nmeasurements: {cpu: }\n"


def written(page: str) -> list[str]:
    text = (DOCS / page).read_text()
    return [dedent(each) for each in re.findall(r"^ *```yaml\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)]


CASES = [
    pytest.param(text, id=f"{page} {number}")
    for page in ("catalogs.md", "stores.md")
    for number, text in enumerate(written(page))
]


@pytest.mark.parametrize("text", CASES)
def test_it_loads(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r"\$\{(\w+)\}", text):
        monkeypatch.setenv(name, "lake:s3cret-of-the-page")
    (tmp_path / "lake.yaml").write_text(text if "sources:" in text else REST + text)
    lake = load_lake(tmp_path / "lake.yaml")
    assert lake.catalog.properties()["type"] in ("rest", "sql", "in-memory", "glue", "hive")
    assert not lake.warnings


def test_every_kind_has_its_section() -> None:
    table, _, sections = (DOCS / "catalogs.md").read_text().partition("\n## ")
    linked = set(re.findall(r"^\| \[.*?\]\(#([\w-]+)\)", table, re.MULTILINE))
    headings = re.findall(r"^## (.*)$", f"## {sections}", re.MULTILINE)
    assert linked == {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in headings}
    assert len(written("catalogs.md")) >= len(linked)
