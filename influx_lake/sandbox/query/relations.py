"""Registers measurements and system tables in DataFusion for one query."""

from __future__ import annotations

import datafusion
import pyarrow as pa
from datafusion.catalog import Table as Provider

from influx_lake.sandbox.faults import Faults
from influx_lake.sandbox.storage.columns import TIME, conform
from influx_lake.sandbox.storage.table import Snapshot


class Relations:
    """Builds the relations of one query, in a separate context, so that their names are not visible to the query."""

    def __init__(self, faults: Faults) -> None:
        self._context = datafusion.SessionContext()
        self._faults = faults
        self._missing = faults.take_missing()
        self._count = 0

    def plain(self, table: pa.Table) -> Provider:
        """A relation in memory."""
        return self._memory(table.schema, table.to_batches())[1]

    def measurement(self, snapshot: Snapshot) -> Provider:
        """The runs of a snapshot as one relation. Those in files are scanned lazily, when the query runs."""
        files = [run for run in snapshot.runs if run.path is not None]
        tables = [conform(run.table, snapshot.schema) for run in snapshot.runs if run.table is not None]
        batches = [batch for table in tables for batch in table.to_batches()]
        if not files:
            frame, provider = self._memory(snapshot.schema, batches)
        else:
            frame, provider = self._folder(snapshot)
            if batches:
                frame = frame.union(self._memory(snapshot.schema, batches)[0])
                provider = Provider(frame)
        visible = self._visible(frame)
        return provider if visible is frame else Provider(visible)

    def _memory(self, schema: pa.Schema, batches: list[pa.RecordBatch]) -> tuple[datafusion.DataFrame, Provider]:
        name = self._name()
        frame = self._context.create_dataframe([batches or [_empty(schema)]], name)
        return frame, self._registered(name)

    def _folder(self, snapshot: Snapshot) -> tuple[datafusion.DataFrame, Provider]:
        """All files of the folder of the runs: a generation contains nothing else."""
        name = self._name()
        path = next(run.path for run in snapshot.runs if run.path is not None)
        self._context.register_parquet(name, f"{path.parent}/", schema=snapshot.schema, skip_metadata=False)
        return self._context.table(name), self._registered(name)

    def _registered(self, name: str) -> Provider:
        return self._context.catalog().schema("public").table(name)

    def _name(self) -> str:
        self._count += 1
        return f"relation_{self._count}"

    def _visible(self, frame: datafusion.DataFrame) -> datafusion.DataFrame:
        time = datafusion.col(f'"{TIME}"')
        if self._faults.hidden_before is not None:
            frame = frame.filter(time >= _moment(self._faults.hidden_before))
        for start, end in self._missing:
            frame = frame.filter((time < _moment(start)) | (time >= _moment(end)))
        return frame


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def _moment(nanoseconds: int) -> datafusion.Expr:
    return datafusion.lit(pa.scalar(nanoseconds, pa.timestamp("ns")))
