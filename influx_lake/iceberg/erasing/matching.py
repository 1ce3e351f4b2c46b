"""Finds the rows of a table's files that are to be erased, and the files that have such rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.windows import Window
from influx_lake.errors import LakeError
from influx_lake.iceberg.columns.known_columns import as_known, time_field
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.scan.planning import time_bounds
from influx_lake.iceberg.scan.reader import arrow_schema, conform, read_tasks
from influx_lake.iceberg.scan.row_filter import RowFilter
from influx_lake.iceberg.scan.share_files import may_hold_share
from influx_lake.iceberg.storage.named_files import live_files, manifests_of_all

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile, ManifestFile
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

_FIELD_ID = b"PARQUET:field_id"


@dataclass(slots=True)
class Matching:
    """Finds rows in files, including those that delete files hide: they are still in the files.

    Attributes:
        columns: The columns that the condition needs, under the names of the table's loads.
        condition: The mask of the rows in a batch of these columns; null counts as false.
        window: Only rows in this window.
        share: Only rows of this measurement, where the table holds several.
        time_column: The name of the time column.
    """

    columns: tuple[str, ...]
    condition: Callable[[pa.RecordBatch], pa.Array] | None = None
    window: Window | None = None
    share: Share | None = None
    time_column: str = TIME
    _found: dict[str, int] = field(default_factory=dict)

    def mask(self, batch: pa.RecordBatch) -> pa.Array:
        """The mask of the rows of a batch that are to be erased; without nulls."""
        found = self._filter.mask(batch)
        return found if self.condition is None else pc.and_(found, pc.fill_null(self.condition(batch), False))

    def count(self, table: Table, file: DataFile) -> int:
        """The number of such rows in a file of a table; a file that no longer exists has none.

        Raises:
            StorageError: The file cannot be read.
        """
        if file.file_path not in self._found:
            self._found[file.file_path] = self._counted(table, file) if self._may_hold(table, file) else 0
        return self._found[file.file_path]

    def may_be_in(self, table: Table, path: str) -> bool:
        """Whether a file that the table does not reference may have such rows: it has some, or is damaged.

        Its columns are matched by field ids; by names where it has no ids. Missing columns are null.

        Raises:
            StorageError: The store fails.
        """
        from pyarrow.parquet import ParquetFile

        known = as_known(table).schema()
        names = list(dict.fromkeys((*self.columns, *self._filtered_by(), self.time_column)))
        wanted = arrow_schema(known.select(*names))
        ids = {field.name: field.field_id for field in known.fields}
        with catalog_errors(f"look into {path}"):
            try:
                with table.io.new_input(path).open() as stream:
                    file = ParquetFile(stream)
                    there = _places(file.schema_arrow, ids)
                    found = [there[name] for name in names if name in there]
                    for batch in file.iter_batches(columns=found):
                        rows = [
                            batch.column(there[name]).cast(wanted.field(name).type, safe=False)
                            if name in there
                            else pa.nulls(len(batch), wanted.field(name).type)
                            for name in names
                        ]
                        if pc.any(self.mask(pa.RecordBatch.from_arrays(rows, names))).as_py():
                            return True
            except FileNotFoundError:
                return False
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                # A process that was killed leaves a file without its footer: its rows cannot be read.
                return True
        return False

    def snapshots_with(self, table: Table) -> list[Snapshot]:
        """The snapshots of a table whose files have such rows, or which list such files as removed: the bounds of their
        columns are values of the rows.

        Raises:
            StorageError: Files cannot be read.
        """
        by_manifest: dict[str, bool] = {}
        found = []
        with catalog_errors(f"look for rows in the snapshots of {'.'.join(table.name())}"):
            for snapshot in table.metadata.snapshots:
                manifests = manifests_of_all([snapshot], table.io)
                for path, manifest in manifests.items():
                    if path not in by_manifest:
                        by_manifest[path] = self.any_in(table, live_files(manifest, table.io)) or self.removed_in(
                            table, manifest
                        )
                if any(by_manifest[path] for path in manifests):
                    found.append(snapshot)
        return found

    def removed_in(self, table: Table, manifest: ManifestFile) -> bool:
        """Whether a manifest lists a file with such rows as removed; False for files that no longer exist."""
        from pyiceberg.manifest import ManifestEntryStatus

        if manifest.deleted_files_count == 0:
            return False
        entries = manifest.fetch_manifest_entry(table.io, discard_deleted=False)
        return self.any_in(table, [entry.data_file for entry in entries if entry.status is ManifestEntryStatus.DELETED])

    def any_in(self, table: Table, files: Iterable[DataFile]) -> bool:
        """Whether one of these files has such rows; each file is read once, also over several calls."""
        return sum(self.count(table, file) for file in files if _is_data(file)) > 0

    def forget(self, paths: Iterable[str]) -> None:
        """Read files again at the next call."""
        for path in paths:
            self._found.pop(path, None)

    @property
    def _filter(self) -> RowFilter:
        return RowFilter((self.window,) if self.window else None, self.time_column, self.share)

    def _may_hold(self, table: Table, file: DataFile) -> bool:
        if self.window is not None:
            bounds = time_bounds(file, time_field(table, self.time_column).field_id)
            if self._filter.holds_none(bounds):
                return False
        return may_hold_share(as_known(table, share=self.share))(file)

    def _counted(self, table: Table, file: DataFile) -> int:
        from pyiceberg.table import FileScanTask

        known = as_known(table)
        names = dict.fromkeys((*self.columns, *self._filtered_by(), self.time_column))
        projection = known.schema().select(*names)
        schema = arrow_schema(projection)
        try:
            batches = read_tasks(known, [FileScanTask(file)], None, projection)
            return sum(pc.sum(self.mask(conform(batch, schema))).as_py() or 0 for batch in batches)
        except LakeError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return 0
            raise

    def _filtered_by(self) -> tuple[str, ...]:
        return (self.share.column,) if self.share else ()


def _places(stored: pa.Schema, ids: Mapping[str, int]) -> dict[str, str]:
    """The names of columns in a file, by the names of the table's loads."""
    numbered = {int((field.metadata or {}).get(_FIELD_ID, -1)): field.name for field in stored}
    if set(numbered) == {-1}:
        return {name: name for name in ids if name in stored.names}
    return {name: numbered[number] for name, number in ids.items() if number in numbered}


def _is_data(file: DataFile) -> bool:
    from pyiceberg.manifest import DataFileContent

    return file.content is DataFileContent.DATA
