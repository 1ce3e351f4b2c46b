from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster.components.testing.utils import create_defs_folder_sandbox
from jsonschema import Draft202012Validator

import influx_lake
from influx_lake.component import InfluxLakeComponent, LakeAttributes

INLINE: dict[str, Any] = {
    "sources": {"default": {"host": "http://127.0.0.1:1", "database": "telemetry", "query_port": 8082}},
    "defaults": {"partition": {"every": "hour", "start": "2026-11-01"}},
    "measurements": {"cpu": None, "mem": {"tags": {"tier": "{{ env('TIER', 'gold') }}"}, "enabled": True}},
}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dg.Definitions]:
    """The definitions of a component with some attributes, next to a lake.yaml."""

    def load(attributes: dict[str, Any], lake: str = "") -> dg.Definitions:
        with create_defs_folder_sandbox() as sandbox:
            folder = sandbox.scaffold_component(
                component_cls=InfluxLakeComponent,
                defs_path="lake",
                defs_yaml_contents={"type": "influx_lake.InfluxLakeComponent", "attributes": attributes},
            )
            (Path(folder) / "lake.yaml").write_text(lake)
            with sandbox.build_all_defs() as definitions:
                return definitions

    return load


def refusal(load: Callable[..., dg.Definitions], attributes: dict[str, Any]) -> str:
    with pytest.raises(Exception, match="InfluxLakeComponent") as caught:
        load(attributes)
    return str(caught.value.__cause__)


def keys_of(definitions: dg.Definitions) -> set[str]:
    return {spec.key.to_user_string() for spec in definitions.resolve_all_asset_specs()}


def test_the_package_offers_the_component_without_importing_dagster_for_it() -> None:
    assert influx_lake.InfluxLakeComponent is InfluxLakeComponent
    assert "InfluxLakeComponent" in dir(influx_lake)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = influx_lake.Nothing


def test_a_component_points_at_a_lake_yaml(load: Callable[..., dg.Definitions]) -> None:
    definitions = load({"config": "lake.yaml"}, yaml.safe_dump(INLINE | {"measurements": {"disk": {}}}))

    assert keys_of(definitions) == {
        "telemetry/disk",
        "influxdb/lake/telemetry/disk",
        "influx_lake/overview/lake/telemetry",
    }


def test_a_component_holds_the_lake_itself(load: Callable[..., dg.Definitions]) -> None:
    specs = {spec.key.to_user_string(): spec for spec in load(INLINE).resolve_all_asset_specs()}

    assert specs.keys() >= {"telemetry/cpu", "telemetry/mem"}
    assert specs["telemetry/mem"].tags["tier"] == "gold"
    assert specs["telemetry/cpu"].partitions_def == dg.HourlyPartitionsDefinition("2026-11-01-00:00")


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({}, "must be `config`, or the sections of a lake.yaml"),
        ({"config": "lake.yaml", **INLINE}, "must be `config`, or the sections of a lake.yaml"),
        ({**INLINE, "defaults": {"partition": {"every": "dayly"}}}, "did you mean day"),
        (
            {**INLINE, "sources": {"default": {"host": "h", "database": "d", "token": "abc"}}},
            "a secret is written here",
        ),
    ],
)
def test_a_mistake_is_refused_with_what_would_be_right(
    load: Callable[..., dg.Definitions], attributes: dict[str, Any], message: str
) -> None:
    assert message in refusal(load, attributes)


def test_an_inline_mistake_has_a_line(load: Callable[..., dg.Definitions]) -> None:
    text = refusal(load, {**INLINE, "defaults": {"partition": {"every": "dayly"}}})

    line = re.search(r"defs\.yaml:(\d+): defaults\.partition\.every", text)
    assert line is not None, text
    assert int(line[1]) > 1


def test_dg_check_yaml_knows_every_option() -> None:
    validator = Draft202012Validator(LakeAttributes.model_json_schema())

    def mistakes(attributes: dict[str, Any]) -> list[str]:
        return [error.json_path for error in validator.iter_errors(attributes)]

    assert mistakes(INLINE) == []
    assert mistakes({"config": "lake.yaml"}) == []
    assert mistakes({**INLINE, "discovery": {"every": "1m"}}) == []
    assert mistakes({**INLINE, "catalogue": {}}) == ["$"]
    assert mistakes({**INLINE, "defaults": {"partition": {"every": "dayly"}}}) == ["$.defaults.partition.every"]
    assert mistakes({}) == ["$"]


def test_several_lakes_live_in_a_project_with_an_executor_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "http://127.0.0.1:1/hook")
    everything = {**INLINE, "alerts": {"webhook": "${HOOK}"}, "pools": {"table": 2}}
    with create_defs_folder_sandbox() as sandbox:
        for place, name in (("north", None), ("plants/south", None), ("plants/west", "far_west")):
            own = {"namespace": place.replace("/", "_"), "tail": {}, "reconcile": {}, **INLINE["defaults"]}
            sandbox.scaffold_component(
                component_cls=InfluxLakeComponent,
                defs_path=place,
                defs_yaml_contents={
                    "type": "influx_lake.InfluxLakeComponent",
                    "attributes": {**everything, "defaults": own, **({"name": name} if name else {})},
                },
            )
        (sandbox.defs_folder_path / "own.py").write_text(
            "import dagster as dg\ndefs = dg.Definitions(executor=dg.multiprocess_executor)\n"
        )
        with sandbox.build_all_defs() as definitions:
            dg.Definitions.validate_loadable(definitions)
            repository = definitions.get_repository_def()
            graph = repository.asset_graph

    lakes = ("north", "plants_south", "far_west")
    assert (definitions.resources or {}).keys() == {
        f"{lake}_{key}" for lake in lakes for key in ("iceberg_catalog", "iceberg_io_manager", "influxdb_default")
    }
    assert {"north_tails", "plants_south_reconcile", "far_west_alerts_by_webhook"} <= {
        sensor.name for sensor in repository.sensor_defs
    }
    assert {f"{lake}_load_hour_from_2026_11_01_00_00_schedule" for lake in lakes} <= {
        schedule.name for schedule in repository.schedule_defs
    }
    assert graph.get(dg.AssetKey(["north", "cpu"])).pools == {"north_influxdb_default"}
    assert graph.get(dg.AssetKey(["plants_west", "cpu"])).tags["influx_lake/lake"] == "far_west"
