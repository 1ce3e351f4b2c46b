"""Builds a source from the shuffled pieces of a slice, in executors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from influx_lake.config.values.source_schema import ColumnType
from influx_lake.config.values.windows import Window
from influx_lake.sources.points.registry import FieldName, MeasurementKey, Registry
from influx_lake.sources.points.staged_file import Unit, UnitWriter
from influx_lake.sources.points.survey import FileSurvey
from influx_lake.spark.line_pieces import added


@dataclass(frozen=True, slots=True)
class Declared:
    """A measurement as the driver knows it from all files of its source.

    Attributes:
        identity: The source's identity.
        keys: The measurement's keys in the files.
        tags: Its tags.
        fields: Its fields.
        merges_numbers: Whether a field may hold both integers and floats as one column of floats.
        max_bytes: The most bytes of a file's unit on disk.
    """

    identity: str
    keys: tuple[MeasurementKey, ...]
    tags: tuple[str, ...]
    fields: tuple[tuple[str, ColumnType], ...]
    merges_numbers: bool
    max_bytes: int


class ShuffledPoints:
    """The points of a slice of a window, from all files that have some; an `Archive`.

    Args:
        declared: The measurement as the driver knows it.
        units: The files' points.
    """

    product = "points that Spark shuffled"
    time_unit = ""

    def __init__(self, declared: Declared, units: Sequence[Unit]) -> None:
        self._declared = declared
        self._units = units

    @property
    def identity(self) -> str:
        return self._declared.identity

    @property
    def merges_numbers(self) -> bool:
        return self._declared.merges_numbers

    def units(
        self,
        window: Window | None,  # noqa: ARG002 - all units are of the slice
        measurement: str | None = None,  # noqa: ARG002 - and of one measurement
        left_out: frozenset[str] = frozenset(),  # noqa: ARG002
    ) -> Sequence[Unit]:
        return self._units

    def wants(self, key: MeasurementKey) -> bool:
        return key in self._declared.keys

    def declared(self, measurement: str) -> tuple[Sequence[str], Sequence[FieldName]]:  # noqa: ARG002 - there is one
        return self._declared.tags, self._declared.fields

    def names(self) -> list[str]:
        return sorted({key.name for key in self._declared.keys})

    def place_of(self, measurement: str, field: FieldName, value: int, time: int) -> None:
        """None: pieces do not record lines."""

    def state(self) -> str:
        return f"{len(self._units):,} files"

    def units_read(self) -> Sequence[Unit]:
        return self._units

    def survey(self) -> FileSurvey:
        return FileSurvey(self._units, len(self._units), [], "", "")

    def close(self) -> None:
        """Does nothing."""


def units_of(pieces: Iterable[tuple[int, bytes]], declared: Declared, folder: Path) -> list[Unit]:
    """Build units from pieces, one for each file.

    Args:
        pieces: Each piece with its file's position, ordered by file and by number.
        declared: The measurement as the driver knows it.
        folder: An empty folder for the units.
    """
    units: list[Unit] = []
    current: tuple[int, UnitWriter] | None = None
    for place, content in pieces:
        if current is None or current[0] != place:
            _close(current, units)
            unit = folder / str(place)
            unit.mkdir()
            current = place, UnitWriter(unit, folder / "bad", Registry(), declared.max_bytes)
        added(content, current[1], declared.keys)
    _close(current, units)
    return units


def _close(current: tuple[int, UnitWriter] | None, units: list[Unit]) -> None:
    if current is not None:
        writer = current[1]
        writer.close({"file": ""})
        units.append(Unit.open(writer.folder, writer.bad_file))
