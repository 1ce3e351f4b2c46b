"""Each lake.yaml of docs/stores.md is one that loads."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from influx_lake.config import load_lake

PAGE = (Path(__file__).parents[4] / "docs" / "stores.md").read_text()
WRITTEN = [dedent(text) for text in re.findall(r"^ *```yaml\n(.*?)^ *```", PAGE, re.MULTILINE | re.DOTALL)]
REST = "sources: {default: {type: line_protocol, path: ./points.lp, database: telemetry}}\nmeasurements: {cpu: }\n"


@pytest.mark.parametrize("number", range(len(WRITTEN)))
def test_it_loads(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r"\$\{(\w+)\}", WRITTEN[number]):
        monkeypatch.setenv(name, "s3cret-of-the-page")
    text = WRITTEN[number] if "sources:" in WRITTEN[number] else REST + WRITTEN[number]
    (tmp_path / "lake.yaml").write_text(text)
    lake = load_lake(tmp_path / "lake.yaml")
    assert lake.catalog.properties()["warehouse"]
    assert not lake.warnings
