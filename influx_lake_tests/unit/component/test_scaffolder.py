from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import click
import pytest
import yaml
from dagster.components.component_scaffolding import scaffold_object
from dagster.components.core.component_tree import ComponentTree

from influx_lake.component import InfluxLakeComponent
from influx_lake.config import Lake, load_lake

TYPE = "influx_lake.InfluxLakeComponent"


def scaffold(folder: Path, scaffold_format: str = "yaml", **params: object) -> None:
    scaffold_object(folder, TYPE, json.dumps(params), scaffold_format, project_root=None)


def lake_of(folder: Path) -> Lake:
    return load_lake(folder / "lake.yaml")


def test_it_writes_a_lake_of_everything_that_variables_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scaffold(tmp_path / "north")

    documents = yaml.safe_load((tmp_path / "north" / "defs.yaml").read_text())
    assert documents == {
        "type": TYPE,
        "attributes": {"config": "lake.yaml"},
        "requirements": {"env": ["INFLUXDB3_TOKEN"]},
    }
    monkeypatch.setenv("INFLUXDB3_TOKEN", "apiv3_x")
    lake = lake_of(tmp_path / "north")
    assert lake.sources["default"].database == "telemetry"
    assert [pattern.text for pattern in lake.patterns] == ["*"]
    assert {measurement.namespace for _, measurement in lake.match("default", ["cpu"])} == {("north",)}
    assert (tmp_path / "north" / ".gitignore").read_text() == ".lake/\n"


def test_it_writes_what_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scaffold(
        tmp_path / "south",
        type="influxdb2",
        host="http://example.com:8086",
        database="plant",
        org="acme",
        token_env="SOUTH_TOKEN",
        measurements=["cpu", "http_*"],
        start="2026-03-01",
        namespace="south_plant",
    )

    monkeypatch.setenv("SOUTH_TOKEN", "secret")
    lake = lake_of(tmp_path / "south")
    assert [measurement.table_name for measurement in lake.measurements] == ["south_plant.cpu"]
    assert lake.measurements[0].scheme.start == datetime(2026, 3, 1, tzinfo=UTC)
    assert [pattern.text for pattern in lake.patterns] == ["http_*"]
    assert "secret" not in (tmp_path / "south" / "lake.yaml").read_text()


def test_files_need_no_variables(tmp_path: Path) -> None:
    scaffold(tmp_path / "files", type="line_protocol", path=["/data/*.lp"], measurements=["cpu"])

    assert "requirements" not in (tmp_path / "files" / "defs.yaml").read_text()
    assert [each.table_name for each in lake_of(tmp_path / "files").measurements] == ["files.cpu"]
    assert lake_of(tmp_path / "files").measurements[0].scheme.start.date() == date(datetime.now(UTC).year, 1, 1)


def test_it_points_at_a_lake_that_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lake.yaml").write_text("sources: {default: {host: h, database: d}}")
    scaffold(tmp_path / "defs" / "lake", config="lake.yaml")

    written = yaml.safe_load((tmp_path / "defs" / "lake" / "defs.yaml").read_text())
    assert written == {"type": TYPE, "attributes": {"config": "../../lake.yaml"}}
    assert sorted(path.name for path in (tmp_path / "defs" / "lake").iterdir()) == ["defs.yaml"]


def test_a_component_in_python_loads(tmp_path: Path) -> None:
    folder = tmp_path / "lake"
    scaffold(folder, "python", type="line_protocol", path=["/data/*.lp"], measurements=["cpu"])

    text = (folder / "component.py").read_text()
    found: dict[str, object] = {}
    exec(text, found)  # what was written
    assert 'InfluxLakeComponent(config="lake.yaml").placed(context)' in text
    assert callable(found["load"])
    assert not (folder / "defs.yaml").exists()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"config": "lake.yaml", "host": "h"}, "says what host would"),
        ({"config": "nowhere.yaml"}, "there is no"),
        ({"type": "influxdb4"}, "did you mean influxdb"),
        ({"type": "line_protocol"}, "path"),
        ({"host": "http://"}, "host"),
    ],
)
def test_what_makes_no_lake_is_refused_before_anything_is_written(
    params: dict[str, object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(click.ClickException, match=message):
        scaffold(tmp_path / "lake", **params)
    assert list((tmp_path / "lake").iterdir()) == []


def test_a_lake_that_exists_is_not_written_over(tmp_path: Path) -> None:
    scaffold(tmp_path / "lake", type="line_protocol", path=["/data/*.lp"])
    with pytest.raises(click.ClickException, match="already there"):
        scaffold(tmp_path / "lake", type="line_protocol", path=["/data/*.lp"])


def test_attributes_make_a_component_in_python(tmp_path: Path) -> None:
    (tmp_path / "lake.yaml").write_text("sources: {default: {host: h, database: d}}\nmeasurements: {cpu: {}}")
    component = InfluxLakeComponent.from_attributes_dict(
        attributes={"config": str(tmp_path / "lake.yaml")}, context=ComponentTree.for_test().load_context
    )
    assert [each.name for each in component.lake.measurements] == ["cpu"]
