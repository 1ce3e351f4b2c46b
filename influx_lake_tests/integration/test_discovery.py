"""Measurements that appear later are loaded without a hand; those that vanish are marked, and their tables stay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from influx_lake.config import load_lake
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.orchestration.reloading import reload_code_location
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import FIRST_DAY_NS

LAKE = """\
sources:
  default: {{host: "{url}", database: telemetry, token: "${{BOX_TOKEN}}", retry: {{budget: 0s}}}}
catalog: {{type: sql, uri: 'sqlite:///./catalog.db', warehouse: ./warehouse}}
measurements:
  cpu: {{}}
  "http_*": {{partition: {{every: hour, start: 2026-01-01}}}}
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


def put(box: Sandbox, name: str) -> None:
    box.load("telemetry", name, pa.table({"time": pa.array([FIRST_DAY_NS], pa.timestamp("ns")), "v": [1.0]}))


def tick(path: Path, instance: dg.DagsterInstance) -> str:
    """A tick of the code location as it is loaded now; what it said."""
    definitions = build_definitions(load_lake(path))
    repository = definitions.get_repository_def()
    sensor = repository.get_sensor_def("discovery")
    with dg.build_sensor_context(instance, repository_def=repository, resources=definitions.resources) as context:
        return str(sensor.evaluate_tick(context).skip_message)


def tables(path: Path) -> list[str]:
    return sorted(measurement.table for measurement in load_lake(path).measurements)


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
            assert "the table stays" in str(event.asset_observation.description)
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


def test_two_measurements_of_one_table_stop_the_tick_and_change_nothing(box: Sandbox, path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        put(box, "http_x.y")
        put(box, "http_x y")
        with pytest.raises(dg.Failure, match="http_x"):
            tick(path, instance)
        assert tables(path) == ["cpu"]


def test_a_webserver_that_does_not_answer_is_no_failure_of_the_tick() -> None:
    assert "set discovery.webserver" in reload_code_location("lake", None)
    assert "did not load them anew" in reload_code_location("lake", "http://127.0.0.1:1")
