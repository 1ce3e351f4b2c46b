"""Encodes written parts as JSON, for transfer between processes and for the records beside the files."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from influx_lake.config.values.windows import Window
from influx_lake.errors import StorageError
from influx_lake.iceberg.parts.written_part import PartFiles, TableLayout, WrittenPart

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.types import PrimitiveType, StructType

FORMAT = 1
"""The version of the JSON; other versions are refused."""

_PLAIN = ("record_count", "file_size_in_bytes", "split_offsets", "sort_order_id")
_BY_COLUMN = ("column_sizes", "value_counts", "null_value_counts", "nan_value_counts")
_BOUNDS = ("lower_bounds", "upper_bounds")


def encoded(part: WrittenPart) -> bytes:
    """Encode a part as JSON, in UTF-8."""
    facts = {
        "format": FORMAT,
        "id": part.id,
        "window": str(part.window),
        "began": part.began.isoformat(),
        "columns": _text(part.columns.serialize().to_pybytes()),
        "shape": part.shape,
        "files": _files(part.files),
        "quarantined": part.quarantined and _files(part.quarantined),
        "first_us": part.first_us,
        "last_us": part.last_us,
        "preview": _text(_ipc(part.preview)),
        "with_nanoseconds": part.with_nanoseconds,
        "source_rows": part.source_rows,
        "confirmed": part.confirmed and part.confirmed.isoformat(),
    }
    return json.dumps(facts, ensure_ascii=False).encode()


def decoded(text: bytes) -> WrittenPart:
    """Decode a part.

    Raises:
        StorageError: The text is something else, or of another version.
    """
    try:
        return _part(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, pa.ArrowException) as error:
        raise StorageError(
            f"the record of a written part of a window cannot be read: {type(error).__name__}: {error}",
            remedy="Delete it: the part is written again",
        ) from None


def _part(facts: Mapping[str, Any]) -> WrittenPart:
    if facts["format"] != FORMAT:
        raise ValueError(f"its format is {facts['format']!r}")
    quarantined = facts["quarantined"]
    return WrittenPart(
        id=facts["id"],
        window=Window.parse(facts["window"]),
        began=datetime.fromisoformat(facts["began"]),
        columns=pa.ipc.read_schema(pa.py_buffer(_bytes(facts["columns"]))),
        shape=facts["shape"],
        files=_files_of(facts["files"]),
        quarantined=None if quarantined is None else _files_of(quarantined),
        first_us=facts["first_us"],
        last_us=facts["last_us"],
        preview=pa.ipc.open_stream(_bytes(facts["preview"])).read_all(),
        with_nanoseconds=facts["with_nanoseconds"],
        source_rows=facts["source_rows"],
        confirmed=datetime.fromisoformat(facts["confirmed"]) if facts.get("confirmed") else None,
    )


def _files(part: PartFiles) -> dict[str, Any]:
    layout, partition = part.layout, part.layout.spec.partition_type(part.layout.schema)
    return {
        "rows": part.rows,
        "schema": json.loads(layout.schema.model_dump_json()),
        "spec": json.loads(layout.spec.model_dump_json()),
        "order": json.loads(layout.order.model_dump_json()),
        "files": [_file(file, partition) for file in part.files],
    }


def _files_of(facts: Mapping[str, Any]) -> PartFiles:
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table.sorting import SortOrder

    layout = TableLayout(
        Schema.model_validate(facts["schema"]),
        PartitionSpec.model_validate(facts["spec"]),
        SortOrder.model_validate(facts["order"]),
    )
    partition = layout.spec.partition_type(layout.schema)
    files = [_file_of(file, partition, layout.spec.spec_id) for file in facts["files"]]
    return PartFiles(facts["rows"], layout, files)


def _file(file: DataFile, partition: StructType) -> dict[str, Any]:
    from pyiceberg.conversions import to_bytes

    values = [
        None if value is None else _text(to_bytes(kind, value))
        for kind, value in zip(_types(partition), file.partition._data, strict=True)
    ]
    return {
        "path": file.file_path,
        "partition": values,
        **{name: getattr(file, name) for name in _PLAIN},
        **{name: _pairs(getattr(file, name)) for name in _BY_COLUMN},
        **{name: _pairs({key: _text(value) for key, value in (getattr(file, name) or {}).items()}) for name in _BOUNDS},
    }


def _file_of(facts: Mapping[str, Any], partition: StructType, spec_id: int) -> DataFile:
    from pyiceberg.conversions import from_bytes
    from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
    from pyiceberg.typedef import Record

    values = [
        None if text is None else from_bytes(kind, _bytes(text))
        for kind, text in zip(_types(partition), facts["partition"], strict=True)
    ]
    stated: dict[str, Any] = {
        **{name: facts[name] for name in _PLAIN},
        **{name: dict(facts[name]) for name in _BY_COLUMN},
        **{name: {key: _bytes(value) for key, value in facts[name]} for name in _BOUNDS},
    }
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=facts["path"],
        file_format=FileFormat.PARQUET,
        partition=Record(*values),
        spec_id=spec_id,
        equality_ids=None,
        key_metadata=None,
        **stated,
    )


def _types(partition: StructType) -> list[PrimitiveType]:
    from pyiceberg.types import PrimitiveType

    # Partition fields have primitive types only.
    return [field.field_type for field in partition.fields if isinstance(field.field_type, PrimitiveType)]


def _pairs(values: Mapping[int, Any] | None) -> Sequence[tuple[int, Any]]:
    """Encode a mapping as pairs, since keys of JSON objects are strings."""
    return list((values or {}).items())


def _ipc(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return bytes(sink.getvalue())


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
