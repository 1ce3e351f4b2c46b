"""The files of a source as parsed by executors: the indexes on the driver's disk, the values in Spark."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from influx_lake.sources.points.staged_file import Unit
from influx_lake.sources.points.staging import FileTask
from influx_lake.spark.outcomes import Outcome, spark_errors, tell, unpacked
from influx_lake.spark.parsing import PARSED_DDL, FilesConfig, ParsedFile, Wanted, parsing
from influx_lake.spark.session import SparkSource
from influx_lake.spark.shipping import shipped
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
        rows: Their rows; see `parsing.PARSED`.
        numbers: The number of each file in the rows, by the file's identity.
    """

    rows: DataFrame
    numbers: dict[str, int]


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

    def prepare(self, wanted: Sequence[tuple[str, FileTask]], *, values: bool) -> None:
        """Parse the files that were not parsed yet, in one Spark job; see `UnitStore`.

        Raises:
            EngineError: Spark failed.
        """
        with self._lock:
            self._tasks.update(wanted)
            new = [identity for identity, _ in wanted if not self._is_there(identity, values=values)]
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
            if gone := [identity for identity in places if not self._is_there(identity, values=True)]:
                self._parse(gone, values=True)
                for identity in gone:
                    self._raise_failed(identity)
            found = []
            for made, frame in list(self._frames.items()):
                here = {frame.numbers[identity]: places.pop(identity) for identity in places.keys() & frame.numbers}
                if here:
                    found.append((frame, here))
                    self._frames.move_to_end(made)
            while len(self._frames) > max(_MOST_FRAMES, len(found)):
                self._frames.popitem(last=False)[1].rows.unpersist()
            return found

    def close(self) -> None:
        """Release the values."""
        with self._lock:
            for frame in self._frames.values():
                with spark_errors("release values"):
                    frame.rows.unpersist()
            self._frames.clear()
            self._failed.clear()

    def _raise_failed(self, identity: str) -> None:
        """Raise the error of a file whose parsing failed, and forget it: the next request parses it again."""
        if (failed := self._failed.pop(identity, None)) is not None:
            failed.result()

    def _is_there(self, identity: str, *, values: bool) -> bool:
        if values:
            return any(identity in frame.numbers for frame in self._frames.values())
        return identity in self._failed or self._indexes.find(self._key(identity)) is not None

    def _key(self, identity: str) -> str:
        return f"{identity}\0{self._tasks[identity].reach}"

    def _parse(self, wanted: list[str], *, values: bool) -> None:
        numbers = {identity: number for number, identity in enumerate(wanted)}
        files = [
            Wanted(number, self._tasks[identity], self._indexes.bad_file(self._key(identity)))
            for identity, number in numbers.items()
        ]
        groups = [shipped(group) for group in _groups(files, self._spark.parallelism() * _TASKS_PER_CORE)]
        work = parsing(shipped(self._config), groups, values=values)
        with spark_errors("parse the files"):
            rows = _numbers(self._spark, len(groups)).mapInArrow(work, PARSED_DDL)
            if values:
                rows = _persisted(rows)
            found = rows.filter("piece is null").select("file", "content").collect()
        by_number = {row["file"]: unpacked(bytes(row["content"])) for row in found}
        tell(list(by_number.values()))
        done = {}
        for identity, number in numbers.items():
            outcome, key = by_number[number], self._key(identity)
            parsed = outcome.value
            assert isinstance(parsed, ParsedFile)
            self._failed.pop(identity, None)
            if parsed.index is None:
                self._indexes.put_bad_lines(key, parsed.bad_lines)
                self._failed[identity] = outcome
            else:
                self._indexes.put(key, parsed.index)
                done[identity] = number
        if values:
            self._made += 1
            self._frames[self._made] = Frame(rows, done)


def _persisted(rows: Any) -> Any:
    from pyspark import StorageLevel

    return rows.persist(StorageLevel.DISK_ONLY)


def _numbers(spark: SparkSource, count: int) -> Any:
    """A row for each task, each in a partition of its own."""
    return spark.get().range(0, count, 1, count)


def _groups(files: Sequence[Wanted], most: int) -> list[list[Wanted]]:
    """Files in groups of about the same size, each in the files' order."""
    groups: list[list[Wanted]] = [[] for _ in range(min(most, len(files)))]
    sizes = [0] * len(groups)
    for each in sorted(files, key=lambda wanted: wanted.task.file.size, reverse=True):
        smallest = sizes.index(min(sizes))
        groups[smallest].append(each)
        # Opening a file has a cost, however small the file is.
        sizes[smallest] += max(0, each.task.file.size) + 2**16
    return [sorted(group, key=lambda wanted: wanted.number) for group in groups]
