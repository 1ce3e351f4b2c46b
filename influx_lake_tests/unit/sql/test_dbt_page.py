"""docs/query/dbt.md shows the files of examples/dbt, which a test runs."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^```(?:yaml|sql)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_page_shows_what_is_run() -> None:
    shown = BLOCK.findall((ROOT / "docs/query/dbt.md").read_text(encoding="utf-8"))
    example = ROOT / "examples/dbt"
    run = [
        (example / name).read_text(encoding="utf-8")
        for name in ("profiles.yml", "models/sources.yml", "models/host_days.sql")
    ]
    assert shown == run
