from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster.components.testing.utils import create_defs_folder_sandbox
from jsonschema import Draft202012Validator

import influx_lake
from influx_lake.component import InfluxLakeComponent

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


MAINTENANCE = {
    f"influx_lake/maintenance/lake/{kind}"
    for kind in ("compact", "expire_snapshots", "metadata", "remove_orphans", "rewrite_manifests")
}


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
        "influx_lake/restore/lake/hour_from_2026_11_01_00_00",
        *MAINTENANCE,
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
    validator = Draft202012Validator(InfluxLakeComponent.get_model_cls().model_json_schema())

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


def document(**more: Any) -> str:
    attributes = {**INLINE, **more.pop("attributes", {})}
    return yaml.safe_dump({"type": "influx_lake.InfluxLakeComponent", "attributes": attributes, **more})


@contextmanager
def project(text: str, **modules: str) -> Iterator[dg.Definitions]:
    """The definitions of a project with one defs.yaml, and modules beside it."""
    with create_defs_folder_sandbox() as sandbox:
        folder = sandbox.defs_folder_path / "lake"
        folder.mkdir()
        for package in (sandbox.defs_folder_path, folder):
            (package / "__init__.py").touch()
        (folder / "defs.yaml").write_text(text)
        for name, source in modules.items():
            (folder / f"{name}.py").write_text(source)
        with sandbox.build_all_defs() as definitions:
            yield definitions


def tables(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
    return {key: spec for key, spec in specs.items() if "iceberg" in spec.kinds and "influx_lake/" not in key}


WITH_ROLLUP = {"measurements": {"cpu": {"rollups": {"hourly": {"every": "1h"}}, "tags": {"tier": "gold"}}}}


@pytest.mark.slow
def test_two_lakes_live_in_one_defs_yaml() -> None:
    other = {**INLINE, "defaults": {**INLINE["defaults"], "namespace": "other"}}
    with project(f"{document()}---\n{document(attributes=other)}") as definitions:
        dg.Definitions.validate_loadable(definitions)
        assert tables(definitions).keys() == {"telemetry/cpu", "telemetry/mem", "other/cpu", "other/mem"}
        assert {"lake_iceberg_io_manager", "lake_1_iceberg_io_manager"} <= (definitions.resources or {}).keys()


@pytest.mark.slow
def test_a_translation_says_more_of_the_assets_of_tables() -> None:
    translation = {
        "key_prefix": ["bronze"],
        "group_name": "of_{{ data.database }}",
        "tags": {"table": "{{ data.table }}"},
        "owners": ["team:{{ spec.tags.tier }}"],
        "description": "All of {{ data.name }}",
        "metadata": {"link": "https://example.com/{{ data.name }}"},
        "kinds": ["iceberg", "bronze"],
    }
    with project(document(attributes={**WITH_ROLLUP, "translation": translation})) as definitions:
        dg.Definitions.validate_loadable(definitions)
        specs = tables(definitions)
        assert specs.keys() == {"bronze/telemetry/cpu", "bronze/telemetry/cpu_hourly"}
        cpu = specs["bronze/telemetry/cpu"]
        assert (cpu.group_name, cpu.description, cpu.owners) == ("of_telemetry", "All of cpu", ["team:gold"])
        assert cpu.tags["tier"] == "gold"
        assert cpu.tags["table"] == "cpu"
        assert cpu.kinds == {"iceberg", "bronze"}
        assert cpu.metadata["influx_lake/table"] == ["telemetry", "cpu"]
        assert cpu.metadata["dagster/table_name"] == "telemetry.cpu"
        assert cpu.metadata["link"] == "https://example.com/cpu"

        repository = definitions.get_repository_def()
        graph = repository.asset_graph
        key = dg.AssetKey(["bronze", "telemetry", "cpu"])
        assert graph.get(dg.AssetKey(["bronze", "telemetry", "cpu_hourly"])).parent_keys == {key}
        assert graph.get(key).parent_keys == {dg.AssetKey(["influxdb", "lake", "telemetry", "cpu"])}
        assert graph.get(key).check_keys
        job = repository.get_job("lake_load_hour_from_2026_11_01_00_00")
        assert job.asset_layer.selected_asset_keys >= {key}


def test_a_translation_is_a_function_of_the_project() -> None:
    module = """
import dagster as dg

@dg.template_var
def renamed():
    return lambda spec, data: spec.replace_attributes(key=["raw", data.name], group_name="raw")
"""
    text = document(attributes={"translation": "{{ renamed(spec, data) }}"}, template_vars_module=".template_vars")
    with project(text, template_vars=module) as definitions:
        assert tables(definitions).keys() == {"raw/cpu", "raw/mem"}
        assert {spec.group_name for spec in tables(definitions).values()} == {"raw"}


def test_a_translation_leaves_partitions_alone() -> None:
    daily = {"type": "daily", "start_date": "2026-01-01"}
    with (
        pytest.raises(Exception, match="InfluxLakeComponent") as caught,
        project(document(attributes={"translation": {"partitions_def": daily}})),
    ):
        pass
    assert "changes its partitions" in str(caught.value.__cause__)


def test_dagsters_post_processing_works() -> None:
    processing = {
        "assets": [{"target": "key:telemetry/cpu", "attributes": {"tags": {"more": "yes"}, "group_name": "own"}}]
    }
    with project(document(post_processing=processing)) as definitions:
        specs = tables(definitions)
        assert (specs["telemetry/cpu"].tags["more"], specs["telemetry/cpu"].group_name) == ("yes", "own")
        assert "more" not in specs["telemetry/mem"].tags


def test_a_mistake_in_the_translation_has_a_line(load: Callable[..., dg.Definitions]) -> None:
    text = refusal(load, {**INLINE, "translation": {"group": "x"}})
    assert re.search(r"attributes\.translation\.\S*group at \S*defs\.yaml:\d+", text), text


def test_a_component_in_a_python_module() -> None:
    plain = {**INLINE, "measurements": {"cpu": {}, "mem": {}}}
    other = {**plain, "name": "other", "defaults": {**INLINE["defaults"], "namespace": "b"}}
    module = f"""
import dagster as dg
from influx_lake import InfluxLakeComponent

@dg.component_instance
def first(context: dg.ComponentLoadContext) -> InfluxLakeComponent:
    return InfluxLakeComponent(**{plain!r}).placed(context)

@dg.component_instance
def second(context: dg.ComponentLoadContext) -> InfluxLakeComponent:
    grouped = lambda spec, data: spec.replace_attributes(group_name="g")
    return InfluxLakeComponent(**{other!r}, translation=grouped).placed(context)
"""
    with create_defs_folder_sandbox() as sandbox:
        (sandbox.defs_folder_path / "lake.py").write_text(module)
        with sandbox.build_all_defs() as definitions:
            assert tables(definitions).keys() == {"telemetry/cpu", "telemetry/mem", "b/cpu", "b/mem"}
            assert tables(definitions)["b/cpu"].group_name == "g"
            assert {"lake_first_iceberg_io_manager", "other_iceberg_io_manager"} <= (definitions.resources or {}).keys()
