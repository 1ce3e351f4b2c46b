"""Position and equality deletes, as other engines write them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestEntry, ManifestEntryStatus, ManifestFile
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation

from influx_lake.iceberg.commit.commit_plan import FileChange
from influx_lake.iceberg.commit.overwrite_producer import ReplaceCommit, ReplaceFiles
from influx_lake.iceberg.commit.position_deletes import DeleteManifestWriter
from influx_lake.iceberg.staging.staged_table import StagedTable
from influx_lake_tests.unit.iceberg.tables import TARGET, table

_PATH, _POSITION = 2147483546, 2147483545


def delete_rows(catalog: Catalog, positions: Sequence[tuple[DataFile, Sequence[int]]]) -> None:
    """Delete rows of data files of one partition, all in one file of position deletes."""
    found = table(catalog, TARGET)
    pairs = sorted((data.file_path, place) for data, places in positions for place in places)
    schema = pa.schema(
        [
            pa.field("file_path", pa.string(), nullable=False, metadata={"PARQUET:field_id": str(_PATH)}),
            pa.field("pos", pa.int64(), nullable=False, metadata={"PARQUET:field_id": str(_POSITION)}),
        ]
    )
    columns = [pa.array([path for path, _ in pairs]), pa.array([place for _, place in pairs], pa.int64())]
    bounds = {_PATH: pairs[0][0].encode()}, {_PATH: pairs[-1][0].encode()}
    written = _written(
        found, pa.table(columns, schema=schema), DataFileContent.POSITION_DELETES, positions[0][0], bounds
    )
    _commit(
        found,
        written,
        positions[0][0].spec_id,
        {"added-position-deletes": str(len(pairs)), "added-position-delete-files": "1"},
    )


def delete_equal(catalog: Catalog, near: DataFile, host: str) -> None:
    """Delete the rows of a host, by equality."""
    found = table(catalog, TARGET)
    number = found.schema().find_field("host").field_id
    schema = pa.schema([pa.field("host", pa.string(), metadata={"PARQUET:field_id": str(number)})])
    written = _written(
        found, pa.table([[host]], schema=schema), DataFileContent.EQUALITY_DELETES, near, ({}, {}), [number]
    )
    _commit(found, written, near.spec_id, {"added-equality-deletes": "1", "added-equality-delete-files": "1"})


def _written(
    found: Table,
    rows: pa.Table,
    content: DataFileContent,
    near: DataFile,
    bounds: tuple[dict[int, bytes], dict[int, bytes]],
    equality_ids: list[int] | None = None,
) -> DataFile:
    path = f"{found.location()}/data/deletes-{uuid.uuid4()}.parquet"
    with found.io.new_output(path).create() as stream:
        pq.write_table(rows, stream)
        size = stream.tell()
    return DataFile.from_args(
        content=content,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=near.partition,
        record_count=len(rows),
        file_size_in_bytes=size,
        lower_bounds=bounds[0],
        upper_bounds=bounds[1],
        equality_ids=equality_ids,
        sort_order_id=None,
        spec_id=near.spec_id,
    )


def _commit(found: Table, deletes: DataFile, spec_id: int, counted: dict[str, str]) -> None:
    class Deleting(ReplaceFiles):
        def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
            writer = DeleteManifestWriter(
                self.spec(spec_id),
                self.schema(),
                self.new_manifest_output(),
                self._snapshot_id,
                self._compression,
            )
            with writer:
                writer.add(
                    ManifestEntry.from_args(
                        status=ManifestEntryStatus.ADDED,
                        snapshot_id=self._snapshot_id,
                        sequence_number=None,
                        file_sequence_number=None,
                        data_file=deletes,
                    )
                )
            return [*super()._process_manifests(manifests), writer.to_manifest_file()]

    summary = {"added-delete-files": "1", **counted}
    commit = ReplaceCommit(StagedTable.unchanged(found), FileChange(), summary, Operation.OVERWRITE, Deleting)
    commit.prepare({})
    commit.commit()
