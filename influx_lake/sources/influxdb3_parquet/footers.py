"""Reads the footers of persisted files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config.values.source_schema import TIME, Column, ColumnType, Role
from influx_lake.errors import SourceError
from influx_lake.sources.arrow_types import FIELD_TYPES

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

Odd = Callable[[str], SourceError]
"""Makes the error for a file that InfluxDB cannot have written."""

_COLUMN_TYPE = b"iox::column::type"
_TYPE_PREFIX = "iox::column_type::"
_MEASUREMENT = b"iox::measurement::name"
_ARROW_TYPES = {
    pa.float64(): ColumnType.FLOAT,
    pa.int64(): ColumnType.INTEGER,
    pa.uint64(): ColumnType.UINTEGER,
    pa.bool_(): ColumnType.BOOLEAN,
    pa.string(): ColumnType.STRING,
    pa.large_string(): ColumnType.STRING,
    pa.string_view(): ColumnType.STRING,
}


@dataclass(frozen=True, slots=True)
class Footer:
    """The footer of a file.

    Attributes:
        measurement: The measurement's name, where the file has it.
        rows: The number of rows.
        bytes: Their uncompressed size.
        min_time: The first time, in nanoseconds since 1970.
        max_time: The last time.
        columns: The columns.
    """

    measurement: str | None
    rows: int
    bytes: int
    min_time: int
    max_time: int
    columns: tuple[Column, ...]


def read_footer(store: FileSystem, path: str, odd: Odd) -> Footer:
    """Read a file's footer.

    Raises:
        SourceError: The file is damaged, or InfluxDB did not write it.
        FileNotFoundError: It was deleted.
    """
    import pyarrow.parquet as pq

    try:
        with store.open_input_file(path) as file:
            metadata = pq.read_metadata(file)
            schema = metadata.schema.to_arrow_schema()
            names, said = schema.names, ((schema.metadata or {}).get(_MEASUREMENT) or b"").decode()
    except pa.ArrowInvalid as error:
        raise odd(f"{path} is damaged: {error}") from None
    except UnicodeDecodeError as error:
        raise odd(f"{path} is damaged: it contains a name that is not UTF-8: {error.object!r}") from None
    if TIME not in names or not pa.types.is_timestamp(schema.field(TIME).type):
        raise odd(f"{path} has no time column")
    times = [metadata.row_group(group).column(names.index(TIME)) for group in range(metadata.num_row_groups)]
    bounds = [column.statistics for column in times]
    if any(each is None or not each.has_min_max for each in bounds):
        raise odd(f"{path} has no statistics of its times")
    return Footer(
        measurement=said or None,
        rows=metadata.num_rows,
        bytes=sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups)),
        min_time=min((each.min_raw for each in bounds), default=0),
        max_time=max((each.max_raw for each in bounds), default=-1),
        columns=tuple(_column(field, path, odd) for field in schema),
    )


def _column(field: pa.Field, path: str, odd: Odd) -> Column:
    said = ((field.metadata or {}).get(_COLUMN_TYPE) or b"").decode(errors="replace").removeprefix(_TYPE_PREFIX)
    if field.name == TIME:
        return Column(TIME, Role.TIME, ColumnType.TIME)
    if said == "tag" or (not said and pa.types.is_dictionary(field.type)):
        return Column(field.name, Role.TAG, ColumnType.STRING)
    kind = said.removeprefix("field::")
    if kind in FIELD_TYPES:
        return Column(field.name, Role.FIELD, ColumnType(kind))
    if said or field.type not in _ARROW_TYPES:
        raise odd(f"{path}: column {field.name!r} has the type {said or field.type}, which this version does not know")
    return Column(field.name, Role.FIELD, _ARROW_TYPES[field.type])
