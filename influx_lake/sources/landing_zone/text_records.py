"""Reads the records of a JSON or CSV file: a block at once if it is plain, otherwise one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import InitVar, dataclass, field

from influx_lake.config import LandingZoneConfig
from influx_lake.sources.files import FileLimits, read_chunks
from influx_lake.sources.files.text_blocks import TextBlocks
from influx_lake.sources.landing_zone.block_columns import BlockColumns
from influx_lake.sources.landing_zone.columns import PointColumns
from influx_lake.sources.landing_zone.csv_rows import CsvRows
from influx_lake.sources.landing_zone.folders import LandedFile
from influx_lake.sources.landing_zone.json_documents import JsonDocuments
from influx_lake.sources.landing_zone.records import RecordReader

Records = Iterator[tuple[int, object]]
"""Each record with its line number."""


def text_records(landed: LandedFile, config: LandingZoneConfig) -> Records:
    """All records, one by one.

    Raises:
        SourceError: While iterating: the file cannot be read.
    """
    limits = FileLimits(config.max_document, config.max_expansion)
    with read_chunks(landed.file, limits) as chunks:
        blocks = TextBlocks(chunks, landed.file.uri, limits)
        text = TextRecords(blocks, config, RecordReader(config, landed.measurement))
        while blocks.block() is not None:
            yield from text.records()


@dataclass(slots=True)
class TextRecords:
    """The records of a file.

    Attributes:
        blocks: The file.
        config: The options of its records.
        reader: Converts them to points.
        columns: The names of the CSV columns, where they are known.
    """

    blocks: TextBlocks
    config: LandingZoneConfig
    reader: RecordReader
    columns: InitVar[Sequence[str] | None] = None
    _columns: BlockColumns = field(init=False)
    _parser: CsvRows | JsonDocuments = field(init=False)

    def __post_init__(self, columns: Sequence[str] | None) -> None:
        self._columns = BlockColumns(self.reader)
        self._parser = self._reading(self.blocks)
        if isinstance(self._parser, CsvRows) and columns is not None:
            self._parser.columns = list(columns)

    @property
    def between(self) -> bool:
        """Whether no record was begun of the lines that were read."""
        return self._parser.between

    @property
    def header(self) -> tuple[str, ...] | None:
        """The names of the columns of CSV, once they are known."""
        known = self._parser.columns if isinstance(self._parser, CsvRows) else None
        return None if known is None else tuple(known)

    def block(self) -> memoryview | None:
        """The rest of a block after the header, or the next one; None at the end.

        Raises:
            SourceError: It cannot be read, or has no header.
        """
        if isinstance(self._parser, CsvRows):
            self._parser.header()
        return self.blocks.block()

    def points(self, block: memoryview) -> list[PointColumns] | None:
        """The points of a block by measurement; None if its records have to be parsed one by one."""
        if isinstance(self._parser, CsvRows):
            return self._columns.of_csv(block, self._parser.header(), self.config.delimiter)
        return self._columns.of_json(block)

    def records(self) -> Records:
        """The records up to the end of a block; one that continues in the next block is read to its end."""
        if isinstance(self._parser, CsvRows):
            self._parser.passed = self.blocks.passed
        yield from self._parser.records()

    def of_block(self, block: memoryview) -> Records:
        """The records of a block whose points were already read, each with its line number."""
        again = TextBlocks(iter([bytes(block)]), self.blocks.uri, self.blocks.limits, self.blocks.passed)
        parser = self._reading(again)
        if isinstance(parser, CsvRows) and isinstance(self._parser, CsvRows):
            parser.passed, parser.columns = self.blocks.passed, self._parser.columns
        yield from parser.records()

    def _reading(self, blocks: TextBlocks) -> CsvRows | JsonDocuments:
        """A parser of single lines that stops at the end of a block."""
        lines, uri, limits = blocks.lines(), blocks.uri, blocks.limits
        if self.config.format == "csv":
            return CsvRows(lines, uri, limits, self.config, self.reader.measurement, lambda: blocks.between)
        return JsonDocuments(lines, uri, limits, self.config.timestamp, lambda: blocks.between)
