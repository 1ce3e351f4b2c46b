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
from influx_lake.sources.landing_zone.misplaced import OUTSIDE, points_outside
from influx_lake.sources.points.registry import Registry
from influx_lake.sources.points.staged_file import Unit, UnitWriter
from influx_lake.sources.points.staging import FileTask
from influx_lake.spark.line_pieces import pieces_of
from influx_lake.spark.outcomes import Outcome
from influx_lake.spark.shipping import received
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
PARSED_DDL = "file int, measurement string, first bigint, last bigint, piece bigint, content binary"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to parse.

    Attributes:
        number: Its number in the resulting rows.
        task: Parses it.
        bad_file: The path on the driver for its bad records, for messages.
    """

    number: int
    task: FileTask
    bad_file: Path


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """The result of parsing a file.

    Attributes:
        index: The index of its points; None where parsing failed.
        bad_lines: The bad records, as JSON lines.
    """

    index: UnitIndex | None
    bad_lines: bytes


def parsing(
    config: bytes, groups: Sequence[bytes], *, values: bool
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The task that parses the files of its groups.

    Args:
        config: The source, shipped.
        groups: The files of each task: lists of `Wanted`, shipped.
        values: Whether to yield pieces besides the indexes.
    """

    def parse(numbers: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                source: FilesConfig = received(config)
                for wanted in received(groups[number], source.storage_properties):
                    yield from _parsed(source, wanted, values=values)

    return parse


def _parsed(config: FilesConfig, wanted: Wanted, *, values: bool) -> Iterator[pa.RecordBatch]:
    with tempfile.TemporaryDirectory(prefix="influx-lake-spark-") as folder:
        unit_folder, bad_file = Path(folder) / "unit", Path(folder) / "bad" / "lines.jsonl"
        unit_folder.mkdir()
        units: list[Unit] = []

        def work() -> ParsedFile:
            unit = _parsed_unit(config, wanted.task, unit_folder, bad_file)
            units.append(unit)
            return ParsedFile(UnitIndex.of(unit), bad_lines_in(bad_file))

        outcome = Outcome.of(work)
        if outcome.error is not None:
            outcome = replace(_with_paths_of_driver(outcome, bad_file, wanted.bad_file), value=_failed(bad_file))
        yield _row([wanted.number], [None], [None], [None], [None], [outcome.packed()])
        for piece in pieces_of(units[0]) if units and values else ():
            yield _row(
                [wanted.number], [piece.measurement], [piece.first], [piece.last], [piece.number], [piece.content]
            )


def _parsed_unit(config: FilesConfig, task: FileTask, folder: Path, bad_file: Path) -> Unit:
    writer = UnitWriter(folder, bad_file, Registry(), config.staging_limit)
    try:
        task(writer)
    except LakeError:
        writer.abandon()
        raise
    unit = Unit.open(folder, bad_file)
    if task.reach is not None:
        unit.facts[OUTSIDE] = points_outside(unit, task.reach)
    return unit


def _failed(bad_file: Path) -> ParsedFile:
    return ParsedFile(None, bad_lines_in(bad_file))


def _with_paths_of_driver(outcome: Outcome, here: Path, there: Path) -> Outcome:
    """The outcome with the driver's path of bad records in the error."""
    assert outcome.error is not None
    module, name, arguments, state = outcome.error

    def replaced(value: Any) -> Any:
        return value.replace(str(here), str(there)) if isinstance(value, str) else value

    state = {key: replaced(value) for key, value in state.items()}
    return replace(outcome, error=(module, name, tuple(map(replaced, arguments)), state))


def _row(*columns: list[Any]) -> pa.RecordBatch:
    arrays = [pa.array(values, field.type) for values, field in zip(columns, PARSED, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=PARSED)
