"""Databases and measurements that appear later are loaded without a hand; those that vanish are marked and stay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from influx_lake.cli.entry import run
from influx_lake.config import Discovered, load_lake
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.orchestration.automation.code_location_reload import reload_code_location
from influx_lake.orchestration.automation.source_survey import Look
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.sandbox import Sandbox
from influx_lake.sources import open_source
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake_tests.integration.cli_lake import FIRST_DAY_NS

LAKE = """\
sources:
  default: {{host: "{url}", database: telemetry, token: "${{BOX_TOKEN}}", retry: {{budget: 0s}}}}
catalog: {{type: sql, uri: 'sqlite:///./catalog.db', warehouse: ./warehouse}}
measurements:
  cpu: {{}}
  "http_*": {{partition: {{every: hour, start: 2026-01-01}}}}
"""

MANY = """\
sources:
  plant: {{host: "{url}", database: "plant_*", token: "${{BOX_TOKEN}}", retry: {{budget: 0s}}}}
catalog: {{type: sql, uri: 'sqlite:///./catalog.db', warehouse: ./warehouse}}
measurements:
  cpu: {{partition: {{start: 2026-01-01}}}}
{more}
"""


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox() as box:
        monkeypatch.setenv("BOX_TOKEN", str(box.token))
        for name in ("cpu", "http_a"):
            put(box, name)
        yield box


@pytest.fixture
def path(box: Sandbox, tmp_path: Path) -> Path:
    path = tmp_path / "lake.yaml"
    path.write_text(LAKE.format(url=box.url))
    return path


@pytest.fixture
def many(box: Sandbox, tmp_path: Path) -> Path:
    path = tmp_path / "lake.yaml"
    path.write_text(MANY.format(url=box.url, more=""))
    return path


def put(box: Sandbox, name: str, database: str = "telemetry") -> None:
    box.load(database, name, pa.table({"time": pa.array([FIRST_DAY_NS], pa.timestamp("ns")), "v": [1.0]}))


def tick(path: Path, instance: dg.DagsterInstance) -> str:
    """A tick of the code location as it is loaded now; what it said."""
    definitions = build_definitions(load_lake(path))
    repository = definitions.get_repository_def()
    sensor = repository.get_sensor_def("discovery")
    with dg.build_sensor_context(instance, repository_def=repository, resources=definitions.resources) as context:
        return str(sensor.evaluate_tick(context).skip_message)


def tables(path: Path) -> list[str]:
    return sorted(measurement.table for measurement in load_lake(path).measurements)


def in_databases(path: Path) -> list[str]:
    return sorted(measurement.table_name for measurement in load_lake(path).measurements)


def test_what_appears_is_in_the_lake_when_it_is_loaded_again(box: Sandbox, path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert tables(path) == ["cpu"]
        assert "appeared: telemetry.http_a" in tick(path, instance)
        assert tables(path) == ["cpu", "http_a"]
        assert "nothing new in 2 measurements" in tick(path, instance)
        put(box, "http_b")
        put(box, "mem")
        assert "appeared: telemetry.http_b" in tick(path, instance)
        assert tables(path) == ["cpu", "http_a", "http_b"]


def test_what_vanishes_is_marked_and_stays(box: Sandbox, path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        tick(path, instance)
        for name in ("cpu", "http_a"):
            box.store.drop_table("telemetry", name)
        said = tick(path, instance)
        assert "vanished: telemetry.cpu, telemetry.http_a" in said
        for name in ("cpu", "http_a"):
            event = instance.fetch_observations(dg.AssetKey(["telemetry", name]), limit=1).records[0]
            assert event.asset_observation is not None
            assert "the table is unchanged" in str(event.asset_observation.description)
        assert "nothing new" in tick(path, instance)
        lake = load_lake(path)
        assert tables(path) == ["cpu", "http_a"], "the assets stay"
        assert lake.present == (), "nothing is loaded that is not there"
        spec = build_definitions(lake).resolve_asset_graph().get(dg.AssetKey(["telemetry", "cpu"]))
        assert spec.tags["influx_lake/gone"] == "true"
        put(box, "http_a")
        assert "are back" in tick(path, instance)
        assert [each.table for each in load_lake(path).present] == ["http_a"]


def test_a_server_that_is_down_makes_nothing_vanish(box: Sandbox, path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        tick(path, instance)
        box.faults.unavailable = True
        with pytest.raises(dg.Failure):
            tick(path, instance)
        box.faults.clear()
        assert load_lake(path).gone == frozenset()


def test_two_measurements_of_one_table_are_set_aside_and_the_others_appear(
    box: Sandbox, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        put(box, "http_x.y")
        put(box, "http_x y")
        assert "appeared: telemetry.http_a" in tick(path, instance)
        assert tables(path) == ["cpu", "http_a"]
        assert "http_x y and http_x.y would both be the table telemetry.http_x_y" in capsys.readouterr().err
    assert run(["discover", "--json", "-c", str(path)]) == 0
    captured = json.loads(capsys.readouterr().out)
    assert {each["measurement"] for each in captured["set_aside"]} == {"http_x.y", "http_x y"}
    assert run(["discover", "-c", str(path)]) == 0
    assert "set aside: http_x y and http_x.y would both be the table" in capsys.readouterr().err
    assert tables(path) == ["cpu", "http_a"]


def test_a_database_that_appears_is_in_the_lake_when_it_is_loaded_again(box: Sandbox, many: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert "nothing new in 0 measurements" in tick(many, instance), "no database is there yet"
        put(box, "cpu", "plant_a")
        put(box, "mem", "plant_a")
        assert "new databases: plant/plant_a; appeared: plant_a.cpu" in tick(many, instance)
        put(box, "mem", "plant_b")
        put(box, "cpu", "other")
        assert "new databases: plant/plant_b" in tick(many, instance)
        assert in_databases(many) == ["plant_a.cpu"]
        assert list(load_lake(many).sources) == ["plant/plant_a", "plant/plant_b"]
        put(box, "cpu", "plant_b")
        assert "appeared: plant_b.cpu" in tick(many, instance)
        assert "nothing new" in tick(many, instance)
        definitions = build_definitions(load_lake(many))
        keys = [dg.AssetKey([database, "cpu"]) for database in ("plant_a", "plant_b")]
        done = dg.materialize(
            [asset for asset in definitions.assets or [] if isinstance(asset, dg.AssetsDefinition)],
            selection=keys,
            partition_key="2026-01-01",
            resources=definitions.resources,
            instance=instance,
        )
        assert done.success
    rows = open_catalog("lake", load_lake(many).catalog.properties())
    assert [rows.load_table((*key.path,)).scan().count() for key in keys] == [1, 1]


def test_a_database_that_vanishes_is_marked_and_its_tables_stay(box: Sandbox, many: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        for database in ("plant_a", "plant_b"):
            put(box, "cpu", database)
        tick(many, instance)
        box.store.drop_database("plant_b")
        assert "vanished: plant_b.cpu" in tick(many, instance)
        lake = load_lake(many)
        assert in_databases(many) == ["plant_a.cpu", "plant_b.cpu"], "the assets stay"
        assert [each.table_name for each in lake.present] == ["plant_a.cpu"]
        event = instance.fetch_observations(dg.AssetKey(["plant_b", "cpu"]), limit=1).records[0].asset_observation
        assert event is not None
        assert "the table is unchanged" in str(event.description)
        assert "nothing new" in tick(many, instance)
        put(box, "cpu", "plant_b")
        assert "are back" in tick(many, instance)
        assert [each.table_name for each in load_lake(many).present] == ["plant_a.cpu", "plant_b.cpu"]


def test_databases_take_turns_where_there_are_many(box: Sandbox, many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many.write_text(MANY.format(url=box.url, more="discovery: {databases_at_once: 2, every: 30s}"))
    for number in range(5):
        put(box, "cpu", f"plant_{number}")
    asked = list[str]()
    of_source = InfluxDB3Source.listing
    monkeypatch.setattr(InfluxDB3Source, "listing", lambda source: asked.append(source.identity) or of_source(source))
    lake, now = load_lake(many), datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(3):
        look = Look(lake, lambda name: closing(open_source(lake.source(name))))
        look.around(now + number * timedelta(seconds=30))
        assert len(look.found) == 2
    assert len(asked) == 6
    assert len(set(asked)) == 5, "each was asked in three looks"


def test_a_source_that_fails_keeps_no_news_of_the_others(box: Sandbox, many: Path) -> None:
    alone = f'  gone: {{host: "{box.url}", database: nowhere, token: "${{BOX_TOKEN}}", retry: {{budget: 0s}}}}\n'
    text = many.read_text().replace("catalog:", f"{alone}catalog:").replace("cpu: {", "cpu: {source: plant, ")
    many.write_text(text)
    put(box, "cpu", "plant_a")
    with dg.DagsterInstance.ephemeral() as instance:
        with pytest.raises(dg.Failure, match="nowhere"):
            tick(many, instance)
        assert in_databases(many) == ["plant_a.cpu"]
        box.faults.unavailable = True
        with pytest.raises(dg.Failure):
            tick(many, instance)
        assert load_lake(many).gone == frozenset()


def test_every_source_that_fails_is_named(box: Sandbox, path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = path.read_text()
    for name in ("one", "two"):
        entry = (
            f'  {name}: {{host: "{box.url}", database: no_{name}, token: "${{BOX_TOKEN}}", retry: {{budget: 0s}}}}\n'
        )
        text = text.replace("catalog:", f"{entry}catalog:") + f'  "{name}_*": {{source: {name}}}\n'
    path.write_text(text)
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(dg.Failure) as raised:
        tick(path, instance)
    logged = capfd.readouterr().err
    assert {"no_one", "no_two"} == {
        name for name in ("no_one", "no_two") if name in f"{raised.value.description}{logged}"
    }
    assert tables(path) == ["cpu", "http_a"]


def test_two_databases_of_one_namespace_are_set_aside(
    box: Sandbox, many: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        put(box, "cpu", "plant_x")
        put(box, "cpu", "PLANT_X")
        put(box, "cpu", "plant_X")
        tick(many, instance)
        assert "plant_X" in capsys.readouterr().err
        assert in_databases(many) == []


def test_a_webserver_that_does_not_answer_is_no_failure_of_the_tick() -> None:
    assert "set discovery.webserver" in reload_code_location("lake", None)
    assert "did not reload them" in reload_code_location("lake", "http://127.0.0.1:1")


def test_of_a_component_the_state_is_changed(path: Path, box: Sandbox) -> None:
    kept: list[Discovered] = []
    lake = load_lake(path, Discovered({"default": ("cpu", "http_a")}))
    definitions = build_definitions(
        lake, keep=lambda _, change: kept.append(change(Discovered({"default": ("cpu", "http_a"), "other": ("x",)})))
    )
    put(box, "http_b")
    repository = definitions.get_repository_def()
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance, repository_def=repository, resources=definitions.resources) as context,
    ):
        repository.get_sensor_def("discovery").evaluate_tick(context)

    assert [each.measurements for each in kept] == [{"default": ("cpu", "http_a", "http_b"), "other": ("x",)}]
    assert not (path.parent / ".lake" / "measurements.json").exists()
