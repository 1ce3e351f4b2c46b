"""Files of line protocol: finds them, and selects the points of the configured database."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from influx_lake.config import LineProtocolConfig
from influx_lake.config.values.source_schema import ColumnType
from influx_lake.config.values.units import counted
from influx_lake.config.values.windows import Window
from influx_lake.errors import DatabaseNotFound, QueryRejected
from influx_lake.sources.files import FileLimits, FilePlace, StoredFile, read_chunks
from influx_lake.sources.files.file_check import UTF8_MARK
from influx_lake.sources.files.parts import WHOLE, FilePart, PartChunks, Place
from influx_lake.sources.line_protocol.file_parts import FileParts
from influx_lake.sources.line_protocol.headers import Headers
from influx_lake.sources.line_protocol.parser import LineParser
from influx_lake.sources.points.cell_builder import INT64
from influx_lake.sources.points.left_out import bad_records_remark, too_bad
from influx_lake.sources.points.registry import Context, FieldName, MeasurementKey, Registry
from influx_lake.sources.points.source import PointsSource
from influx_lake.sources.points.staged_file import Unit, UnitWriter
from influx_lake.sources.points.staging import Staging, UnitStore
from influx_lake.sources.points.survey import FileSurvey
from influx_lake.sources.remarks import Remark

log = logging.getLogger("influx_lake.sources")

_READING = 3
"""The version of the parser: increase it if the same files give other points or facts, so that earlier results are not
used.
"""
_NANOSECONDS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


def line_protocol_source(config: LineProtocolConfig, units: UnitStore | None = None) -> PointsSource:
    """The source of such files. Nothing is read before it is used.

    Args:
        config: Which files, and their format.
        units: Holds the parsed files; None for the staging folder of the source.
    """
    return PointsSource(LineProtocolFiles(config, units))


class LineProtocolFiles:
    """The files of a source, each parsed once.

    Args:
        config: Which files, and their format.
        units: Holds the parsed files.
    """

    product = "line protocol"
    merges_numbers = False

    def __init__(self, config: LineProtocolConfig, units: UnitStore | None = None) -> None:
        self._config = config
        self._staging = units or Staging(config.staging, config.staging_limit, config.staging_keep)
        self._told = False

    @property
    def identity(self) -> str:
        return f"line_protocol:{','.join(self._config.path)}#{self._config.database}"

    def units(
        self,
        window: Window | None,
        measurement: str | None = None,  # noqa: ARG002 - any file can hold any measurement
        left_out: frozenset[str] = frozenset(),  # noqa: ARG002 - lines are always parsed completely
    ) -> Sequence[Unit]:
        if window is not None and not self._told:
            self._told = True
            for remark in self._remarks():
                log.warning("%s: %s", self.identity, remark)
        return self._units

    def wants(self, key: MeasurementKey) -> bool:
        return key.context in self._contexts

    def declared(self, measurement: str) -> None:  # noqa: ARG002 - the files tell everything
        return None

    def names(self) -> None:
        return None

    def place_of(self, measurement: str, field: FieldName, value: int, time: int) -> None:  # noqa: ARG002 - as declared
        return None

    def state(self) -> str:
        size = sum(max(0, file.size) for file, _ in self._read)
        bad = sum(unit.bad for unit in self._units)
        aside = f", {bad:,} bad lines left out" if bad else ""
        return f"{len(self._units):,} files, {size / 1e6:,.1f} MB{aside}"

    def units_read(self) -> Sequence[Unit]:
        return self._units

    @property
    def time_unit(self) -> str:
        return f"precision: {self._config.precision}"

    def survey(self) -> FileSurvey:
        units = self._units
        return FileSurvey(units, len(units), list(self._remarks()), "precision", self._config.precision)

    def _remarks(self) -> Iterator[Remark]:
        if (left_out := bad_records_remark(self._units)) is not None:
            yield left_out
        capped = [unit for unit in self._units if unit.facts["capped"]]
        if capped:
            yield Remark(
                f"{counted(sum(unit.facts['capped'] for unit in capped), 'value')} of {counted(len(capped), 'file')} "
                f"are {INT64[-1]}, which Telegraf writes for every larger unsigned integer; the first file is "
                f"{capped[0].facts['file']}",
                "Set `influx_uint_support = true` where Telegraf writes line protocol",
            )

    def close(self) -> None:
        self._staging.close()
        self.__dict__.pop("_read", None)

    @property
    def _units(self) -> list[Unit]:
        return [unit for _, unit in self._read]

    @cached_property
    def _read(self) -> list[tuple[StoredFile, Unit]]:
        places = (FilePlace(path, self._config.storage_properties()) for path in self._config.path)
        files = {file.uri: file for place in places for file in place.files()}
        tasks = {file.uri: (self._identity(file), ExportedFile(self._config, file)) for file in files.values()}
        self._staging.prepare(list(tasks.values()), values=True)
        read = [(file, self._staging.unit(*tasks[file.uri])) for file in files.values()]
        bad = [unit for _, unit in read if unit.bad]
        if sum(unit.bad for unit in bad) > self._config.max_bad_lines:
            raise too_bad(sum(unit.bad for unit in bad), self._config.max_bad_lines, bad[0].facts, bad[0].bad_file)
        return read

    def _identity(self, file: StoredFile) -> str:
        read_as = f"{_READING}\0{self._config.precision}\0{self._config.trailing_newline}"
        return f"line_protocol\0{read_as}\0{file.identity}"

    @cached_property
    def _contexts(self) -> frozenset[Context]:
        """The contexts whose points are read: those of the database, and those without a database."""
        wanted, policy = self._config.database, self._config.retention_policy
        found = {key.context for unit in self._units for key in unit.measurements}
        databases = sorted({context.database for context in found if context.database})
        if databases and wanted not in databases:
            raise DatabaseNotFound(
                f"the files hold points of {', '.join(databases)}, and not of {wanted}",
                remedy="Set `database` of the source to one of them",
            )
        own = {context for context in found if context.database in (None, wanted)}
        policies = sorted({context.retention_policy for context in own if context.retention_policy})
        if policy is None and len(policies) > 1:
            raise QueryRejected(
                f"the files hold points of {wanted} in several retention policies: {', '.join(policies)}",
                remedy="Set `retention_policy` to one of them, and declare a source for each",
            )
        if policy is not None and policies and policy not in policies:
            raise DatabaseNotFound(
                f"the files hold points of {wanted} in the retention policies {', '.join(policies)}, not in {policy}",
                remedy="Set `retention_policy` to one of them",
            )
        return frozenset(each for each in own if policy is None or each.retention_policy in (None, policy))


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """Parses a file.

    Attributes:
        config: The options of its format.
        file: The file.
    """

    config: LineProtocolConfig
    file: StoredFile
    reach: None = None
    is_text: bool = True

    def __call__(self, writer: UnitWriter, part: FilePart = WHOLE) -> Place:
        """Write its points to a unit; see `FileTask`.

        Raises:
            BadRecords: It has more bad lines than allowed.
            SourceError: It cannot be read.
        """
        config, file, start = self.config, self.file, part.start or Place()
        headers = replace(start.context) if isinstance(start.context, Headers) else Headers()
        parser = LineParser(writer.registry, _NANOSECONDS[config.precision], start.lines, headers)
        facts: dict[str, Any] = {"file": file.uri, "first_bad": None, "capped": 0}
        limits = FileLimits(config.max_document, config.max_expansion)
        parts = FileParts(parser, file.uri, limits, config.trailing_newline == "optional")
        with read_chunks(file, limits, start.offset) as chunks:
            read = PartChunks(chunks, start.offset, part.end, lambda: parts.between)
            for parsed in parts.parsed(iter(read)):
                writer.add(parsed.cells)
                facts["capped"] += _largest_integers(parsed.cells, writer.registry)
                bad = writer.add_bad(parsed.bad)
                for each in parsed.bad[:1]:
                    facts["first_bad"] = facts["first_bad"] or f"line {each.line:,} {each.reason}"
                if bad > config.max_bad_lines:
                    raise too_bad(bad, config.max_bad_lines, facts, writer.bad_file)
        writer.close({**facts, "lines": parser.lines - start.lines})
        return Place(read.at, parser.lines, parser.headers)

    def context_by(self, head: bytes) -> Headers:
        """What the beginning of the file says of its other lines; see `FileTask`."""
        headers = Headers()
        for line in head.split(b"\n"):
            headers.read(line.removeprefix(UTF8_MARK).strip(b" \t\r"))
        return headers


def _largest_integers(cells: pa.RecordBatch, registry: Registry) -> int:
    """How many values are the largest integer."""
    is_integer = np.array([each.type is ColumnType.INTEGER for each in registry.fields], np.bool_)
    largest = cells.column("bits").to_numpy() == INT64[-1]
    return int(is_integer[cells.column("field").to_numpy()[largest]].sum()) if largest.any() else 0
