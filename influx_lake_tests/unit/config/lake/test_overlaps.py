"""A warehouse lies apart from the files that sources read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from influx_lake.config import load_lake
from influx_lake_tests.unit.config.conftest import LakeWriter

LAKE = """
sources:
  old: {{type: {kind}, path: "{path}", database: d}}
catalog:
  uri: sqlite:///c.db
  warehouse: {warehouse}
measurements: {{cpu: }}
"""


@pytest.mark.parametrize(
    ("kind", "path", "warehouse", "how"),
    [
        ("landing_zone", "./z/{year}", "./z", "is /"),
        ("landing_zone", "./z/in/{year}", "z/./in/", "is /"),
        ("landing_zone", "./z/{measurement}/{year}", "./z/lake", "is inside of /"),
        ("landing_zone", "./z/{year}", "file:{here}/z/lake", "is inside of /"),
        ("landing_zone", "file://{here}/z/{year}", "./z/lake", "is inside of file:///"),
        ("landing_zone", "./z/in/{year}", "./z", "contains /"),
        ("landing_zone", "./link/{year}", "./z/lake", "is inside of /"),
        ("landing_zone", "s3a://b/in/{year}", "s3://b/in/lake", "is inside of s3a://b/in"),
        ("landing_zone", "s3://b/in/{year}", "s3://b", "contains s3://b/in"),
        ("line_protocol", "./z", "./z/lake", "is inside of /"),
        ("line_protocol", "./z/**/*.lp", "./z/lake", "is inside of /"),
        ("line_protocol", "./z/*.lp", "./z", "is /"),
        ("line_protocol", "./z/in/a.lp", "./z", "contains /"),
    ],
)
def test_tables_among_files_that_are_read(
    kind: str, path: str, warehouse: str, how: str, mistakes_of: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "z").mkdir()
    (tmp_path / "link").symlink_to("z")
    path, warehouse = (each.replace("{here}", str(tmp_path)) for each in (path, warehouse))
    [mistake] = mistakes_of(LAKE.format(kind=kind, path=path, warehouse=warehouse), sources=False)
    assert mistake.startswith(f"lake.yaml:6: catalog.warehouse: {how}")
    assert mistake.endswith(", where the source old reads its files: name a folder apart from them")


@pytest.mark.parametrize(
    ("kind", "path", "warehouse"),
    [
        ("landing_zone", "./z/{year}", "./other"),
        ("landing_zone", "./z/{year}", "./zz"),
        ("landing_zone", "./{measurement}/{year}", "./.lake/warehouse"),
        ("landing_zone", "s3://b/in/{year}", "s3://b/lake"),
        ("landing_zone", "s3://b/in/{year}", "gs://b/in/lake"),
        ("line_protocol", "./*.lp", "./warehouse"),
        ("line_protocol", "./z/*/a.lp", "./z/lake/w"),
    ],
)
def test_tables_apart_from_files(kind: str, path: str, warehouse: str, write_lake: LakeWriter) -> None:
    load_lake(write_lake(LAKE.format(kind=kind, path=path, warehouse=warehouse)))


def test_the_warehouse_that_nobody_states(mistakes_of: Callable[..., list[str]]) -> None:
    text = """
        sources:
          old:
            type: line_protocol
            database: d
            staging: ./staging
            path: ./.lake
        measurements: {cpu: }
        """
    [mistake] = mistakes_of(text, sources=False)
    assert mistake.startswith("lake.yaml:7: sources.old.path: the warehouse, ")
    assert "is inside of" in mistake


def test_a_warehouse_that_a_catalog_knows_by_name(write_lake: LakeWriter, tmp_path: Path) -> None:
    text = LAKE.format(kind="landing_zone", path="./z/{year}", warehouse="z").replace(
        "sqlite:///c.db", "https://c/rest"
    )
    load_lake(write_lake(text))
