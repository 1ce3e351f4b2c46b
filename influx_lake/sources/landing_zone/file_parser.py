"""Parses one landed file to cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

from influx_lake.config import LandingZoneConfig
from influx_lake.config.values.source_schema import TIME, ColumnType
from influx_lake.config.values.windows import Window
from influx_lake.errors import FileUnreadable
from influx_lake.sources.files import FileLimits, StoredFile, read_chunks
from influx_lake.sources.files.parts import WHOLE, FilePart, PartChunks, Place
from influx_lake.sources.files.text_blocks import TextBlocks
from influx_lake.sources.landing_zone.columns import PointColumns
from influx_lake.sources.landing_zone.folders import LandedFile
from influx_lake.sources.landing_zone.footers import FileColumns
from influx_lake.sources.landing_zone.formats import Records, batch_records, parquet_batches
from influx_lake.sources.landing_zone.parquet_columns import ParquetColumns
from influx_lake.sources.landing_zone.record_columns import RecordColumns
from influx_lake.sources.landing_zone.records import RecordReader
from influx_lake.sources.landing_zone.text_records import TextRecords, text_records
from influx_lake.sources.landing_zone.unreadable_part import text_of
from influx_lake.sources.points.bad_record import BadRecord
from influx_lake.sources.points.cell_builder import BadPoint, CellsBuilder
from influx_lake.sources.points.left_out import too_bad
from influx_lake.sources.points.registry import FieldName
from influx_lake.sources.points.staged_file import UnitWriter

_CELLS_AT_ONCE = 100_000
_RECORDS_AT_ONCE = 8_192


@dataclass(frozen=True, slots=True)
class LandedFileTask:
    """Parses a landed file.

    Attributes:
        config: The options of its records.
        landed: The file.
        kinds: Returns the fields' types, if files declare them.
        left_out: Columns of Parquet that are not read.
        reach: The time range allowed for its points; those outside are counted.
    """

    config: LandingZoneConfig
    landed: LandedFile
    kinds: Callable[[StoredFile], Mapping[str, ColumnType]]
    left_out: frozenset[str]
    reach: Window

    @property
    def file(self) -> StoredFile:
        return self.landed.file

    @property
    def is_text(self) -> bool:
        return self.config.format != "parquet"

    def __call__(self, writer: UnitWriter, part: FilePart = WHOLE) -> Place:
        """Write its points to a unit; see `FileTask`.

        Raises:
            BadRecords: It has more bad records than allowed.
            SourceError: It cannot be read.
        """
        kinds = {} if self.is_text else self.kinds(self.file)
        return FileParsing(self.config, self.landed, kinds, writer, self.left_out).run(part)

    def context_by(self, head: bytes) -> tuple[str, ...] | None:
        """The columns of CSV, by the first lines of the file; see `FileTask`."""
        blocks = TextBlocks(iter([head]), self.file.uri, _limits(self.config))
        text = TextRecords(blocks, self.config, RecordReader(self.config, self.landed.measurement))
        text.block()
        return text.header


def row_group_points(
    config: LandingZoneConfig,
    landed: LandedFile,
    columns: FileColumns,
    row_groups: Sequence[int],
    left_out: frozenset[str],
) -> Iterator[PointColumns | None]:
    """The points of row groups of Parquet, in batches; None in place of rows that have to be parsed one by one.

    Args:
        config: The options of the columns.
        landed: The file, whose folder names the measurement.
        columns: Its columns.
        row_groups: The row groups to read.
        left_out: Columns that are not read.

    Raises:
        SourceError: While iterating: the file cannot be read.
    """
    reader = ParquetColumns(config, landed.measurement or "", columns.fields)
    for batch in parquet_batches(landed.file, left_out, row_groups, columns.tags):
        yield reader.of(batch)


@dataclass(slots=True)
class FileParsing:
    """Writes the points of a file to a unit.

    Attributes:
        config: The options of its records.
        landed: The file.
        kinds: The fields' types, if the file declares them.
        writer: Takes the cells.
        left_out: Columns of Parquet that are not read.
    """

    config: LandingZoneConfig
    landed: LandedFile
    kinds: Mapping[str, ColumnType]
    writer: UnitWriter
    left_out: frozenset[str] = frozenset()
    _facts: dict[str, Any] = field(init=False)
    _builder: CellsBuilder = field(init=False)
    _reader: RecordReader = field(init=False)

    def __post_init__(self) -> None:
        self._facts = {"file": self.landed.file.uri, "first_bad": None, "empty": 0, "first_empty": None}
        self._facts["numbered"] = self._noun
        self._builder = CellsBuilder(self.writer.registry)
        self._reader = RecordReader(self.config, self.landed.measurement, self.config.format == "csv", self.kinds)

    def run(self, part: FilePart = WHOLE) -> Place:
        """Parse the file, or a part of it.

        Returns:
            The place where the part ended.

        Raises:
            BadRecords: It has more bad records than allowed.
            SourceError: The file cannot be read.
        """
        end = self._add_parquet() if self.config.format == "parquet" else self._add_text(part)
        self.writer.add(self._builder.taken())
        self.writer.close(self._facts)
        return end

    def _add_parquet(self) -> Place:
        name, first = self.landed.measurement, 1
        columns = ParquetColumns(self.config, name, self.kinds) if name else None
        for batch in parquet_batches(self.landed.file, self.left_out):
            if first == 1 and len(batch):
                self._check_columns(batch.schema.names)
            if columns and (points := columns.of(batch)) is not None:
                self._add_columns([points], partial(batch_records, batch, first))
            else:
                self._add_each(batch_records(batch, first))
            first += len(batch)
        return Place(self.landed.file.size)

    def _add_text(self, part: FilePart) -> Place:
        limits, start = _limits(self.config), part.start or Place()
        columns = start.context if isinstance(start.context, tuple) else None
        with read_chunks(self.landed.file, limits, start.offset) as chunks:
            read = PartChunks(chunks, start.offset, part.end, lambda: text.between)
            blocks = TextBlocks(iter(read), self.landed.file.uri, limits, start.lines)
            text = TextRecords(blocks, self.config, self._reader, columns)
            while (block := text.block()) is not None:
                points = text.points(block)
                if points is not None:
                    self._add_columns(points, partial(text.of_block, block))
                    blocks.pass_over()
                else:
                    self._add(text.records())
        return Place(read.at, blocks.passed, text.header)

    def _check_columns(self, names: Sequence[str]) -> None:
        """Make sure that a Parquet file has the columns that each point needs.

        Raises:
            FileUnreadable: It does not.
        """
        wanted = {"timestamp": self.config.timestamp}
        if not self.landed.measurement:
            wanted["measurement_column"] = self.config.measurement_column
        for option, name in wanted.items():
            if name not in names:
                remedy = f"Set `{option}` to the right column"
                if option == "timestamp" and TIME in names:
                    remedy = f"Set `{option}: {TIME}`"
                shown = ", ".join(names)[:200]
                raise FileUnreadable(f"{self.landed.file.uri} has no column {name!r}: {shown}", remedy=remedy)

    def _add(self, records: Records) -> None:
        columns = RecordColumns(self._reader)
        while some := list(islice(records, _RECORDS_AT_ONCE)):
            points = columns.of([record for _, record in some])
            if points is not None:
                self._add_columns(points, partial(iter, some))
            else:
                self._add_each(some)

    def _add_columns(self, points: Sequence[PointColumns], records: Callable[[], Records]) -> None:
        # Keep the order of the file.
        self.writer.add(self._builder.taken())
        for each in points:
            each.add_to(self.writer)
        if empty := sum(each.empty for each in points):
            first = None
            if self._facts["first_empty"] is None:
                first = next((number for number, record in records() if self._reader.point(record) is None), 0)
            self._add_empty(empty, first)

    def _add_each(self, records: Iterable[tuple[int, object]]) -> None:
        for number, record in records:
            try:
                point = self._reader.point(record)
            except BadPoint as error:
                self._add_bad(BadRecord(number, str(error), text_of(record)))
                continue
            if point is not None:
                self._builder.add(point)
            else:
                self._add_empty(1, number)
            if len(self._builder) >= _CELLS_AT_ONCE:
                self.writer.add(self._builder.taken())

    def _add_empty(self, count: int, number: int | None) -> None:
        if self.left_out:
            # Values may be in columns that are not read.
            return
        self._facts["empty"] += count
        self._facts["first_empty"] = self._facts["first_empty"] or f"{self._noun} {number:,}"

    @property
    def _noun(self) -> str:
        """The word for the numbers of records."""
        return "row" if self.config.format == "parquet" else "line"

    def _add_bad(self, record: BadRecord) -> None:
        bad, allowed = self.writer.add_bad([record]), self.config.max_bad_lines
        self._facts["first_bad"] = self._facts["first_bad"] or f"{self._noun} {record.line:,} {record.reason}"
        if bad > allowed:
            raise too_bad(bad, allowed, self._facts, self.writer.bad_file) from None


def _limits(config: LandingZoneConfig) -> FileLimits:
    return FileLimits(config.max_document, config.max_expansion)


def line_of(
    config: LandingZoneConfig, landed: LandedFile, measurement: str, wanted: tuple[FieldName, int, int]
) -> int | None:
    """The line number of a value; None if it is not in the file.

    Args:
        config: The options of the file's records.
        landed: The file.
        measurement: The measurement.
        wanted: The field with its type, the value and the time.

    Raises:
        SourceError: The file cannot be read.
    """
    (field, kind), value, time = wanted
    reader = RecordReader(config, landed.measurement, config.format == "csv")
    for number, record in text_records(landed, config) if config.format != "parquet" else ():
        try:
            point = reader.point(record)
        except BadPoint:
            continue
        if point and (point.measurement, point.time, point.fields.get(field)) == (measurement, time, (kind, value)):
            return number
    return None
