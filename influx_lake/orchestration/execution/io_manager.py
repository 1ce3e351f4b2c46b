"""Iceberg tables as the place where assets live."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.windows import Window, merged
from influx_lake.errors import ConfigurationError
from influx_lake.orchestration.event_log.forwarding import warnings_in
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
    key has one part goes to the namespace `namespace`. Its column of time is `time`, or what the asset's metadata says:
    `metadata={"time_column": "ts"}`. A table that holds the rows of another asset or source is refused, unless the
    metadata says `"adopt": True`.

    An asset has time-window partitions and returns the rows of the partitions it is run for, as a pyarrow Table or
    RecordBatchReader, a Polars DataFrame or LazyFrame, or a DuckDB relation. They replace exactly the rows of those
    windows, in one commit. An asset without partitions is refused: nothing says which of a table's rows it replaces.

    An argument is loaded as its annotation says: `pa.Table`, `pa.RecordBatchReader`, `pl.LazyFrame`, `pl.DataFrame`,
    `duckdb.DuckDBPyRelation` or `pyiceberg.table.DataScan`, with the rows of the windows that the partition mapping
    gives; or `pyiceberg.table.Table`, the whole table.
    """

    catalog: IcebergCatalogResource
    namespace: str = "default"

    def handle_output(self, context: dg.OutputContext, obj: object) -> Iterator[dg.AssetMaterialization]:  # type: ignore[override]
        """Write the windows of the run's partitions: those of a `PartitionRows`, else of a frame or a table.

        Yields:
            When a window fails, the materialisations of those before it.

        Raises:
            Failure: A window could not be replaced; the message says which, why, and what to do.
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
        """Write windows of an asset for a step that stores several, each for itself.

        Args:
            asset: The asset.
            rows: Its rows.
            windows: The windows of the run's partitions, by partition key.
            finished: Is filled with what is shown of each partition, as it is written.

        Raises:
            Failure: A window could not be replaced; the message says which, why, and what to do.
        """
        with failing_clearly(asset.asset_key.to_user_string()), warnings_in(asset.log, step_of().instance):
            write_partitions(asset, self.catalog.open(), rows, windows, finished)

    def load_input(self, context: dg.InputContext) -> object:
        """Give the rows of the upstream asset's partitions, as the argument's annotation asks.

        Raises:
            Failure: There is no such table, or it cannot be given as that type.
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
    """The table of an asset whose key is another, as its metadata has it."""
    stated: Any = upstream.definition_metadata.get(TABLE) if upstream else None
    return tuple(getattr(stated, "value", stated)) if stated else None


def _share_of(upstream: dg.OutputContext | None) -> Share | None:
    """The rows of its table that an asset is, where the table may hold several measurements, as its metadata has it.

    Where no other was ever loaded into the table, it is the whole of it.
    """
    stated: Any = upstream.definition_metadata.get(SHARE) if upstream else None
    column, value = getattr(stated, "value", stated) or (None, "")
    return None if column is None else Share(column, value, is_alone=True)


def _windows_of_output(context: dg.OutputContext) -> dict[str, Window]:
    if not context.has_asset_partitions:
        raise ConfigurationError(
            f"asset {context.asset_key.to_user_string()} has no partitions, and its rows replace windows of time",
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
