"""Reads the records of a file of JSON or CSV: a block at once where that is plain, else one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

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
"""Each record with its line."""


def text_records(landed: LandedFile, config: LandingZoneConfig) -> Records:
    """All records, one after the other.

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
        config: What its records are.
        reader: Makes points of them.
    """

    blocks: TextBlocks
    config: LandingZoneConfig
    reader: RecordReader
    _columns: BlockColumns = field(init=False)
    _parser: CsvRows | JsonDocuments = field(init=False)

    def __post_init__(self) -> None:
        self._columns = BlockColumns(self.reader)
        self._parser = self._reading(self.blocks)

    def block(self) -> memoryview | None:
        """What is left of a block behind the header, or the next one; None at the end.

        Raises:
            SourceError: It cannot be read, or has no header.
        """
        if isinstance(self._parser, CsvRows):
            self._parser.header()
        return self.blocks.block()

    def points(self, block: memoryview) -> list[PointColumns] | None:
        """The points of a block, those of each measurement; None where its records have to be looked at."""
        if isinstance(self._parser, CsvRows):
            return self._columns.of_csv(block, self._parser.header(), self.config.delimiter)
        return self._columns.of_json(block)

    def records(self) -> Records:
        """The records up to the end of a block; one that goes on in the next one takes that in."""
        if isinstance(self._parser, CsvRows):
            self._parser.passed = self.blocks.passed
        yield from self._parser.records()

    def of_block(self, block: memoryview) -> Records:
        """The records of a block of which the points were read, each with its line."""
        again = TextBlocks(iter([bytes(block)]), self.blocks.uri, self.blocks.limits, self.blocks.passed)
        parser = self._reading(again)
        if isinstance(parser, CsvRows) and isinstance(self._parser, CsvRows):
            parser.passed, parser.columns = self.blocks.passed, self._parser.columns
        yield from parser.records()

    def _reading(self, blocks: TextBlocks) -> CsvRows | JsonDocuments:
        """What reads lines one after the other, and stops where a block ends."""
        lines, uri, limits = blocks.lines(), blocks.uri, blocks.limits
        if self.config.format == "csv":
            return CsvRows(lines, uri, limits, self.config, self.reader.measurement, lambda: blocks.between)
        return JsonDocuments(lines, uri, limits, self.config.timestamp, lambda: blocks.between)
