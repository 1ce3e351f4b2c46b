"""An object store as InfluxDB 3 Core leaves it: files by number, each sorted and without doubles in itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

CHUNK_NS = 600 * 10**9
_KINDS = {
    "timestamp": pa.timestamp("ns"),
    "tag": pa.dictionary(pa.int32(), pa.string()),
    "field::float": pa.float64(),
    "field::integer": pa.int64(),
    "field::uinteger": pa.uint64(),
    "field::string": pa.string(),
    "field::boolean": pa.bool_(),
}
CPU = {"time": "timestamp", "host": "tag", "usage": "field::float", "count": "field::integer"}


@dataclass(frozen=True)
class Node:
    """A node's folder.

    Attributes:
        folder: The folder.
        says_names: Whether the files say which measurement they are of.
    """

    folder: Path
    says_names: bool = True

    def persist(
        self,
        rows: Sequence[Mapping[str, Any]],
        sequence: int,
        *,
        database: int | str = 1,
        table: int | str = 3,
        name: str = "cpu",
        columns: Mapping[str, str] = CPU,
    ) -> None:
        """Write points as the server does when it takes a snapshot: a file for each chunk of ten minutes."""
        fields = [
            pa.field(column, _KINDS[kind], column != "time", {"iox::column::type": f"iox::column_type::{kind}"})
            for column, kind in columns.items()
        ]
        schema = pa.schema(fields, {"iox::measurement::name": name} if self.says_names else None)
        for chunk in sorted({row["time"] // CHUNK_NS for row in rows}):
            inside = [row for row in rows if row["time"] // CHUNK_NS == chunk]
            arrays = [pa.array([row.get(field.name) for row in inside], field.type) for field in fields]
            when = datetime.fromtimestamp(chunk * CHUNK_NS // 10**9, UTC)
            folder = self.folder / "dbs" / str(database) / str(table) / f"{when:%Y-%m-%d}" / f"{when:%H-%M}"
            folder.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table(arrays, schema=schema), folder / f"{sequence:010}.parquet", compression="zstd")


def spoil(file: Path, column: str) -> None:
    """Write over the values of a column."""
    metadata = pq.read_metadata(file).row_group(0)
    (chunk,) = [
        each for place in range(metadata.num_columns) if (each := metadata.column(place)).path_in_schema == column
    ]
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    held = bytearray(file.read_bytes())
    held[start : start + chunk.total_compressed_size] = bytes(chunk.total_compressed_size)
    file.write_bytes(held)
