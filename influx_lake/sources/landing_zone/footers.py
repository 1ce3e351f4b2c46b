"""The columns of landed Parquet files; each footer is read once and then cached."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import pyarrow as pa

from influx_lake.config import LandingZoneConfig
from influx_lake.config.values.source_schema import TIME, ColumnType
from influx_lake.errors import FileUnreadable
from influx_lake.private_folders import make_private, replace_private_file
from influx_lake.sources.files import StoredFile
from influx_lake.sources.files.failures import file_errors
from influx_lake.sources.files.file_check import check_parquet
from influx_lake.sources.landing_zone.records import NANOSECONDS
from influx_lake.sources.points.staging import storage_errors

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData

# Reading footers is bound by the latency of the store.
_READERS = 16
_FORMAT = 3
_TAGS, _FIELDS = "tags", "fields"
_UNITS = {"milliseconds": 1_000_000, "microseconds": 1_000, "nanoseconds": 1}
"""Nanoseconds, by the units of Parquet's times."""
_FOOTER_OPTIONS = {"path", "timestamp", "timestamp_units", "measurement_column", "tags", "columns"}
"""The options that change the columns and times read from a footer."""
Kinds: TypeAlias = Mapping[str, ColumnType]


class RowGroup(NamedTuple):
    """The contents of a footer about a row group.

    Attributes:
        first: The time of its first row, in nanoseconds.
        last: The time of its last row.
        rows: How many rows it has.
        size: Its uncompressed size in bytes.
        number: Its index in the file.
    """

    first: int
    last: int
    rows: int
    size: int
    number: int


@dataclass(frozen=True, slots=True)
class FileColumns:
    """The columns of one file.

    Attributes:
        tags: The tags.
        fields: The fields, with their types.
        fills_gaps: Whether its writer puts 0, false or an empty string for missing values.
        row_groups: Its row groups; None if their times are unknown or not plain numbers, or there are objects.
    """

    tags: frozenset[str]
    fields: Kinds
    fills_gaps: bool = False
    row_groups: tuple[RowGroup, ...] | None = None


