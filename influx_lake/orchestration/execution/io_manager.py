"""The IO manager that stores assets in Iceberg tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.windows import Window, merged
from influx_lake.errors import ConfigurationError
from influx_lake.orchestration.event_log.log_forwarding import warnings_in
from influx_lake.orchestration.execution.dataframe_inputs import TableRows, load_as
from influx_lake.orchestration.execution.partition_rows import PartitionRows, StoredAsset, write_partitions
from influx_lake.orchestration.failures import failing_clearly
from influx_lake.orchestration.keys import SHARE, TABLE
from influx_lake.orchestration.partition_events import Facts, step_of, stored_events
from influx_lake.orchestration.partitions import time_partitions, window_of
from influx_lake.orchestration.resources import IcebergCatalogResource


class IcebergIOManager(dg.ConfigurableIOManager):
    """Stores assets in Iceberg tables by windows of time, and loads them.

    The table is the asset's key: `["telemetry", "cpu"]` is the table `cpu` in the namespace `telemetry`; an asset whose
    key has one part goes to the namespace `namespace`. The time column is `time`, unless the asset's metadata sets
    another one: `metadata={"time_column": "ts"}`. A table that holds the rows of another asset or source is refused,
    unless the metadata has `"adopt": True`.

    An asset has time-window partitions and returns the rows of the run's partitions, as a pyarrow Table or
    RecordBatchReader, a Polars DataFrame or LazyFrame, or a DuckDB relation. They replace exactly the rows of those
    windows, in one commit. An asset without partitions is refused, since it would not be known which rows of the table
    it replaces.

    An argument is loaded by its annotation: `pa.Table`, `pa.RecordBatchReader`, `pl.LazyFrame`, `pl.DataFrame`,
    `duckdb.DuckDBPyRelation` or `pyiceberg.table.DataScan`, with the rows of the windows of the partition mapping; or
    `pyiceberg.table.Table`, the whole table.
    """

    catalog: IcebergCatalogResource
    namespace: str = "default"

    def handle_output(self, context: dg.OutputContext, obj: object) -> Iterator[dg.AssetMaterialization]:  # type: ignore[override]
        """Write the windows of the run's partitions: those of a `PartitionRows`, else of a frame or a table.

        Yields:
            Where a window fails, the materialisations of those before it.

        Raises:
            Failure: A window could not be replaced; the message tells which, why, and what to do.
        """
        with failing_clearly(context.asset_key.to_user_string()), warnings_in(context.log, step_of().instance):
            windows = _windows_of_output(context)
            rows = obj if isinstance(obj, PartitionRows) else self._frame_rows(context, obj)
            finished: dict[str, Facts] = {}
            try:
                write_partitions(context, self.catalog.open(), rows, windows, finished)
            except (Exception, dg.DagsterExecutionInterruptedError):
                yield from stored_events(context, finished)
                raise

    def write(
        self, asset: StoredAsset, rows: PartitionRows, windows: Mapping[str, Window], finished: dict[str, Facts]
    ) -> None:
        """Write the windows of one asset of a step that stores several.

        Args:
            asset: The asset.
            rows: Its rows.
            windows: The windows of the run's partitions, by partition key.
            finished: Receives the metadata of each partition, as it is written.

        Raises:
            Failure: A window could not be replaced; the message tells which, why, and what to do.
        """
        with failing_clearly(asset.asset_key.to_user_string()), warnings_in(asset.log, step_of().instance):
            write_partitions(asset, self.catalog.open(), rows, windows, finished)

    def load_input(self, context: dg.InputContext) -> object:
        """Load the rows of the upstream asset's partitions, as the type of the argument's annotation.

        Raises:
            Failure: There is no such table, or it cannot be loaded as that type.
        """
        from influx_lake.iceberg.scan.reader import open_table

        with failing_clearly(context.asset_key.to_user_string()):
            upstream = context.upstream_output
            identifier = _table_of(upstream) or self._identifier(context.asset_key)
            table = open_table(self.catalog.open(), identifier, _share_of(upstream))
            rows = TableRows(table, _windows_of_input(context), _time_column(upstream) if upstream else TIME)
            return load_as(context.dagster_type.typing_type, rows, context.name)

    def _frame_rows(self, context: dg.OutputContext, output: object) -> PartitionRows:
        from influx_lake.orchestration.execution.dataframe_rows import FrameRows

        adopt = bool(context.definition_metadata.get("adopt", False))
        return FrameRows(output, self._identifier(context.asset_key), _time_column(context), adopt)

    def _identifier(self, key: dg.AssetKey) -> tuple[str, ...]:
        path = tuple(key.path)
        return path if len(path) > 1 else (*self.namespace.split("."), *path)


def _table_of(upstream: dg.OutputContext | None) -> tuple[str, ...] | None:
    """The table in the metadata of an asset whose key is not its table; None where the key is."""
    stated: Any = upstream.definition_metadata.get(TABLE) if upstream else None
    return tuple(getattr(stated, "value", stated)) if stated else None


def _share_of(upstream: dg.OutputContext | None) -> Share | None:
    """The share in the metadata of an asset whose table may hold several measurements; None without one.

    The share is the whole table until another measurement is loaded into it.
    """
    stated: Any = upstream.definition_metadata.get(SHARE) if upstream else None
    column, value = getattr(stated, "value", stated) or (None, "")
    return None if column is None else Share(column, value, is_alone=True)


def _windows_of_output(context: dg.OutputContext) -> dict[str, Window]:
    if not context.has_asset_partitions:
        raise ConfigurationError(
            f"asset {context.asset_key.to_user_string()} has no partitions, and rows are stored by windows of time",
            remedy="Give the asset time-window partitions, or another IO manager",
        )
    partitions = time_partitions(context.asset_partitions_def, context.asset_key)
    return {key: window_of(partitions, key) for key in context.asset_partition_keys}


def _windows_of_input(context: dg.InputContext) -> list[Window] | None:
    """The windows to load, as few as possible; None for the whole table of an asset without partitions."""
    if not context.has_asset_partitions:
        return None
    partitions = time_partitions(context.asset_partitions_def, context.asset_key)
    return [*merged(window_of(partitions, key) for key in context.asset_partition_keys)]


def _time_column(context: dg.OutputContext) -> str:
    return str(context.definition_metadata.get("time_column", TIME))
