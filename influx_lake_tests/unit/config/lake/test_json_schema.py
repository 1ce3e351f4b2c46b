"""The schema for editors agrees with the loader, and the committed files with the code."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from influx_lake.config import ConfigurationProblems, example_lake, lake_json_schema, load_lake, write_discovered
from influx_lake.config.measurements.options import MeasurementOptions
from influx_lake_tests.unit.config.conftest import SOURCES, LakeWriter

REPOSITORY = Path(__file__).parents[4]

Check = Callable[[str], bool]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return lake_json_schema()


@pytest.fixture
def allowed(schema: dict[str, Any]) -> Check:
    """Whether an editor would find nothing wrong."""
    validator = jsonschema.Draft202012Validator(schema)
    # As editors read YAML: dates are text.
    return lambda text: validator.is_valid(json.loads(json.dumps(yaml.safe_load(SOURCES + text), default=str)))


def test_it_is_a_schema(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)


def test_the_committed_schema_is_this_one(schema: dict[str, Any]) -> None:
    assert json.loads((REPOSITORY / "lake.schema.json").read_text()) == schema, "write it again: influx-lake schema"


def test_the_packaged_example_is_the_one_at_the_top() -> None:
    assert (REPOSITORY / "lake.yaml").read_text() == example_lake()


def test_the_example_is_allowed(schema: dict[str, Any]) -> None:
    data = json.loads(json.dumps(yaml.safe_load(example_lake()), default=str))
    jsonschema.validate(data, schema)


def test_the_example_loads_with_nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INFLUXDB3_HOST", "INFLUXDB3_DATABASE", "INFLUXDB3_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "lake.yaml").write_text(example_lake())
    lake = load_lake(tmp_path / "lake.yaml")
    assert lake.measurements == (), "where their partitions begin is not known yet"
    names = ("cpu", "disk", "mem", "net")
    first = {("default", name): datetime(2026, 11, 22, 6, tzinfo=UTC) for name in names}
    write_discovered(lake.root, {"default": names}, first_points=first)
    lake = load_lake(lake.path)
    assert [measurement.table_name for measurement in lake.measurements] == [f"telemetry.{name}" for name in names]
    assert {measurement.scheme.start for measurement in lake.measurements} == {datetime(2026, 11, 22, tzinfo=UTC)}
    assert lake.sources["default"].address.url == "http://127.0.0.1:8181"
    assert lake.warnings == ()
    (tmp_path / ".lake" / "sandbox").mkdir(parents=True)
    (tmp_path / ".lake" / "sandbox" / "token").write_text("apiv3_of-the-sandbox\n")
    token = lake.sources["default"].token
    assert token is not None
    assert token.reveal() == "apiv3_of-the-sandbox"
    monkeypatch.setenv("INFLUXDB3_TOKEN", "apiv3_own")
    assert token.reveal() == "apiv3_own"


@pytest.mark.parametrize(
    "text",
    [
        "measurements: {cpu: }\n",
        "measurements: {cpu: {partition: {every: week, start: 2026-01-05}}}\n",
        "measurements: {cpu: {lag: 1h30m, write: {target_file_size: 1GiB, compression_level: 3}}}\n",
        'measurements: {cpu: {partition: {every: "${EVERY:-day}"}, enabled: "${ON:-true}", lag: "${LAG:-1m}"}}\n',
        "catalog: {type: rest, uri: http://c, s3.force-virtual-addressing: true, pool_size: 5}\n",
        "defaults: {owners: [team:a], tags: {a: b}, namespace: }\n",
        "include: []\n",
    ],
)
def test_editor_and_loader_allow_the_same(text: str, allowed: Check, write_lake: LakeWriter) -> None:
    assert allowed(text)
    load_lake(write_lake(text, sources=True))


@pytest.mark.parametrize(
    "text",
    [
        "measurments: {}\n",
        "measurements: {cpu: {lagg: 1m}}\n",
        "measurements: {cpu: {lag: 10}}\n",
        "measurements: {cpu: {lag: soon}}\n",
        "measurements: {cpu: {partition: {every: dayly}}}\n",
        "measurements: {cpu: {partition: {start: soon}}}\n",
        "measurements: {cpu: {write: {compression: gz}}}\n",
        "measurements: {cpu: {write: {target_file_size: big}}}\n",
        "measurements: {cpu: {enabled: perhaps}}\n",
        "measurements: {cpu: {on_shrink: shrug}}\n",
        "measurements: {cpu: {shrink_tolerance: some}}\n",
        "measurements: {cpu: {max_window_rows: 0}}\n",
        "measurements: {cpu: {write: {mode: overwrite}}}\n",
        "measurements: {cpu: {write: {commit_timeout: 10}}}\n",
        "defaults: {table: x}\n",
        "catalog: {type: sqll}\n",
        "catalog: {s3.region: [x]}\n",
    ],
)
def test_editor_and_loader_refuse_the_same(text: str, allowed: Check, write_lake: LakeWriter) -> None:
    assert not allowed(text)
    with pytest.raises(ConfigurationProblems):
        load_lake(write_lake(text, sources=True))


@pytest.mark.parametrize(
    ("source", "right"),
    [
        ("{host: h, database: d}", True),
        ("{type: influxdb3, host: h, database: d, query_port: 9}", True),
        ("{host: h, database: [a, 'b_*']}", True),
        ("{type: influxdb2, host: h, org: o, bucket: '/^b/'}", True),
        ("{type: influxdb2, host: h, org: o, database: d}", False),
        ("{host: h, database: d, hots: x}", False),
        ("{type: influxdb3, host: h}", False),
        ("{type: influx, host: h, database: d}", False),
    ],
)
def test_editor_and_loader_agree_on_sources(
    source: str, right: bool, schema: dict[str, Any], write_lake: LakeWriter
) -> None:
    text = f"sources: {{default: {source}}}\n"
    assert jsonschema.Draft202012Validator(schema).is_valid(yaml.safe_load(text)) is right
    if right:
        load_lake(write_lake(text))
    else:
        with pytest.raises(ConfigurationProblems):
            load_lake(write_lake(text))


def test_an_editor_speaks_of_the_type_that_is_written(schema: dict[str, Any]) -> None:
    written = {"sources": {"default": {"type": "influxdb3", "host": "h", "database": "d", "querry_port": 1}}}
    errors = list(jsonschema.Draft202012Validator(schema).iter_errors(written))
    assert len(errors) == 1
    assert "querry_port" in errors[0].message


def test_every_option_says_what_it_is(schema: dict[str, Any]) -> None:
    missing = [
        f"{model}.{name}"
        for model, definition in schema["$defs"].items()
        for name, option in definition.get("properties", {}).items()
        if not (option.get("description") or schema["$defs"][option["$ref"].rpartition("/")[2]].get("description"))
    ]
    assert missing == []


def test_no_example_looks_like_a_secret(schema: dict[str, Any]) -> None:
    assert all(text.startswith("${") for text in schema["$defs"]["InfluxDB3Config"]["properties"]["token"]["examples"])


def test_every_option_is_documented() -> None:
    page = (REPOSITORY / "docs" / "configuration.md").read_text()
    schema = lake_json_schema()
    options = {name for model in schema["$defs"].values() for name in model.get("properties", {})} | {
        *schema["properties"]
    }
    assert {name for name in options if f"`{name}`" not in page} == set()
    assert set(MeasurementOptions.model_fields) <= options