class Footers:
    """The columns of files, cached in a file on this machine.

    Args:
        config: The options of the files' columns.
    """

    def __init__(self, config: LandingZoneConfig) -> None:
        self._config = config
        settings = config.model_dump_json(include=_FOOTER_OPTIONS)
        name = hashlib.sha256(f"{_FORMAT}\0{settings}".encode()).hexdigest()[:16]
        self._place = config.staging / f"footers-{name}.json"
        self._known: dict[str, FileColumns] | None = None
        self._failed: dict[str, FileUnreadable] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the cache: another process reads the footers of its files itself."""
        return _knowing_nothing, (self._config,)

    def kinds(self, file: StoredFile) -> Kinds:
        """The types of a file's fields.

        Raises:
            SourceError: It cannot be read.
        """
        return self.columns([file])[0].fields

    def columns(self, files: Sequence[StoredFile]) -> list[FileColumns]:
        """The columns of each file.

        Raises:
            SourceError: One of them cannot be read.
        """
        found = self._found(files)
        for each in found:
            if isinstance(each, FileUnreadable):
                raise copy(each)
        return [each for each in found if isinstance(each, FileColumns)]

    def readable(self, files: Sequence[StoredFile]) -> list[FileColumns]:
        """The columns of each readable file.

        Raises:
            SourceError: None of them can be read, or their folder cannot be reached.
        """
        found = self._found(files)
        columns = [each for each in found if isinstance(each, FileColumns)]
        return columns or self.columns(files)

    def _found(self, files: Sequence[StoredFile]) -> list[FileColumns | FileUnreadable]:
        known = self._known = self._load() if self._known is None else self._known
        new = [file for file in files if file.identity not in known and file.identity not in self._failed]
        if new:
            with ThreadPoolExecutor(_READERS) as readers:
                for file, columns in zip(new, readers.map(self._attempt, new), strict=True):
                    if isinstance(columns, FileColumns):
                        known[file.identity] = columns
                    else:
                        self._failed[file.identity] = columns
        return [known.get(file.identity) or self._failed[file.identity] for file in files]

    def _attempt(self, file: StoredFile) -> FileColumns | FileUnreadable:
        try:
            return self._read(file)
        except FileUnreadable as error:
            return error

    def keep(self, files: Iterable[StoredFile]) -> None:
        """Save the cache for the given files, and forget all others."""
        there = {file.identity for file in files}
        known = {identity: each for identity, each in (self._known or {}).items() if identity in there}
        written = {
            identity: [sorted(each.tags), dict(each.fields), each.fills_gaps, each.row_groups]
            for identity, each in known.items()
        }
        folder = self._place.parent
        with storage_errors(folder):
            make_private(folder)
            replace_private_file(self._place, json.dumps(written).encode())

    def _load(self) -> dict[str, FileColumns]:
        """The saved cache; empty if the file is damaged, for it can be rebuilt."""
        try:
            written = json.loads(self._place.read_text(encoding="utf-8"))
            return {
                identity: FileColumns(
                    frozenset(tags),
                    {name: ColumnType(kind) for name, kind in fields.items()},
                    bool(fills_gaps),
                    None if groups is None else tuple(RowGroup(*each) for each in groups),
                )
                for identity, (tags, fields, fills_gaps, groups) in written.items()
            }
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def _read(self, file: StoredFile) -> FileColumns:
        import pyarrow.parquet as pq

        with file_errors(file.uri), file.system.open_input_file(file.path) as stream:
            check_parquet(stream, file.uri)
            footer = pq.read_metadata(stream)
            schema = footer.schema.to_arrow_schema()
            check_names(schema, file.uri)
            columns = columns_of(schema, self._config)
            return replace(columns, fills_gaps=fills_gaps(footer), row_groups=row_groups(footer, self._config))


def _knowing_nothing(config: LandingZoneConfig) -> Footers:
    footers = Footers(config)
    footers._known = {}
    return footers


def check_names(schema: pa.Schema, uri: str) -> None:
    """Make sure that a file has no duplicate column.

    Raises:
        FileUnreadable: It has one.
    """
    objects = [field.type for field in schema if field.name in (_TAGS, _FIELDS) and pa.types.is_struct(field.type)]
    for names in (schema.names, *([field.name for field in each] for each in objects)):
        if again := [name for name, count in Counter(names).items() if count > 1]:
            raise FileUnreadable(f"{uri} has the column {again[0]!r} twice", remedy="Write it with one of them renamed")


def fills_gaps(footer: FileMetaData) -> bool:
    """Whether a file looks like one of Telegraf's `outputs.parquet` (observed with 1.39.3).

    It is written by Apache's library for Go with all columns required: a null added to such a column reads as 0, false
    or an empty string.
    """
    columns = (footer.schema.column(number) for number in range(footer.num_columns))
    by_go = str(footer.created_by).startswith("parquet-go version")
    return by_go and all(column.max_definition_level == 0 for column in columns)


def row_groups(footer: FileMetaData, config: LandingZoneConfig) -> tuple[RowGroup, ...] | None:
    """The times of row groups according to a footer; None if some are missing or not numbers, or there are objects."""
    columns = [footer.schema.column(number) for number in range(footer.num_columns)]
    place = next((number for number, column in enumerate(columns) if column.path == config.timestamp), None)
    nested = any(column.path != column.name for column in columns)
    if place is None or nested or columns[place].physical_type not in ("INT32", "INT64"):
        return None
    kind = json.loads(columns[place].logical_type.to_json())
    if kind["Type"] not in ("None", "Int", "Timestamp"):
        return None
    unit = _UNITS[kind["timeUnit"]] if kind["Type"] == "Timestamp" else NANOSECONDS[config.timestamp_units]
    found = list[RowGroup]()
    for number, group in enumerate(map(footer.row_group, range(footer.num_row_groups))):
        told = group.column(place).statistics
        if not group.num_rows:
            continue
        if told is None or not told.has_min_max or not told.has_null_count or told.null_count:
            return None
        found.append(RowGroup(told.min_raw * unit, told.max_raw * unit, group.num_rows, group.total_byte_size, number))
    return tuple(found)


def columns_of(schema: pa.Schema, config: LandingZoneConfig) -> FileColumns:
    """The tags and fields of a file; columns that no point can have are rejected when rows are read."""
    declared = {tag for each in config.columns.values() for tag in each.tags}
    tags, fields = set(_inside(schema, _TAGS)), dict(_inside(schema, _FIELDS))
    own = {config.timestamp, config.measurement_column, _TAGS, _FIELDS}
    fields |= {field.name: field.type for field in schema if field.name not in own}
    tags |= fields.keys() & {*config.tags, *declared}
    kinds = {name: _kind(kind) for name, kind in fields.items() if name not in tags and name != TIME}
    return FileColumns(frozenset(tags), {name: kind for name, kind in kinds.items() if kind is not None})


def _inside(schema: pa.Schema, name: str) -> dict[str, pa.DataType]:
    place = schema.get_field_index(name)
    kind = schema.field(place).type if place >= 0 else None
    return {field.name: field.type for field in kind} if kind is not None and pa.types.is_struct(kind) else {}


def _kind(kind: pa.DataType) -> ColumnType | None:
    """The type of a column's values in rows; times are strings there."""
    types = pa.types
    value = kind.value_type if types.is_dictionary(kind) else kind
    if types.is_boolean(value):
        return ColumnType.BOOLEAN
    if types.is_integer(value):
        return ColumnType.UINTEGER if value == pa.uint64() else ColumnType.INTEGER
    if types.is_floating(value):
        return ColumnType.FLOAT
    if types.is_string(value) or types.is_large_string(value) or types.is_string_view(value):
        return ColumnType.STRING
    if types.is_timestamp(value) or types.is_date(value):
        return ColumnType.STRING
    return None
