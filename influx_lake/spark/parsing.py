"""Parses files in executors, by the code of loads without Spark, into an index and pieces."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from influx_lake.config import LandingZoneConfig, LineProtocolConfig
from influx_lake.errors import LakeError
from influx_lake.sources.files.parts import END, WHOLE, FilePart, Place, first_line_from, head_of, is_divisible
from influx_lake.sources.landing_zone.misplaced import OUTSIDE, points_outside
from influx_lake.sources.points.registry import Registry
from influx_lake.sources.points.staged_file import Unit, UnitWriter
from influx_lake.sources.points.staging import FileTask
from influx_lake.spark.line_pieces import pieces_of
from influx_lake.spark.outcomes import Outcome
from influx_lake.spark.serialization import received
from influx_lake.spark.unit_index import UnitIndex, bad_lines_in

FilesConfig = LandingZoneConfig | LineProtocolConfig

PARSED = pa.schema(
    [
        ("file", pa.int32()),
        ("measurement", pa.string()),
        ("first", pa.int64()),
        ("last", pa.int64()),
        ("piece", pa.int64()),
        ("content", pa.binary()),
    ]
)
"""Rows of a file's pieces; where `piece` is null, `content` is the pickled `Outcome` of a `ParsedFile`."""
_PIECES_OF_A_PART = 2**40
_HEAD_BYTES = 1 << 20
PARSED_DDL = "file int, measurement string, first bigint, last bigint, piece bigint, content binary"


@dataclass(frozen=True, slots=True)
class FileToParse:
    """A file, or a part of one, to parse.

    Attributes:
        number: Its number in the resulting rows.
        task: Parses the file.
        bad_file: The path on the driver for the file's bad records, for messages.
        part: The part.
        order: The place of the part among those of the file.
    """

    number: int
    task: FileTask
    bad_file: Path
    part: FilePart = WHOLE
    order: int = 0

    @property
    def size(self) -> int:
        """How many bytes it has, about."""
        return max(0, min(self.part.end, self.task.file.size) - self.part.begin)


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """The result of parsing a file, or a part of one.

    Attributes:
        index: The index of its points; None where parsing failed, or no record seems to begin in the part.
        bad_lines: The bad records, as JSON lines.
        start: Where parsing began; None where that is not known.
        end: Where it ended; None where it failed.
    """

    index: UnitIndex | None
    bad_lines: bytes
    start: Place | None = None
    end: Place | None = None


def parsing(
    config: bytes, groups: Sequence[bytes], *, values: bool
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The task that parses the files of its groups.

    Args:
        config: The source, shipped.
        groups: The files of each task: lists of `FileToParse`, shipped.
        values: Whether to yield pieces besides the indexes.
    """

    def parse(numbers: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                source: FilesConfig = received(config)
                for wanted in received(groups[number], source.storage_properties):
                    yield from _parsed(source, wanted, values=values)

    return parse


def _parsed(config: FilesConfig, wanted: FileToParse, *, values: bool) -> Iterator[pa.RecordBatch]:
    with tempfile.TemporaryDirectory(prefix="influx-lake-spark-") as folder:
        unit_folder, bad_file = Path(folder) / "unit", Path(folder) / "bad" / "lines.jsonl"
        unit_folder.mkdir()
        units: list[Unit] = []
        starts: list[Place] = []

        def work() -> ParsedFile:
            part = _started(wanted.task, wanted.part)
            if part.start is None:
                return ParsedFile(None, b"")
            starts.append(part.start)
            unit, end = _parsed_unit(config, wanted.task, part, unit_folder, bad_file)
            units.append(unit)
            return ParsedFile(UnitIndex.of(unit), bad_lines_in(bad_file), part.start, end)

        outcome = Outcome.of(work)
        if outcome.error is not None:
            failed = ParsedFile(None, bad_lines_in(bad_file), *starts)
            outcome = replace(_with_paths_of_driver(outcome, bad_file, wanted.bad_file), value=failed)
        yield _row([wanted.number], [None], [None], [None], [None], [outcome.packed()])
        for piece in pieces_of(units[0]) if units and values else ():
            number = wanted.order * _PIECES_OF_A_PART + piece.number
            yield _row([wanted.number], [piece.measurement], [piece.first], [piece.last], [number], [piece.content])


def _started(task: FileTask, part: FilePart) -> FilePart:
    """A part with its start, as far as it is known without the parts before it."""
    if part == WHOLE or (part.start is not None and part.begin):
        return part
    if not is_divisible(task.file):
        # The first part is all of it.
        return WHOLE if part.start is not None else part
    if part.start is not None:
        return part
    offset = first_line_from(task.file, part.begin, part.end)
    if offset is None:
        return part
    # One line is before it at least.
    return replace(part, start=Place(offset, 1, task.context_by(head_of(task.file, _HEAD_BYTES))))


def _parsed_unit(
    config: FilesConfig, task: FileTask, part: FilePart, folder: Path, bad_file: Path
) -> tuple[Unit, Place]:
    writer = UnitWriter(folder, bad_file, Registry(), config.staging_limit)
    try:
        end = task(writer, part)
    except LakeError:
        writer.abandon()
        raise
    unit = Unit.open(folder, bad_file)
    if task.reach is not None:
        unit.facts[OUTSIDE] = points_outside(unit, task.reach)
    # A part that is the whole file leaves nothing to the other parts.
    return unit, end if part.end < END else replace(end, offset=END)


def _with_paths_of_driver(outcome: Outcome, executor_path: Path, driver_path: Path) -> Outcome:
    """The outcome with the driver's path of bad records in the error."""
    assert outcome.error is not None
    module, name, arguments, state = outcome.error

    def replaced(value: Any) -> Any:
        return value.replace(str(executor_path), str(driver_path)) if isinstance(value, str) else value

    state = {key: replaced(value) for key, value in state.items()}
    return replace(outcome, error=(module, name, tuple(map(replaced, arguments)), state))


def _row(*columns: list[Any]) -> pa.RecordBatch:
    arrays = [pa.array(values, field.type) for values, field in zip(columns, PARSED, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=PARSED)
