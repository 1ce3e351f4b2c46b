"""What is used of Dagster that it does not export is in one module, and is what it was."""

from __future__ import annotations

import re
from pathlib import Path

import dagster as dg
import pytest
from dagster.components import DefsStateConfig

import influx_lake
from influx_lake.orchestration import dagster_internals as internals

PACKAGE = Path(influx_lake.__file__).parent


def test_one_module_alone_imports_them() -> None:
    inner = re.compile(r"^\s*(from|import) dagster(_shared|\._)", re.MULTILINE)
    found = {path.name for path in PACKAGE.rglob("*.py") if inner.search(path.read_text(encoding="utf-8"))}
    # The other is a storage, made of Dagster's, which is imported where it is used.
    assert found == {"dagster_internals.py", "sqlite_storage.py"}


def test_an_instance_without_events_and_backfills() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        wanted = dg.EventRecordsFilter(dg.DagsterEventType.RUN_FAILURE)
        assert list(internals.event_records(instance, wanted, limit=1, ascending=True)) == []
        assert list(internals.requested_backfills(instance)) == []


def test_what_a_code_server_says_of_its_runs() -> None:
    from dagster._grpc.types import GetCurrentRunsResult
    from dagster._serdes import serialize_value

    said = serialize_value(GetCurrentRunsResult(current_runs=["a", "b"], serializable_error_info=None))
    assert list(internals.current_runs(said)) == ["a", "b"]


def test_where_the_state_of_components_is_kept(tmp_path: Path) -> None:
    config = DefsStateConfig(
        key="a", management_type=internals.DefsStateManagementType.VERSIONED_STATE_STORAGE, refresh_if_dev=False
    )
    with (
        dg.DagsterInstance.local_temp(str(tmp_path)) as instance,
        internals.defs_state_storage_of(instance),
    ):
        with internals.defs_state_path(config, tmp_path) as path:
            assert path is None
        storage = instance.defs_state_storage
        assert storage is not None
        (tmp_path / "state").write_text("it")
        storage.upload_state_from_path("a", "1", tmp_path / "state")
        with internals.defs_state_path(config, tmp_path) as path:
            assert path is not None
            assert path.read_text() == "it"


def test_no_context_of_a_step_is_reached_into() -> None:
    found = [path.name for path in PACKAGE.rglob("*.py") if "step_context" in path.read_text(encoding="utf-8")]
    assert found == []


def test_words_of_health() -> None:
    assert {"RUNNING", "NOT_FOUND", "FAILED"} <= set(internals.WorkerStatus.__members__)
    assert internals.DATA_VERSION_TAG == "dagster/data_version"


class _Catalog(dg.ConfigurableResource[None]):
    name: str = "lake"


class _Manager(dg.ConfigurableIOManager):
    catalog: _Catalog

    def handle_output(self, context: dg.OutputContext, obj: object) -> None: ...

    def load_input(self, context: dg.InputContext) -> str:
        return f"loaded by {self.catalog.name}"


def _assets(kind: type[dg.AssetsDefinition]) -> dg.AssetsDefinition:
    @dg.op(name="load", out={"a": dg.Out(io_manager_key="manager")}, required_resource_keys={"source"})
    def load() -> int:
        return 1

    return kind(keys_by_output_name={"a": dg.AssetKey("a")}, node_def=load, specs=[dg.AssetSpec("a")])


def test_assets_of_many_outputs_get_the_resources_that_dagster_gives_others() -> None:
    catalog = _Catalog()
    resources = {"source": "s", "catalog": catalog, "manager": _Manager(catalog=catalog), "other": "o"}
    found = []
    for kind in (dg.AssetsDefinition, internals.ManyAssets):
        definitions = dg.Definitions(assets=[_assets(kind)], resources=resources)
        [bound] = definitions.resolve_asset_graph().assets_defs
        assert definitions.load_asset_value(dg.AssetKey("a")) == "loaded by lake"
        assert definitions.resolve_implicit_global_asset_job_def().execute_in_process().success
        found.append((sorted(bound.resource_defs), bound.keys, bound.node_def.name))
    assert found[0] == found[1]


def test_a_resource_that_is_missing_is_reported_as_dagster_tells_it() -> None:
    said = []
    for kind in (dg.AssetsDefinition, internals.ManyAssets):
        with pytest.raises(dg.DagsterInvalidDefinitionError) as failed:
            dg.Definitions(assets=[_assets(kind)], resources={"source": "s"}).get_repository_def()
        said.append(str(failed.value))
    assert said[0] == said[1]
    assert "manager" in said[0]


def test_assets_that_nothing_loads_have_the_io_manager_that_reads_them() -> None:
    catalog = _Catalog()
    found = []
    for kind in (dg.AssetsDefinition, internals.ManyAssets):
        assets = kind(specs=[dg.AssetSpec("a"), dg.AssetSpec("b")])
        for resources in ({"catalog": catalog}, {"catalog": catalog, "io_manager": _Manager(catalog=catalog)}):
            [bound] = dg.Definitions(assets=[assets], resources=resources).resolve_asset_graph().assets_defs
            found.append(sorted(bound.resource_defs))
    assert found[:2] == found[2:]
