"""Isolates uses of Dagster that it does not export. No other module imports such names, except
`event_log/sqlite_storage.py`.

Its tests check the shape of each. No public name of Dagster 1.13 does the same; an entry goes when Dagster exports one.
"""

# ruff: noqa: PLC0414  (an alias of the same name exports a type)
from __future__ import annotations

from contextlib import AbstractContextManager
from copy import copy
from functools import lru_cache
from typing import TYPE_CHECKING

import dagster as dg
from dagster import EventRecordsFilter
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._core.definitions.output import OutputDefinition
from dagster._core.errors import DagsterDefinitionChangedDeserializationError, DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._serdes import ConfigurableClassData, deserialize_value
from dagster_shared.serdes.objects.models.defs_state_info import DefsStateManagementType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dagster._config.config_schema import UserConfigSchema as UserConfigSchema
    from dagster._core.definitions.freshness import FreshnessStateChange as FreshnessStateChange
    from dagster._core.execution.asset_backfill import AssetBackfillData as AssetBackfillData
    from dagster._core.execution.backfill import PartitionBackfill
    from dagster.components.utils.defs_state import DefsStateConfig
    from dagster_shared.error import SerializableErrorInfo as SerializableErrorInfo
    from dagster_shared.yaml_utils.source_position import SourcePositionTree as SourcePositionTree

__all__ = [
    "DATA_VERSION_TAG",
    "AssetKeyPartitionKey",
    "CheckRunHealthResult",
    "ConfigurableClassData",
    "DagsterDefinitionChangedDeserializationError",
    "DagsterUserCodeUnreachableError",
    "DefsStateManagementType",
    "ManyAssets",
    "OutOfMany",
    "WorkerStatus",
    "current_runs",
    "defs_state_path",
    "defs_state_storage_of",
    "event_records",
    "requested_backfills",
]


class OutOfMany(dg.Out):
    """An output of many that differ only in their names.

    Dagster resolves the type of each output anew, which takes half the time of loading an asset with its checks.
    """

    def to_definition(
        self, annotation_type: type, name: str | None, description: str | None, code_version: str | None
    ) -> OutputDefinition:
        """The output with this name."""
        shared = _definition(self, annotation_type, description, code_version)
        named = object.__new__(type(shared))
        named.__dict__.update(shared.__dict__, _name=name)
        return named


@lru_cache(maxsize=8)
def _definition(
    out: OutOfMany, annotation_type: type, description: str | None, code_version: str | None
) -> OutputDefinition:
    return super(OutOfMany, out).to_definition(annotation_type, None, description, code_version)


class ManyAssets(dg.AssetsDefinition):
    """Assets that have many outputs, or none.

    Dagster gives assets the resources of their code location by making them anew, from what it has checked already, and
    asks each output several times what it needs: a fifth of the time of loading 10,000 measurements.
    """

    def with_resources(self, resource_defs: Mapping[str, dg.ResourceDefinition]) -> dg.AssetsDefinition:
        """These assets with those of the resources that they need.

        Raises:
            DagsterInvalidDefinitionError: One is missing.
        """
        needed: set[str] = set()
        left = _asked_for(self)
        while left:
            key = left.pop()
            if self.resource_defs or (key not in resource_defs and self.is_executable):
                # As Dagster has them put together, or says what is wrong.
                return super().with_resources(resource_defs)
            if key in resource_defs and key not in needed:
                needed.add(key)
                left |= resource_defs[key].get_required_resource_keys(resource_defs)
        made = copy(self)
        made._resource_defs = {key: resource for key, resource in resource_defs.items() if key in needed}
        return made


def _asked_for(assets: dg.AssetsDefinition) -> set[str]:
    """The resources that assets ask for themselves."""
    if not assets.is_executable:
        return {assets.get_io_manager_key_for_asset_key(key) for key in assets.keys}
    node = assets.node_def
    if not isinstance(node, dg.OpDefinition):
        return set(assets.required_resource_keys)
    return {*node.required_resource_keys, *(output.io_manager_key for output in node.output_defs)}


def current_runs(serialized: str) -> Sequence[str]:
    """The ids of the runs whose processes are alive, from a code server's answer.

    Raises:
        Exception: The answer is an error.
    """
    from dagster._grpc.types import GetCurrentRunsResult

    return deserialize_value(serialized, GetCurrentRunsResult).current_runs


def event_records(
    instance: dg.DagsterInstance, wanted: EventRecordsFilter, *, limit: int, ascending: bool
) -> Sequence[dg.EventLogRecord]:
    """Events of all runs.

    SQLite keeps a file for each run, and a common one with the events of assets; the public method reads only the
    former.
    """
    from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

    storage = instance.event_log_storage
    if isinstance(storage, SqlEventLogStorage):
        return storage._get_event_records(wanted, limit=limit, ascending=ascending)
    return storage.get_event_records(wanted, limit=limit, ascending=ascending)


def requested_backfills(instance: dg.DagsterInstance) -> Sequence[PartitionBackfill]:
    """The backfills in progress."""
    from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

    return instance.get_backfills(filters=BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED]))


def defs_state_storage_of(instance: dg.DagsterInstance) -> AbstractContextManager[None]:
    """A context in which components keep their state in the instance."""
    from dagster._core.storage.defs_state.base import set_defs_state_storage

    return set_defs_state_storage(instance.defs_state_storage)


def defs_state_path(config: DefsStateConfig, project_root: Path) -> AbstractContextManager[Path | None]:
    """The state file of a component for the definitions being loaded; None where there is none."""
    from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext
    from dagster._core.storage.defs_state.base import DefsStateStorage

    return DefinitionsLoadContext.get().state_path(config, DefsStateStorage.get(), project_root)
