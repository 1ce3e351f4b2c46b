"""The files of a source as parsed by executors: the indexes on the driver's disk, the values in Spark."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from itertools import count
from typing import TYPE_CHECKING, Any

from influx_lake.errors import EngineError
from influx_lake.sources.points.staged_file import Unit
from influx_lake.sources.points.staging import FileTask
from influx_lake.spark.divided_file import DividedFile, groups_of
from influx_lake.spark.outcomes import Outcome, spark_errors, tell, unpacked
from influx_lake.spark.parsing import PARSED_DDL, FilesConfig, FileToParse, ParsedFile, parsing
from influx_lake.spark.serialization import shipped
from influx_lake.spark.session import SparkSource
from influx_lake.spark.unit_index import UnitIndexes

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_TASKS_PER_CORE = 4
_MOST_FRAMES = 16
"""How many frames are kept: consecutive windows share files."""
_FEW_BYTES = 256 * 2**20
"""Files that are parsed for their columns alone keep their values too, up to this size: the next windows are likely to
need them."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Files that were parsed together.

    Attributes:
        kept: Their rows; see `parsing.PARSED`.
        numbers: The numbers of each file's parts in the rows, by the file's identity.
    """

    kept: list[DataFrame]
    numbers: dict[str, list[int]]

    @property
    def rows(self) -> DataFrame:
        """All rows; rows of other numbers belong to no file."""
        return reduce(lambda one, other: one.union(other), self.kept)

    def release(self) -> None:
        """Release the rows."""
        for each in self.kept:
            each.unpersist()


class ParsedFiles:
    """The units of files, built by executors. Threads may share it.

    Args:
        spark: The Spark session.
        config: The source.
    """

    def __init__(self, spark: SparkSource, config: FilesConfig) -> None:
        self._spark = spark
        self._config = config
        self._indexes = UnitIndexes(config.staging, config.staging_keep)
        self._frames: OrderedDict[int, Frame] = OrderedDict()
        self._failed: dict[str, Outcome] = {}
        self._identity: dict[str, str] = {}
        self._tasks: dict[str, FileTask] = {}
        self._made = 0
        self._lock = threading.RLock()

    def prepare(self, tasks: Sequence[tuple[str, FileTask]], *, values: bool) -> None:
        """Parse the files that were not parsed yet, in one Spark job; see `UnitStore`.

        Raises:
            EngineError: Spark failed.
        """
        with self._lock:
            self._tasks.update(tasks)
            new = [identity for identity, _ in tasks if not self._is_parsed(identity, values=values)]
            if new:
                self._indexes.clean()
                few = sum(max(0, self._tasks[identity].file.size) for identity in new) <= _FEW_BYTES
                self._parse(new, values=values or few)

    def unit(self, identity: str, build: FileTask) -> Unit:
        """The unit of a file, without its values, which are in `frames`; see `UnitStore`."""
        with self._lock:
            self._raise_failed(identity)
            self._tasks[identity] = build
            found = self._indexes.find(self._key(identity))
            if found is None:
                self.prepare([(identity, build)], values=False)
                return self.unit(identity, build)
            self._identity[str(found.folder)] = identity
            return found

    def frames(self, units: Iterable[Unit]) -> list[tuple[Frame, dict[int, int]]]:
        """The frames that hold the values of units, each with the units' positions by their numbers in it."""
        with self._lock:
            places = {self._identity[str(unit.folder)]: place for place, unit in enumerate(units)}
            # Frames may have been dropped since, and some files have only an index.
            if gone := [identity for identity in places if not self._is_parsed(identity, values=True)]:
                self._parse(gone, values=True)
                for identity in gone:
                    self._raise_failed(identity)
            found = []
            for made, frame in list(self._frames.items()):
                mine = {identity: places.pop(identity) for identity in places.keys() & frame.numbers}
                here = {number: place for identity, place in mine.items() for number in frame.numbers[identity]}
                if here:
                    found.append((frame, here))
                    self._frames.move_to_end(made)
            while len(self._frames) > max(_MOST_FRAMES, len(found)):
                self._frames.popitem(last=False)[1].release()
            return found

    def close(self) -> None:
        """Release the values."""
        with self._lock:
            for frame in self._frames.values():
                # Values of a Spark that has ended are gone, and the load that it failed has said so.
                with suppress(EngineError), spark_errors("release values"):
                    frame.release()
            self._frames.clear()
            self._failed.clear()

    def _raise_failed(self, identity: str) -> None:
        """Raise the error of a file whose parsing failed, and forget it: the next request parses it again."""
        if (failed := self._failed.pop(identity, None)) is not None:
            failed.result()

    def _is_parsed(self, identity: str, *, values: bool) -> bool:
        if values:
            return any(identity in frame.numbers for frame in self._frames.values())
        return identity in self._failed or self._indexes.find(self._key(identity)) is not None

    def _key(self, identity: str) -> str:
        return f"{identity}\0{self._tasks[identity].reach}"

    def _parse(self, tasks: list[str], *, values: bool) -> None:
        most = self._spark.bytes_per_task()
        files = {identity: self._divided(identity, most) for identity in tasks}
        numbers, frames = count(), list[Any]()
        while parts := [part for each in files.values() for part in each.to_parse(numbers)]:
            rows, outcomes = self._parse_parts(parts, values=values)
            frames.append(rows)
            for each in files.values():
                each.add_outcomes(outcomes)
        outcomes_of = {identity: each.outcome() for identity, each in files.items()}
        tell(list(outcomes_of.values()))
        done = {}
        for identity, outcome in outcomes_of.items():
            parsed, key = outcome.value, self._key(identity)
            assert isinstance(parsed, ParsedFile)
            self._failed.pop(identity, None)
            if parsed.index is None:
                self._indexes.put_bad_lines(key, parsed.bad_lines)
                self._failed[identity] = outcome
            else:
                self._indexes.put(key, parsed.index)
                done[identity] = files[identity].numbers()
        if values:
            self._made += 1
            self._frames[self._made] = Frame(frames, done)

    def _divided(self, identity: str, most_bytes: int) -> DividedFile:
        bad_file = self._indexes.bad_file(self._key(identity))
        return DividedFile.of(self._tasks[identity], bad_file, self._config.max_bad_lines, most_bytes)

    def _parse_parts(self, parts: Sequence[FileToParse], *, values: bool) -> tuple[Any, dict[int, Outcome]]:
        """The rows of files and parts, and the outcome of each, by its number."""
        groups = [shipped(group) for group in groups_of(parts, self._spark.parallelism() * _TASKS_PER_CORE)]
        work = parsing(shipped(self._config), groups, values=values)
        with spark_errors("parse the files"):
            rows = _numbers(self._spark, len(groups)).mapInArrow(work, PARSED_DDL)
            if values:
                rows = _persisted(rows)
            outcomes = rows.filter("piece is null").select("file", "content").collect()
        return rows, {row["file"]: unpacked(bytes(row["content"])) for row in outcomes}


def _persisted(rows: Any) -> Any:
    from pyspark import StorageLevel

    return rows.persist(StorageLevel.DISK_ONLY)


def _numbers(spark: SparkSource, count: int) -> Any:
    """A row for each task, each in a partition of its own."""
    return spark.get().range(0, count, 1, count)
